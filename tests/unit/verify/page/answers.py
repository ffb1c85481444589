"""Both verifiers behind one question: what do you say about this file?

The page's verifier runs in Node, once for many questions; the other one here.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.core.canonical import encode_time
from ledger.verify.archived import candidates
from ledger.verify.checkpoints import Checkpoint, parse_checkpoints
from ledger.verify.networks import BUILT_IN, parse_networks
from ledger.verify.report import Report, exit_code, stopped_after
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import parse_trust_list
from ledger.verify.verification import verify

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "ledger" / "verify" / "page"
VECTORS = ROOT / "tests" / "vectors"


@dataclass(frozen=True, slots=True)
class Question:
    """A file, and everything that the verifier of it decides."""

    file: bytes
    name: str = "file"
    networks: bytes | None = None
    trust: bytes | None = None
    checkpoints: bytes | None = None
    block_hashes: tuple[str, ...] = ()
    #: Addresses that are really asked.
    addresses: tuple[str, ...] = ()
    now: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    email: str | None = None

    def job(self) -> dict[str, Any]:
        """The question as the program in Node reads it."""
        return {
            "kind": "report",
            "name": self.name,
            "file": _base64(self.file),
            "networks": _base64(self.networks),
            "trust": _base64(self.trust),
            "checkpoints": _base64(self.checkpoints),
            "blockHashes": self.block_hashes,
            "addresses": [{"address": address} for address in self.addresses],
            "now": encode_time(self.now),
            "email": self.email,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verifier says: reports as JSON and as text, and the exit code of them all."""

    reports: tuple[tuple[dict[str, Any], str], ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was given to decide with is not read, or the program failed."""

    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Timed:
    """What the page's verifier says, and how long it took: not counted is what others computed."""

    answer: Any
    milliseconds: float


def by_python(question: Question) -> Answer:
    """Ask the Python verifier."""
    networks = question.networks
    trust, listed = question.trust, question.checkpoints
    with ExitStack() as connections:
        readers = [
            connections.enter_context(closing(RpcReader(address)))
            for address in question.addresses
        ]
        reports = [
            Report(candidate.name, stopped_after(candidate.fault))
            if candidate.fault is not None
            else verify(
                candidate.data,
                readers=readers,
                networks=BUILT_IN if networks is None else parse_networks(networks),
                checkpoints=(
                    *(() if listed is None else parse_checkpoints(listed)),
                    *map(Checkpoint.from_text, question.block_hashes),
                ),
                trust=None if trust is None else parse_trust_list(trust),
                now=question.now,
                email=question.email,
                file=candidate.name,
            )
            for candidate in candidates(question.name, question.file)
        ]
    return Answer(
        tuple((report.to_json(), report.to_text()) for report in reports),
        exit_code(report.exit_code for report in reports),
    )


def by_page(questions: Sequence[Question]) -> list[Timed]:
    """Ask the page's verifier all of them, in one run."""
    return [
        Timed(_answer(timed.answer), timed.milliseconds)
        if isinstance(timed.answer, dict)
        else timed
        for timed in run_page([question.job() for question in questions])
    ]


def run_page(
    jobs: Sequence[Mapping[str, Any]], codes: Mapping[str, str] | None = None
) -> list[Timed]:
    """Give jobs to the program in Node; a job that raised has a Refusal for an answer."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    node = shutil.which("node", path=path)
    if node is None or not (PAGE / "node_modules").is_dir():
        raise pytest.UsageError("Node or its packages are missing: run scripts/setup")
    finished = subprocess.run(
        [node, PAGE / "tests" / "answers.mjs"],
        input=json.dumps({"jobs": jobs, "codes": codes or {}}).encode(),
        capture_output=True,
        check=False,
        timeout=55,
    )
    if finished.returncode != 0:
        pytest.fail(f"answers.mjs failed:\n{finished.stderr.decode()}")
    return [
        Timed(
            Refusal(each["error"], each["message"])
            if "error" in each
            else each["answer"],
            each["milliseconds"],
        )
        for each in json.loads(finished.stdout)
    ]


def differences(expected: Answer, found: Any) -> list[str]:
    """Where the page's answer is another, short enough to be read."""
    if not isinstance(found, Answer):
        return [f"no answer: {found}"]
    theirs = [report["file"] for report, _ in expected.reports]
    ours = [report["file"] for report, _ in found.reports]
    if theirs != ours:
        return [f"files: {theirs} != {ours}"]
    lines = []
    pairs = zip(expected.reports, found.reports, strict=True)
    for (report, text), (other, other_text) in pairs:
        lines += [
            f"{name}: {report.get(name)} != {other.get(name)}"
            for name in {**report, **other}
            if report.get(name) != other.get(name) or list(report) != list(other)
        ]
        if text != other_text:
            lines.append(f"text: {text!r} != {other_text!r}")
    if expected.exit_code != found.exit_code:
        lines.append(f"exit code: {expected.exit_code} != {found.exit_code}")
    return lines


def _answer(answer: dict[str, Any]) -> Answer:
    reports = tuple((each["json"], each["text"]) for each in answer["reports"])
    return Answer(reports, answer["exitCode"])


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
