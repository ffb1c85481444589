"""The verifier outlives the ledger: it loads no database, no server, no web3."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FORBIDDEN = {
    "alembic",
    "anchor_worker",
    "blockcerts_merkletools",
    "eth_account",
    "fastapi",
    "jinja2",
    "psycopg",
    "pydantic",
    "sqlalchemy",
    "sqlmodel",
    "starlette",
    "typst",
    "uvicorn",
    "web3",
}
LEDGER = {"ledger.chain", "ledger.config", "ledger.services", "ledger.store"}
SCRIPT = """
import sys, ledger.verify, ledger.verify.__main__, ledger.verify.command
print("\\n".join(sys.modules))
"""


def loaded(script: str) -> set[str]:
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    return set(finished.stdout.split())


def test_a_fresh_interpreter_loads_the_verifier_and_none_of_the_servers() -> None:
    modules = loaded(SCRIPT)
    packages = {module.partition(".")[0] for module in modules}

    assert "ledger.verify.verification" in modules
    assert packages & FORBIDDEN == set()
    assert modules & LEDGER == set()


def test_the_test_above_would_notice() -> None:
    assert "sqlmodel" in loaded(f"import sqlmodel{SCRIPT}")
