"""Each guard of pyproject.toml was seen to fail: a copy of the tree is broken on purpose.

A guard that never failed proves nothing. Extend the lists when a guard is added or loosened.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.core.canonical import parse

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a tool ended and everything it said."""

    status: int
    text: str


def run(tool: str, *arguments: str, cwd: Path, text: str | None = None) -> Outcome:
    # COLUMNS: import-linter folds long lines, which would hide what is looked for. Coverage's
    # variables would make the broken copy's run count as the project's.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE_", "COV_", "PYTEST_"))
    } | {"COLUMNS": "400", "NO_COLOR": "1"}
    finished = subprocess.run(
        [BIN / tool, *arguments],
        cwd=cwd,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(finished.returncode, finished.stdout + finished.stderr)


def write(tree: Path, files: dict[str, str]) -> None:
    """Add lines to files of the copy; what is not there is made."""
    for name, lines in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.is_file() else ""
        path.write_text(f"{before}\n{lines}\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages and their rules."""
    copied = tmp_path / "tree"
    copied.mkdir()
    shutil.copy(ROOT / "pyproject.toml", copied)
    leave = shutil.ignore_patterns("__pycache__", "node_modules")
    for package in ("ledger", "anchor_worker"):
        shutil.copytree(ROOT / package, copied / package, ignore=leave)
    return copied


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """An empty folder under the project's rules."""
    folder = tmp_path / "rules"
    folder.mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


# ---------------------------------------------------------------- import contracts

TYPE_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ledger.web"

# contract id, broken files, what its report must name
IMPORTS: list[tuple[str, dict[str, str], str]] = [
    (
        "layers",
        {"ledger/core/merkle.py": "import ledger.services.issuing"},
        "ledger.core.merkle -> ledger.services.issuing",
    ),
    ("layers", {"ledger/utils.py": "A = 1"}, "ledger.utils"),
    (
        "layers",
        {"ledger/services/breach.py": "import ledger.config"},
        "ledger.services.breach -> ledger.config",
    ),
    (
        "layers",
        {"ledger/web/breach.py": "import ledger.cli"},
        "ledger.web.breach -> ledger.cli",
    ),
    (
        "layers",
        {"ledger/store/breach.py": "import ledger.chain"},
        "ledger.store.breach -> ledger.chain",
    ),
    (
        "layers",
        {"ledger/keystore/breach.py": "import ledger.store"},
        "ledger.keystore.breach -> ledger.store",
    ),
    (
        "layers",
        {"ledger/core/merkle.py": TYPE_ONLY},
        "ledger.core.merkle -> ledger.web",
    ),
    (
        "data-direction",
        {"ledger/core/merkle.py": "import ledger.core.durable"},
        "ledger.core.merkle -> ledger.core.durable",
    ),
    ("data-direction", {"ledger/core/misc.py": "A = 1"}, "ledger.core.misc"),
    (
        "verifier-stands-alone",
        {"ledger/verify/breach.py": "import sqlmodel"},
        "ledger.verify.breach -> sqlmodel",
    ),
    (
        "verifier-stands-alone",
        {"ledger/verify/breach.py": "import ledger.store"},
        "ledger.verify.breach -> ledger.store",
    ),
    (
        "sql-lives-in-store",
        {"ledger/services/breach.py": "import sqlmodel"},
        "ledger.services.breach -> sqlmodel",
    ),
    (
        "sql-lives-in-store",
        {"ledger/web/breach.py": "from sqlalchemy.orm import Session"},
        "ledger.web.breach -> sqlalchemy",
    ),
    (
        "rows-stay-in-store",
        {"ledger/services/breach.py": "import ledger.store.tables"},
        "ledger.services.breach -> ledger.store.tables",
    ),
    (
        "rows-stay-in-store",
        {"anchor_worker/seal.py": "import ledger.store.tables"},
        "anchor_worker.seal -> ledger.store.tables",
    ),
    (
        "web3-lives-in-chain",
        {"ledger/store/breach.py": "import web3"},
        "ledger.store.breach -> web3",
    ),
    (
        "http-lives-in-web",
        {"ledger/services/breach.py": "import fastapi"},
        "ledger.services.breach -> fastapi",
    ),
    (
        "prometheus-stays-at-the-edge",
        {"ledger/services/breach.py": "import prometheus_client"},
        "ledger.services.breach -> prometheus_client",
    ),
    (
        "schemas-live-in-web",
        {"ledger/services/breach.py": "import pydantic"},
        "ledger.services.breach -> pydantic",
    ),
    (
        "endpoints-call-use-cases",
        {"ledger/web/api/breach.py": "import ledger.store"},
        "ledger.web.api.breach -> ledger.store",
    ),
    (
        "api-and-pages",
        {"ledger/web/pages/breach.py": "import ledger.web.api"},
        "ledger.web.pages.breach -> ledger.web.api",
    ),
    (
        "one-tree-builder",
        {"anchor_worker/seal.py": "import blockcerts_merkletools"},
        "anchor_worker.seal -> blockcerts_merkletools",
    ),
    (
        "two-processes",
        {"ledger/services/breach.py": "import anchor_worker.seal"},
        "ledger.services.breach -> anchor_worker.seal",
    ),
    (
        "worker-not-web",
        {"anchor_worker/seal.py": "import ledger.web"},
        "anchor_worker.seal -> ledger.web",
    ),
    (
        "worker-layers",
        {"anchor_worker/seal.py": "import anchor_worker.submit"},
        "anchor_worker.seal -> anchor_worker.submit",
    ),
    ("worker-layers", {"anchor_worker/extra.py": "A = 1"}, "anchor_worker.extra"),
    (
        "acyclic",
        {
            "ledger/services/one.py": "import ledger.services.two",
            "ledger/services/two.py": "import ledger.services.one",
        },
        "No cycles are allowed in ledger.services",
    ),
]
CONTRACTS: dict[str, str] = {
    contract["id"]: contract["name"]
    for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
}


def broken_contracts(report: str) -> dict[str, str]:
    """The report's part about each broken contract, by the contract's name."""
    _, _, details = report.partition("Broken contracts\n----------------")
    names = "|".join(re.escape(name) for name in CONTRACTS.values())
    parts = re.split(rf"^({names})\n-+$", details, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(
    ("contract", "files", "named"), IMPORTS, ids=[named for _, _, named in IMPORTS]
)
def test_import_contract_notices(
    tree: Path, contract: str, files: dict[str, str], named: str
) -> None:
    write(tree, files)

    outcome = run("lint-imports", "--no-cache", cwd=tree)

    assert outcome.status == 1, outcome.text
    assert named in broken_contracts(outcome.text)[CONTRACTS[contract]]


def test_import_contracts_hold_before_anything_is_broken(tree: Path) -> None:
    """Else every break above would be noticed for a wrong reason."""
    outcome = run("lint-imports", "--no-cache", cwd=tree)

    assert outcome.status == 0, outcome.text


def test_every_import_contract_was_seen_to_fail() -> None:
    assert set(CONTRACTS) == {contract for contract, _, _ in IMPORTS}


# ---------------------------------------------------------------- lint

SERVICE = "ledger/services/breach.py"
SWALLOWED = """
def balance() -> int:
    try:
        return int("1")
    except Exception:
        return 0
"""
LOST_CAUSE = """
def balance() -> int:
    try:
        return int("x")
    except ValueError:
        raise KeyError("x")
"""
ENDPOINT = """
from fastapi import APIRouter, Query
router = APIRouter()
@router.get("/")
def read(limit: int = Query(1)) -> int:
    return limit
"""
NAIVE = "import datetime\nNOW = datetime.datetime.now()"
AWARE = "import datetime\nNOW = datetime.datetime.now(datetime.UTC)"
BRANCHES = "def f(a: int) -> int:\n" + "".join(
    f"    if a == {n}:\n        a += 1\n" for n in range(12)
)

# rule, file, source
LINT: list[tuple[str, str, str]] = [
    ("TID251", SERVICE, "import json\nVALUE = json.loads('1')"),
    ("TID251", SERVICE, "import json\nVALUE = json.load(open('a'))"),
    ("TID251", SERVICE, "import orjson\nVALUE = orjson.loads('1')"),
    ("TID251", SERVICE, "import time\nNOW = time.time()"),
    ("TID251", SERVICE, AWARE),
    ("TID251", SERVICE, "import os\nHOME = os.environ['HOME']"),
    ("TID251", SERVICE, "import os\nHOME = os.getenv('HOME')"),
    # The exceptions are as narrow as they look: entry points may not read the environment either.
    ("TID251", "ledger/cli/console.py", "import os\nHOME = os.environ['HOME']"),
    ("TID251", "anchor_worker/loop.py", AWARE),
    ("DTZ005", SERVICE, NAIVE),
    ("T201", SERVICE, "print('hello')"),
    ("BLE001", SERVICE, SWALLOWED),
    ("B904", SERVICE, LOST_CAUSE),
    ("D103", SERVICE, "def f() -> int:\n    return 1"),
    ("D100", SERVICE, "A = 1"),
    ("TID252", SERVICE, "from . import rosters"),
    ("FAST002", "ledger/web/api/breach.py", ENDPOINT),
    ("S113", SERVICE, "import requests\nPAGE = requests.get('https://example.org')"),
    ("S101", SERVICE, "assert 1 == 1"),
    ("C901", SERVICE, BRANCHES),
    ("RUF100", SERVICE, "A = 1  # noqa: T201"),
    ("INP001", "ledger/loose/breach.py", "A = 1"),
]


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    LINT,
    ids=[f"{rule} {n}" for n, (rule, _, _) in enumerate(LINT)],
)
def test_lint_notices(rules: Path, rule: str, name: str, source: str) -> None:
    write(rules, {name: source})

    outcome = run("ruff", "check", "--no-cache", "--output-format", "json", cwd=rules)

    findings = parse(outcome.text.encode())
    assert isinstance(findings, list)
    assert outcome.status == 1
    assert rule in {found["code"] for found in findings if isinstance(found, dict)}


def test_every_banned_call_was_seen_to_fail() -> None:
    banned = PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    sources = " ".join(source for rule, _, source in LINT if rule == "TID251")

    assert {name for name in banned if name not in sources} == set()


def test_layout_notices(rules: Path) -> None:
    write(rules, {SERVICE: "a  =  1"})

    outcome = run("ruff", "format", "--check", "--no-cache", cwd=rules)

    assert outcome.status == 1


def test_spelling_notices(rules: Path) -> None:
    # Written in two halves, or this file would be found.
    write(rules, {"README.md": "it will be rec" + "ieved"})

    outcome = run("codespell", cwd=rules)

    assert "received" in outcome.text
    assert outcome.status != 0


# ---------------------------------------------------------------- types

HALF_A_MATCH = """
import enum
class State(enum.Enum):
    OPEN = 1
    CLOSED = 2
def f(state: State) -> int:
    match state:
        case State.OPEN:
            return 1
    return 0
"""
MISSPELT = """
from pydantic import BaseModel
class Settings(BaseModel):
    timeout: int
SETTINGS = Settings(timeuot=1)
"""
TYPES: dict[str, str] = {
    "exhaustive-match": HALF_A_MATCH,
    "no-untyped-def": "def f(a):\n    return a",
    "call-arg": MISSPELT,
    "ignore-without-code": "A: int = 'x'  # type: ignore",
    "unused-ignore": "A = 1  # type: ignore[misc]",
    "possibly-undefined": "if len('a') > 1:\n    A = 1\nprint(A)",
    "no-any-return": "from typing import Any\ndef f(a: Any) -> int:\n    return a",
}


def test_types_notice(rules: Path) -> None:
    """As the stage asks: for everything, by no name."""
    folders = ("ledger/core", "tests/unit/services")
    roots = ("ledger", "anchor_worker", "tests", "scripts", *folders)
    write(rules, {f"{root}/__init__.py": "" for root in roots})
    breaches = {
        (f"{folder}/breach_{code.replace('-', '_')}.py", code)
        for folder in folders
        for code in TYPES
    }
    write(rules, {name: TYPES[code] for name, code in breaches})

    outcome = run("mypy", "--show-error-codes", cwd=rules)

    found = set(re.findall(r"^(\S+\.py):.*\[([a-z-]+)\]$", outcome.text, re.MULTILINE))
    assert outcome.status == 1
    assert breaches <= found


# ---------------------------------------------------------------- tests and coverage


def pytest_in(rules: Path, files: dict[str, str]) -> Outcome:
    (rules / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "__init__.py", rules / "tests")
    shutil.copy(ROOT / "tests" / "no_skips.py", rules / "tests")
    write(rules, {"tests/conftest.py": "pytest_plugins = ['tests.no_skips']"})
    write(rules, files)
    return run("python", "-m", "pytest", "-p", "no:cacheprovider", cwd=rules)


PASSES = "def test_it() -> None:\n    assert 1 + 1 == 2"
UNLISTED_WARNING = "import warnings\ndef test_it():\n    warnings.warn('old')"
SKIPPED = "import pytest\ndef test_it():\n    pytest.skip('no server')"
SKIPPED_MODULE = "import pytest\npytest.importorskip('no_such_module')"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False"
UNKNOWN_MARK = "import pytest\n@pytest.mark.sloww\ndef test_it():\n    pass"


def test_a_clean_test_run_passes(rules: Path) -> None:
    outcome = pytest_in(rules, {"tests/test_it.py": PASSES})

    assert outcome.status == 0, outcome.text


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (UNLISTED_WARNING, "UserWarning: old"),
        (SKIPPED, "skipped, which counts as failed"),
        (SKIPPED_MODULE, "skipped, which counts as failed"),
        (EXPECTED_FAILURE, "skipped, which counts as failed"),
        (UNKNOWN_MARK, "sloww"),
    ],
    ids=["warning", "skip", "skipped module", "expected failure", "unknown mark"],
)
def test_test_run_notices(rules: Path, source: str, named: str) -> None:
    """A second test passes, so that none of these ends as "no tests ran"."""
    files = {"tests/test_it.py": source, "tests/test_other.py": PASSES}

    outcome = pytest_in(rules, files)

    assert named in outcome.text
    assert outcome.status in {1, 2}


def test_an_integer_time_limit_is_an_error(rules: Path) -> None:
    """pytest-timeout registers a string; an integer would silently be no limit."""
    pyproject = rules / "pyproject.toml"
    text = pyproject.read_text()
    pyproject.write_text(
        re.sub(r'^timeout = "(\d+)"', r"timeout = \1", text, flags=re.MULTILINE)
    )
    assert pyproject.read_text() != text

    outcome = pytest_in(rules, {"tests/test_it.py": PASSES})

    assert "timeout" in outcome.text
    assert outcome.status != 0


def test_coverage_notices(rules: Path) -> None:
    untested = "def f(a: int) -> int:\n    b = a + 1\n    c = b + 1\n    return c"
    write(
        rules,
        {
            "ledger/__init__.py": "",
            "anchor_worker/__init__.py": "",
            "ledger/breach.py": untested,
            "program.py": "import ledger.breach, anchor_worker",
        },
    )
    ran = run("coverage", "run", "program.py", cwd=rules)
    combined = run("coverage", "combine", cwd=rules)

    outcome = run("coverage", "report", cwd=rules)

    assert (ran.status, combined.status) == (0, 0), ran.text + combined.text
    assert "less than fail-under=95" in outcome.text
    assert outcome.status == 2


def test_the_lone_verifier_notices_what_a_wheel_brings(tree: Path) -> None:
    """import-linter reads our own imports only, so a second guard looks at what was loaded."""
    name = "tests/unit/verify/test_stands_alone.py"
    write(tree, {"tests/__init__.py": "", name: (ROOT / name).read_text()})
    alone = ["-m", "pytest", "-p", "no:cacheprovider", name]
    before = run("python", *alone, cwd=tree)
    write(
        tree,
        {"ledger/verify/rpc.py": "import importlib\nimportlib.import_module('web3')"},
    )

    after = run("python", *alone, cwd=tree)

    assert before.status == 0, before.text
    assert "'web3'" in after.text
    assert after.status == 1
