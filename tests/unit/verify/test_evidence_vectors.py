"""The evidence of a real node, taken once: verified from the files alone, nobody is asked."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.core import registries
from ledger.core.durable import DurableCredential
from ledger.verify.checkpoints import Checkpoint, parse_checkpoints
from ledger.verify.networks import parse_networks
from ledger.verify.report import Report, Verdict
from ledger.verify.trust import parse_trust_list
from ledger.verify.verification import verify

FOLDER = Path(__file__).parents[2] / "vectors" / "evidence"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_bytes())
NETWORKS = parse_networks((FOLDER / "networks.json").read_bytes())
POINTS = parse_checkpoints((FOLDER / "checkpoints.json").read_bytes())
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def checked(name: str, *checkpoints: Checkpoint) -> Report:
    return verify(
        (FOLDER / name).read_bytes(),
        readers=[],
        networks=NETWORKS,
        checkpoints=checkpoints,
        trust=parse_trust_list((FOLDER / "trust.json").read_bytes()),
        now=NOW,
    )


def test_the_vectors_are_of_the_present_registries() -> None:
    """If not, take them anew: python -m tests.vector_sources.evidence."""
    (network,) = NETWORKS
    hashes = MANIFEST["codeHashes"]

    assert (network.anchor_registry, network.issuer_registry) == (
        registries.ANCHOR_REGISTRY,
        registries.ISSUER_REGISTRY,
    )
    assert hashes == {
        "anchorRegistry": f"0x{registries.ANCHOR_REGISTRY_CODE_HASH.hex()}",
        "issuerRegistry": f"0x{registries.ISSUER_REGISTRY_CODE_HASH.hex()}",
    }


def test_every_file_is_in_the_manifest() -> None:
    present = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*")}

    assert present == {*MANIFEST["valid"], *MANIFEST["invalid"]}


@pytest.mark.parametrize("name", MANIFEST["valid"])
def test_a_valid_file_is_what_the_manifest_says(name: str) -> None:
    expected = MANIFEST["valid"][name]
    block = Checkpoint.from_text(f"{MANIFEST['chainId']}:{expected['blockHash']}")
    report = checked(name, block)

    assert report.verdict.value == expected["verdict"]
    assert report.steps[3].code == expected["record"]
    (read,) = report.read
    assert read.block.number == expected["blockNumber"]
    assert report == checked(name, *POINTS)
    assert checked(name).verdict in {Verdict.INCOMPLETE, Verdict.CONTRADICTED}
    evidence = DurableCredential.from_bytes(
        (FOLDER / name).read_bytes()
    ).proof.home.evidence
    assert evidence is not None
    assert f"0x{evidence.block.state_root.hex()}" == expected["stateRoot"]


@pytest.mark.parametrize("name", MANIFEST["invalid"])
def test_an_invalid_file_is_refused_for_the_reason_in_the_manifest(name: str) -> None:
    report = checked(name, *POINTS)

    assert report.steps[3].code == MANIFEST["invalid"][name]["record"]
    assert report.verdict in {Verdict.CONTRADICTED, Verdict.INCOMPLETE}
    assert report.exit_code in {1, 2}


def test_endorsements_are_in_the_file_that_names_accreditors() -> None:
    named = checked("valid/as-of-with-an-endorsement.json", *POINTS)

    assert named.issuer is not None
    held = (FOLDER / "valid/as-of-with-an-endorsement.json").read_bytes()
    evidence = DurableCredential.from_bytes(held).proof.home.evidence
    assert evidence is not None
    assert len(evidence.accreditors) == 1
