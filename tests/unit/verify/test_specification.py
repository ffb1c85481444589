"""docs/spec says what the program does: its examples run, its tables are the program's."""

import json
import re
from pathlib import Path

import pytest

from ledger.core.checkpoint import MAX_BYTES as MAX_PROOF_BYTES, MAX_PROOFS
from ledger.core.evidence import (
    MAX_ACCREDITORS,
    MAX_NODE_BYTES,
    MAX_NODES,
    Fault,
)
from ledger.core.header import MAX_HEADER
from ledger.core.rlp import MAX_DEPTH
from ledger.verify.checkpoints import parse_checkpoints
from ledger.verify.home_chain import MAX_BEHIND
from ledger.verify.networks import BUILT_IN, Network, parse_networks
from ledger.verify.report import FINDINGS, WORDINGS, StepName
from ledger.verify.rpc import MAX_ANSWER, TIMEOUT
from ledger.verify.trust import parse_trust_list

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "docs" / "spec"
NETWORKS_AND_TRUST = (SPEC / "networks-and-trust.md").read_text()
VERIFICATION = (SPEC / "verification.md").read_text()
GENUINE = ROOT / "tests" / "vectors" / "reports" / "genuine"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def rows(text: str, heading: str) -> list[list[str]]:
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines
    ]


def test_example_networks_file_is_the_built_in_entry() -> None:
    networks, *_ = blocks(NETWORKS_AND_TRUST, "json")

    assert parse_networks(networks.encode()) == BUILT_IN[:1]


def test_example_checkpoints_file_is_read() -> None:
    example, _ = blocks((SPEC / "checkpoints.md").read_text(), "json")

    (point,) = parse_checkpoints(example.encode())
    assert (point.chain_id, point.block_number) == (1, 23_000_000)


def test_example_of_a_checkpoint_proof_is_the_vector() -> None:
    page = (SPEC / "checkpoints.md").read_text()
    _, example = blocks(page, "json")
    folder = ROOT / "tests" / "vectors" / "checkpoint-proofs"
    name = "valid/two-credentials-and-a-checkpoint.json"
    facts = json.loads((folder / "manifest.json").read_bytes())["valid"][name]

    assert (folder / name).read_text() == example
    assert f"leaf         {facts['leaves'][0]}" in page
    assert f"sealed root  {facts['sealedRoots'][0]}" in page
    assert f"{MAX_PROOFS:,}. Every set" in page
    assert f"at most {MAX_PROOF_BYTES:,} bytes" in page


def test_example_of_evidence_is_the_vector() -> None:
    page = (SPEC / "evidence.md").read_text()
    folder = ROOT / "tests" / "vectors" / "evidence"
    name = "valid/as-of-with-an-endorsement.json"
    held = json.loads((folder / name).read_bytes())["proof"][1]["anchors"][0]
    manifest = json.loads((folder / "manifest.json").read_bytes())

    shown = re.findall(r'"([^"]+)…"', blocks(page, "")[0])
    evidence = [held["evidence"]["header"], *held["evidence"]["nodes"]]
    assert len(shown) == 3
    assert all(
        whole.startswith(start) for whole, start in zip(evidence, shown, strict=False)
    )
    assert held["evidence"]["accreditors"][0] in page
    assert f"eip155:31337:{manifest['valid'][name]['blockHash']}" in page


def test_faults_of_evidence_are_documented() -> None:
    page = (SPEC / "evidence.md").read_text()
    documented = {row[0] for row in rows(page, "What is wrong with it")}

    assert documented == {"malformed", *Fault}


def test_limits_of_evidence_are_the_programs() -> None:
    page = (SPEC / "evidence.md").read_text()

    assert f"1 to {MAX_HEADER:,} bytes" in page
    assert f"1 to {MAX_NODES:,} trie nodes" in page
    assert f"at most {MAX_NODE_BYTES:,} bytes" in page
    assert f"1 to {MAX_ACCREDITORS} strings" in page
    assert f"Lists nested deeper than {MAX_DEPTH} MUST be refused" in page


def test_example_trust_list_is_read() -> None:
    _, trust, _ = blocks(NETWORKS_AND_TRUST, "json")

    assert parse_trust_list(trust.encode()).name == "Admissions, Example University"


@pytest.mark.parametrize("network", BUILT_IN, ids=lambda network: network.name)
def test_built_in_networks_are_documented(network: Network) -> None:
    test = "yes" if network.test else "no"
    genesis = f"0x{network.genesis_hash.hex()}"

    row = f"| {network.name} | `{network.caip2}` | `{genesis}` | {test} |"
    assert row in NETWORKS_AND_TRUST


def test_example_report_is_the_vector() -> None:
    text = blocks(VERIFICATION, "")[0]
    report, step = (json.loads(block) for block in blocks(VERIFICATION, "json"))
    vector = json.loads((GENUINE / "report.json").read_bytes())

    assert text == (GENUINE / "report.txt").read_text()
    assert step in vector["steps"]
    assert set(report) == set(vector) - {"steps", "claims"}
    assert all(report[member] == vector[member] for member in report)


def test_table_of_codes_is_the_programs() -> None:
    documented = dict(rows(VERIFICATION, "Codes"))
    shared = re.findall(r"`\.([a-z_]+)`", VERIFICATION)
    for step in ("issuer", "record", "withdrawal"):
        for reason in shared:
            if reason != "not_checked":
                documented[f"{step}.{reason}"] = "could_not_check"
    for name in StepName:
        documented[f"{name}.not_checked"] = "not_checked"

    assert documented == {code: finding.outcome for code, finding in FINDINGS.items()}


def test_table_of_verdicts_is_the_programs_in_its_order() -> None:
    documented = [row[:4] for row in rows(VERIFICATION, "Verdict")]

    assert documented == [
        [verdict.value, wording.heading, wording.tone.value, str(wording.exit_code)]
        for verdict, wording in WORDINGS.items()
    ]


def test_members_of_the_report_are_documented() -> None:
    vector = json.loads((GENUINE / "report.json").read_bytes())
    table = VERIFICATION.partition("\n## Report as JSON\n")[2].partition("\n## ")[0]
    members = set(re.findall(r"`([A-Za-z]+)`", table))

    assert set(vector) | set(vector["claims"]) | set(vector["steps"][0]) <= members


def test_numbers_are_the_programs() -> None:
    assert f"more than {MAX_BEHIND:,} s from now" in VERIFICATION
    assert f"at most {TIMEOUT:g} seconds and {MAX_ANSWER:,} bytes" in VERIFICATION
