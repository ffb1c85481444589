"""Whoever takes no shortcut comes to the same verdict, for every file of the vectors."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.core import canonical, rdf
from ledger.core.vocabulary import Vocabulary
from ledger.verify.checkpoints import parse_checkpoints
from ledger.verify.networks import parse_networks
from ledger.verify.report import Report, Verdict
from ledger.verify.trust import parse_trust_list
from ledger.verify.verification import verify
from tests.engines import take_the_slow_way

VECTORS = Path(__file__).parents[2] / "vectors"
FOLDER = VECTORS / "evidence"
KINDS = (
    "baked",
    "carriers",
    "credentials",
    "durable",
    "evidence",
    "published",
    "reports",
)
#: What is meant for other readers than that of credential files.
NO_FILES = {".md", ".nq", ".txt", ".html", ".jpg"}


def files(kind: str) -> list[Path]:
    return sorted(
        path
        for path in (VECTORS / kind).rglob("*")
        if path.is_file() and path.suffix not in NO_FILES
    )


def reports(kind: str) -> dict[str, Report]:
    networks = parse_networks((FOLDER / "networks.json").read_bytes())
    points = parse_checkpoints((FOLDER / "checkpoints.json").read_bytes())
    trust = parse_trust_list((FOLDER / "trust.json").read_bytes())
    return {
        str(path.relative_to(VECTORS)): verify(
            path.read_bytes(),
            readers=[],
            networks=networks,
            checkpoints=points,
            trust=trust,
            now=datetime(2030, 1, 1, tzinfo=UTC),
        )
        for path in files(kind)
    }


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_is_the_same_without_shortcuts(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = reports(kind)
    take_the_slow_way(monkeypatch)
    slow = reports(kind)

    assert fast == slow
    assert len(fast) > 5


def test_both_ways_are_really_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison above compares one with itself."""
    file = "evidence/valid/as-of.json"
    assert reports("evidence")[file].verdict is Verdict.GENUINE_AS_OF

    with monkeypatch.context() as broken:
        broken.setattr(rdf, "canonicalise_by_pyld", lambda *_, **__: b"wrong\n")
        broken.setattr(canonical, "encode_by_rfc8785", lambda _: b"wrong")
        assert reports("evidence")[file].verdict is Verdict.GENUINE_AS_OF
        take_the_slow_way(broken)
        assert reports("evidence")[file].verdict is not Verdict.GENUINE_AS_OF

    monkeypatch.setattr(Vocabulary, "canonicalise", lambda *_: b"wrong\n")
    assert reports("evidence")[file].verdict is not Verdict.GENUINE_AS_OF
    take_the_slow_way(monkeypatch)
    assert reports("evidence")[file].verdict is Verdict.GENUINE_AS_OF
