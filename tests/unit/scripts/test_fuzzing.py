"""The short form of scripts/fuzz, and that it would tell."""

import json
from typing import Any

import pytest

from ledger.core import canonical, form, rdf
from scripts import fuzzing

KINDS = ["rdf", "forms", "jcs", "json"]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [101, 102])
def test_no_shortcut_says_anything_else(seed: int) -> None:
    tallies = fuzzing.fuzz(seed, documents=1_500)

    assert list(tallies) == KINDS
    for kind, tally in tallies.items():
        assert (kind, tally.different, tally.shown) == (kind, 0, [])
        assert tally.tried == tally.accepted + tally.refused
        assert min(tally.accepted, tally.refused) > 100


def test_what_is_asked_for_is_tried_and_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fuzzing.main(["--documents", "120", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert list(told) == KINDS
    assert (told["rdf"]["tried"], told["jcs"]["tried"]) == (120, 120)
    assert {count["different"] for count in told.values()} == {0}


def test_a_time_is_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzzing.main(["--minutes", "0.0001"]) == 0
    assert "tried" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "name", "kind"),
    [
        (rdf, "canonicalise_by_tables", "rdf"),
        (form.Form, "fill", "forms"),
        (form.Template, "fill", "forms"),
        (canonical, "_encode_by_orjson", "jcs"),
        (canonical, "_parse_by_orjson", "json"),
    ],
)
def test_a_shortcut_that_errs_is_found(
    module: Any,
    name: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sound = getattr(module, name)

    def erring(*given: Any) -> Any:
        answer = sound(*given)
        if isinstance(answer, tuple):
            return (["other"],)
        return None if answer is None else answer + b" "

    monkeypatch.setattr(module, name, erring)

    assert fuzzing.main(["--documents", "110"]) == 1
    shown = capsys.readouterr()
    assert f"{kind} differs: " in shown.err
    assert "0 different" in shown.out
