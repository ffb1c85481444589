"""Commands of the ledger where the package was installed as the stand-alone verifier."""

import subprocess
import sys

import pytest

# In a process of its own: what this one has imported would hide that a package is missing.
_PROGRAM = """
import importlib.metadata, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def version(name):
    if name.replace("-", "_") in ABSENT:
        raise importlib.metadata.PackageNotFoundError(name)
    return "1"

ABSENT = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Absent())
importlib.metadata.version = version
from ledger.cli import main
main()
"""
_ABSENT = "sqlalchemy,sqlmodel,alembic,eth_account,web3,requests,prometheus_client,fastapi,blockcerts_merkletools"


def run(absent: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, absent, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["status"], "server"),
        (["db", "upgrade"], "server"),
        (["keys", "init"], "server"),
        (["serve"], "server"),
        (["contracts", "deploy", "--account-key-file", "none"], "server"),
        (["worker", "--help"], "worker"),
        (["recover", "--help"], "worker"),
    ],
)
def test_the_verifier_alone_names_what_a_command_of_the_ledger_needs(
    arguments: list[str], extra: str
) -> None:
    ended = run(_ABSENT, *arguments)

    assert (ended.returncode, ended.stdout) == (78, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        f"perdure: this command needs pip install 'perdure[{extra}]'"
    )


def test_a_server_without_the_worker_names_the_worker() -> None:
    ended = run("blockcerts_merkletools", "worker", "--help")

    assert ended.returncode == 78
    assert "'perdure[worker]'" in ended.stderr
    assert "blockcerts-merkletools is missing" in ended.stderr


def test_a_module_of_ours_that_is_missing_is_a_fault_and_not_an_extra() -> None:
    broken = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['ledger.services.progress'] = None\n"
            "sys.argv = ['perdure', 'status']\n"
            "from ledger.cli import main; main()",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert broken.returncode == 1
    assert "ModuleNotFoundError" in broken.stderr
    assert "pip install" not in broken.stderr
