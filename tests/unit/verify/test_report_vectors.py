"""The report vectors, checked from the files alone: a second verifier would do the same."""

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from ledger.core import canonical
from ledger.verify.checkpoints import parse_checkpoints
from ledger.verify.networks import parse_networks
from ledger.verify.report import FINDINGS, Verdict
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import parse_trust_list
from ledger.verify.verification import verify
from tests.engines import take_the_slow_way
from tests.unit.verify.fakes import FakeChain, failing, honest, served

FOLDER = Path(__file__).parents[2] / "vectors" / "reports"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
CODE: dict[str, str] = json.loads((FOLDER / "code.json").read_bytes())


class NamedReader(RpcReader):
    """A reader of a loopback server that goes by the address of the vector."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url)
        self._name = name

    @property
    def address(self) -> str:
        return self._name


class Node:
    """Answers what the vector says, and nothing else."""

    def __init__(self, answers: Sequence[dict[str, Any]]) -> None:
        self._answers = answers

    def __call__(self, question: dict[str, Any], _result: Any) -> bytes:
        method, params = question["method"], question["params"]
        for entry in self._answers:
            if (entry["method"], entry["params"]) == (method, params):
                if "error" in entry:
                    error = entry["error"]
                    return failing(question, error["code"], error["message"])
                return honest(question, entry["result"])
        if method == "eth_getCode":
            return honest(question, CODE[params[0]])
        return failing(question, -32601, "the vector has no answer to this")


class Anything(FakeChain):
    """Stands behind the server; its answers are not used."""

    def block(self, which: Any) -> Any:
        return super().block(0)


@pytest.mark.parametrize("shortcuts", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_report_is_the_expected_one(
    name: str, shortcuts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shortcuts:
        take_the_slow_way(monkeypatch)
    folder = FOLDER / name
    given = json.loads((folder / "given.json").read_bytes())
    trust, points = folder / "trust.json", folder / "checkpoints.json"
    with ExitStack() as stack:
        readers = []
        for entry in given["addresses"]:
            server = stack.enter_context(served(Anything(), Node(entry["answers"])))
            reader = NamedReader(server.url, entry["address"])
            readers.append(stack.enter_context(closing(reader)))
        report = verify(
            (folder / "file").read_bytes(),
            readers=readers,
            networks=parse_networks((folder / "networks.json").read_bytes()),
            checkpoints=parse_checkpoints(points.read_bytes())
            if points.exists()
            else (),
            trust=parse_trust_list(trust.read_bytes()) if trust.exists() else None,
            now=canonical.parse_time(given["now"]),
            email=given["email"],
            file="file",
        )

    expected = json.loads((folder / "report.json").read_bytes())
    assert expected == report.to_json()
    assert (folder / "report.txt").read_text() == report.to_text()


def test_vectors_reach_every_verdict_and_most_codes() -> None:
    reports = [
        json.loads((FOLDER / name / "report.json").read_bytes()) for name in CASES
    ]
    verdicts = {report["verdict"] for report in reports}
    codes = {step["code"] for report in reports for step in report["steps"]}

    assert verdicts == set(Verdict)
    unreached = {
        code
        for code in set(FINDINGS) - codes
        if not code.endswith("not_checked")
        and FINDINGS[code].outcome != "could_not_check"
    }
    assert unreached == {
        "issuer.not_final",
        "issuer.not_registered",
        "record.other_registry",
    }


@pytest.mark.parametrize("name", CASES)
def test_a_name_begins_with_its_verdict(name: str) -> None:
    report = json.loads((FOLDER / name / "report.json").read_bytes())

    assert name.startswith(report["verdict"].replace("_", "-"))
