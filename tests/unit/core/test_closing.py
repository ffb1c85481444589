"""The public papers of a closed issuer: one encoding each, and all tied to one hash."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ledger.core.canonical import encode, parse, parse_object
from ledger.core.closing import (
    ClosingStatement,
    Custodian,
    HistoricalKey,
    HistoricalProfile,
    IssuerHistory,
    ListedAchievement,
    ListedStatus,
    PublicRecord,
    read_custodians,
    statement_hash,
)
from ledger.core.issuer import IssuerProfile, IssuerReference, issuer_id
from ledger.core.issuer_proof import IssuerFacts, RecordedKey
from ledger.core.keys import SigningKey
from ledger.core.registries import ISSUER_REGISTRY
from ledger.core.status import StatusBits, build_status_list
from ledger.errors import MalformedError, ProofError

SAMPLES = Path(__file__).parents[3] / "scripts" / "samples" / "riverside"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PROFILE = IssuerProfile("Riverside Code School", "https://riverside.example.org")
CONTROLLER, COMMITMENT, SALT = "0x" + "11" * 20, b"\x22" * 32, b"\x33" * 32
REFERENCE = IssuerReference(
    1,
    ISSUER_REGISTRY,
    issuer_id(1, CONTROLLER, COMMITMENT, PROFILE.hash, SALT),
)
HEIR = replace(REFERENCE, issuer_id=b"\x44" * 32)
KEY = SigningKey.from_seed(b"\x55" * 32).public
REVOKER = "0x" + "66" * 20
SOURCE = encode(parse((SAMPLES / "achievements.json").read_bytes())[0])  # type: ignore[index] # a list of objects
ACHIEVEMENT: Any = parse(SOURCE)
NAME = (ACHIEVEMENT["code"], ACHIEVEMENT["version"])
LIST = encode(
    build_status_list(
        "https://l.example/1", KEY.did, StatusBits.of([9, 300]), valid_from=NOW
    )
)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


STATEMENT = ClosingStatement(
    issuer=REFERENCE,
    code="riverside",
    name="Riverside Code School",
    successor=None,
    prepared_at=NOW,
    credentials=3,
    achievements=(ListedAchievement(*NAME, sha256(SOURCE)),),
    status_lists=(ListedStatus(KEY, sha256(LIST)),),
    text="Goodbye.",
)
HISTORY = IssuerHistory(
    issuer=REFERENCE,
    controller=CONTROLLER,
    recovery_commitment=COMMITMENT,
    salt=SALT,
    registered_at=1_000,
    closed_at=9_000,
    profiles=(HistoricalProfile(PROFILE.hash, 1_000),),
    keys=(
        HistoricalKey(1, KEY.multibase, 1_100, None, 8_000),
        HistoricalKey(2, REVOKER, 1_100, None, None),
    ),
)
FACTS = IssuerFacts(
    registered_at=1_000,
    closed_at=9_000,
    closed_for_good=True,
    successor=None,
    statement=statement_hash(STATEMENT.encode()),
    profiles=[1_000],
    keys=[RecordedKey(1_100, None, 8_000, 1), RecordedKey(1_100, None, None, 2)],
    words={0: 1 << 9, 1: 1 << 44},
)


def record(**changes: Any) -> PublicRecord:
    parts: dict[str, Any] = {
        "statement": STATEMENT,
        "history": HISTORY,
        "profiles": (PROFILE,),
        "achievements": {NAME: SOURCE},
        "status_lists": {KEY.multibase: LIST},
    }
    return PublicRecord(**{**parts, **changes})


# ---------------------------------------------------------------- one encoding


def test_statement_and_history_are_written_and_read_back() -> None:
    assert ClosingStatement.from_bytes(STATEMENT.encode()) == STATEMENT
    with_heir = replace(STATEMENT, successor=HEIR, text=None)
    assert ClosingStatement.from_bytes(with_heir.encode()) == with_heir
    assert IssuerHistory.from_bytes(HISTORY.encode()) == HISTORY


def test_a_statement_has_one_encoding() -> None:
    with pytest.raises(MalformedError, match="one encoding"):
        ClosingStatement.from_bytes(STATEMENT.encode() + b"\n")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"issuer": "eip155:1:0x11:0x22"},
        {"successor": 7},
        {"credentials": -1},
        {"credentials": True},
        {"text": " "},
        {"text": "x" * 10_001},
        {"preparedAt": "yesterday"},
        {"achievements": [{"code": "a", "version": "1"}]},
        {"statusLists": [{"key": "z6Mk", "sha256": "00" * 32}]},
        {"organisation": {"code": "a"}},
    ],
)
def test_a_statement_of_another_form_is_refused(change: dict[str, Any]) -> None:
    document = {**parse_object(STATEMENT.encode()), **change}
    with pytest.raises(MalformedError):
        ClosingStatement.from_bytes(encode(document))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"profiles": []},
        {"salt": "0x" + "34" * 32},
        {"controller": "0x" + "12" * 20},
        {"keys": [{"role": "signing", "key": "z", "from": 1, "until": None}]},
        {"keys": [{"role": "owner", "key": "z", "from": 1, "until": None, "compromisedSince": None}]},
        {"keys": [{"role": "revoking", "key": "z", "from": 1, "until": None, "compromisedSince": None}]},
        {"registeredAt": "1"},
    ],
)  # fmt: skip
def test_a_history_of_another_form_or_issuer_is_refused(change: dict[str, Any]) -> None:
    document = {**parse_object(HISTORY.encode()), **change}
    with pytest.raises(MalformedError):
        IssuerHistory.from_bytes(encode(document))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for read in (ClosingStatement.from_bytes, IssuerHistory.from_bytes):
        with pytest.raises(MalformedError):
            read(data)


def test_keys_have_the_names_of_the_registry() -> None:
    signing, revoking = HISTORY.keys
    assert signing.key_id == KEY.key_id
    assert revoking.key_id == bytes(12) + b"\x66" * 20


# ---------------------------------------------------------------- custodians


def test_custodians_are_read_and_written() -> None:
    one = Custodian("City Archive", "age1" + "q" * 58)
    two = Custodian("Ministry", "age1" + "p" * 58)
    assert read_custodians([one.to_json(), two.to_json()]) == (one, two)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        [{"name": "A"}],
        [{"name": "A", "recipient": "age1" + "q" * 58}] * 2,
        [{"name": "A", "recipient": "AGE-SECRET-KEY-1" + "Q" * 58}],
        [{"name": "A\nB", "recipient": "age1" + "q" * 58}],
        [{"name": "A", "recipient": "age1" + "q" * 58, "more": 1}],
    ],
)
def test_wrong_custodians_are_refused(wrong: Any) -> None:
    with pytest.raises(MalformedError):
        read_custodians(wrong)


# ---------------------------------------------------------------- all of it together


def test_what_fits_together_and_fits_the_chain() -> None:
    made = record()
    made.check(FACTS, STATEMENT.encode())
    assert made.words == 512


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"history": replace(HISTORY, issuer=REFERENCE)}, ""),
        ({"achievements": {}}, "achievement .* is not the one"),
        ({"achievements": {NAME: SOURCE + b" "}}, "achievement .* is not the one"),
        ({"achievements": {NAME: SOURCE, ("x", "1"): SOURCE}}, "achievement x 1"),
        ({"status_lists": {}}, "status list z6Mk"),
        ({"status_lists": {KEY.multibase: LIST + b" "}}, "status list z6Mk"),
        ({"profiles": (replace(PROFILE, name="Another"),)}, "profiles"),
        ({"profiles": ()}, "profiles"),
    ],
)  # fmt: skip
def test_what_the_statement_does_not_name_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    if not words:
        record(**changes)
        return
    with pytest.raises(ProofError, match=words):
        record(**changes)


def test_an_achievement_under_another_name_is_refused() -> None:
    swapped = ListedAchievement("other", "1", sha256(SOURCE))
    with pytest.raises(ProofError, match="is another one"):
        record(
            statement=replace(STATEMENT, achievements=(swapped,)),
            achievements={("other", "1"): SOURCE},
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"registered_at": 1_001}, "time of registering"),
        ({"closed_at": None}, "time of closing"),
        ({"successor": HEIR.issuer_id}, "the successor"),
        ({"closed_for_good": False}, "whether there is a successor"),
        ({"statement": bytes(32)}, "hash of the statement"),
        ({"profiles": [None]}, "profiles"),
        ({"keys": [None, FACTS.keys[1]]}, "windows of keys"),
        ({"keys": [RecordedKey(1_100, None, None, 1), FACTS.keys[1]]}, "windows of keys"),
        ({"words": {0: 1 << 9}}, "other bits"),
        ({"words": {0: 1 << 9, 1: 1 << 44, 2: 1}}, "other bits"),
    ],
)  # fmt: skip
def test_whatever_the_chain_says_otherwise_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProofError, match=words):
        record().check(replace(FACTS, **changes), STATEMENT.encode())


def test_a_successor_may_have_withdrawn_more_since() -> None:
    statement = replace(STATEMENT, successor=HEIR)
    facts = replace(
        FACTS,
        successor=HEIR.issuer_id,
        closed_for_good=False,
        statement=statement_hash(statement.encode()),
        words={0: 1 << 9 | 1, 1: 1 << 44, 7: 1},
    )
    record(statement=statement).check(facts, statement.encode())
    with pytest.raises(ProofError, match="other bits"):
        record(statement=statement).check(
            replace(facts, words={0: 1}), statement.encode()
        )
