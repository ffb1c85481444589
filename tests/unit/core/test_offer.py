"""One achievement, awarded many times: filled in, a credential is what it would be alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st

from ledger.core import offer as offers, signature
from ledger.core.canonical import Json
from ledger.core.credential import (
    Alignment,
    Award,
    SignedCredential,
    sign_credential,
)
from ledger.core.form import Form, Template
from ledger.core.issuer import IssuerProfile
from ledger.core.keys import SigningKey
from ledger.core.offer import Offer, Particulars
from ledger.core.rdf import canonicalise, canonicalise_by_pyld, form_of
from ledger.errors import MalformedError
from tests.vector_sources.credentials import ACHIEVEMENTS, ISSUED_AT, ISSUER, KEY

#: After so many the form is there.
ENOUGH = 6
IRI = "https://ledger.example.org/achievements/1"
LIST = "https://ledger.example.org/status/1"
PARTNER = IssuerProfile("Hillside", "https://hillside.example.org")
FULL = {
    "name": "Ana Núñez",
    "score": "88.5",
    "evidence_url": "https://a.example/1",
    "narrative": 'She built "Sieve"\nand a back\\slash.',
}


def offer(**changes: Any) -> Offer:
    return Offer(ISSUER, replace(ACHIEVEMENTS["py-1"], **changes), IRI)


def particulars(number: int = 1, award: Any = FULL, **facts: Any) -> Particulars:
    return Particulars(
        **{
            "credential_id": UUID(int=number << 80 | 0x4000_8000_0000_0000_0000),
            "award": Award(
                **{
                    "email": f"ana{number}@example.org",
                    "awarded_on": date(2026, 3, 31),
                    **award,
                }
            ),
            "email_salt": "0123456789abcdef",
            "status_list": LIST,
            "status_index": number,
            "issued_at": ISSUED_AT,
            **facts,
        }
    )


def alone(offer: Offer, one: Particulars, key: SigningKey = KEY) -> SignedCredential:
    return sign_credential(
        offer.document(one),
        key,
        verification_method=ISSUER.verification_method,
        created=one.issued_at,
    )


def outcome(act: Callable[[], object]) -> object:
    """What an act answers, or in which words it refuses."""
    try:
        return act()
    except MalformedError as error:
        return str(error)


def practised(offer: Offer, award: Any = FULL, **facts: Any) -> Offer:
    """The offer, with the form of such credentials made."""
    for number in range(1000, 1000 + ENOUGH):
        offer.sign(particulars(number, award, **facts), KEY)
    return offer


# ---------------------------------------------------------------- the same bytes

_lines = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\ufffe\uffff"
    ),
    min_size=1,
    max_size=20,
).filter(lambda text: text == text.strip())
_awards = st.fixed_dictionaries(
    {},
    optional={
        "name": _lines | st.sampled_from(['"', "\\", "%s", "%", "urn:blank0:0001"]),
        "score": st.sampled_from(["0", "88.5", "100"]),
        "evidence_url": st.sampled_from(
            [IRI, "https://a.example/?a=%20", ISSUER.profile.url]
        ),
        "narrative": st.text('a"\\\n\r\t %é\ufb33\U0001f600', min_size=1).filter(
            str.strip
        ),
        "source": st.sampled_from(
            [PARTNER, ISSUER.profile, replace(PARTNER, name="É")]
        ),
    },
)


@given(st.lists(_awards, min_size=1, max_size=4), st.sampled_from(sorted(ACHIEVEMENTS)))
@settings(max_examples=40, deadline=None)
def test_whatever_the_shape_the_bytes_are_those_of_one_alone(
    awards: Sequence[dict[str, Any]], code: str
) -> None:
    """Four kinds of awards in turn, so that each is walked first and filled in later."""
    offered = Offer(ISSUER, ACHIEVEMENTS[code], IRI)
    for turn in range(ENOUGH):
        for award in awards:
            one = particulars(turn, award)
            expected = outcome(partial(alone, offered, one))
            signed = outcome(partial(offered.sign, one, KEY))
            assert signed == expected
            if isinstance(signed, SignedCredential):
                assert signed.proof == alone(offered, one).proof
                assert offered.canonicalise(one) == canonicalise(offered.document(one))


@pytest.mark.parametrize("award", [{}, FULL, {**FULL, "source": PARTNER}])
def test_what_is_filled_in_is_what_pyld_says(award: dict[str, Any]) -> None:
    offered = practised(offer(), award)
    one = particulars(7, award)

    assert offered.canonicalise(one) == canonicalise_by_pyld(offered.document(one))
    signed = offered.sign(one, KEY)
    signed.check(by_pyld=True)
    assert SignedCredential.from_bytes(signed.data) == signed


def test_after_some_of_one_shape_nothing_is_walked_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walked: list[object] = []

    def watched(document: dict[str, Json]) -> bytes:
        walked.append(document)
        return canonicalise(document)

    offered = practised(offer())
    monkeypatch.setattr(signature, "canonicalise", watched)
    offered.sign(particulars(1), KEY)
    assert walked == []
    offered.sign(particulars(2, {}), KEY)
    assert len(walked) == 1


def test_a_form_that_errs_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(document: dict[str, Json], blanks: Sequence[str]) -> Form:
        form = form_of(document, blanks)
        assert form is not None
        return replace(form, lines=Template(b"<a> " + form.lines.text, form.lines.pick))

    monkeypatch.setattr(offers, "form_of", wrong)
    offered, one = practised(offer()), particulars()

    assert list(offered._shapes.values()) == [None]
    assert offered.sign(one, KEY) == alone(offered, one)


def test_a_template_that_errs_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Template):
        @classmethod
        def of(cls, text: bytes, markers: Sequence[str]) -> Template:
            return Template.of(text.replace(b"name", b"Name"), markers)

    monkeypatch.setattr(offers, "Template", Wrong)
    offered, one = practised(offer()), particulars()

    assert list(offered._shapes.values()) == [None]
    assert offered.sign(one, KEY) == alone(offered, one)


@pytest.mark.parametrize("text", ["urn:blank0:0001 and %s", "_:blank0001 _:c14n0"])
def test_an_achievement_may_say_what_a_marker_or_a_label_says(text: str) -> None:
    offered = practised(offer(description=text))
    one = particulars(award={**FULL, "narrative": "urn:blank0:0003"})

    assert list(map(type, offered._shapes.values())) == [offers._Shape]
    assert offered.sign(one, KEY) == alone(offered, one)


def test_many_partners_have_no_forms_and_the_same_credentials() -> None:
    offered = offer()
    for number in range(70):
        partner = replace(PARTNER, name=f"Partner {number}")
        practised(offered, {**FULL, "source": partner})
    one = particulars(award={**FULL, "source": replace(PARTNER, name="Partner 69")})

    assert len(offered._shapes) == 64
    assert offered.sign(one, KEY) == alone(offered, one)


# ---------------------------------------------------------------- the same refusals


@pytest.mark.parametrize(
    "facts",
    [
        {"status_index": 10**9},
        {"status_index": -1},
        {"status_list": LIST + "#1"},
        {"status_list": "ftp://ledger.example.org"},
        {"credential_id": UUID(int=1)},
        {"email_salt": "short"},
        {"award": {**FULL, "name": "bell \x07"}},
        {"award": {**FULL, "narrative": "\ud800"}},
        {"award": {**FULL, "narrative": "x\uffff"}},
        {"issued_at": ISSUED_AT + timedelta(days=9999)},
        {"issued_at": datetime(2026, 11, 25)},  # noqa: DTZ001 - the fault
    ],
)
def test_what_is_refused_alone_is_refused_in_the_same_words(
    facts: dict[str, Any],
) -> None:
    offered = practised(offer(valid_for="P3Y"))
    one = particulars(**facts)

    expected = outcome(lambda: alone(offered, one))
    assert isinstance(expected, str)
    assert outcome(lambda: offered.sign(one, KEY)) == expected


def test_another_key_is_refused() -> None:
    offered = practised(offer())
    other = SigningKey.from_seed(bytes(32))

    with pytest.raises(MalformedError, match="does not name the signing key"):
        offered.sign(particulars(), other)


def test_a_credential_is_not_larger_than_a_file_may_be() -> None:
    """With a short narrative it fits, with a long one it does not."""
    goals = [
        Alignment(f"Goal {n}", "https://a.example/", target_description="ü" * 9_900)
        for n in range(12)
    ]
    offered = practised(offer(alignment=tuple(goals)))
    assert 230_000 < len(offered.sign(particulars(), KEY).data) < 262_144
    long = particulars(award={**FULL, "narrative": "\U0001f600" * 9_000})

    with pytest.raises(MalformedError, match="more than 262144 bytes"):
        offered.sign(long, KEY)
