"""What the repository promises about itself: lock files, documents, commands, one version."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ledger.cli import app
from ledger.core.canonical import Json, parse_object

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_OURS = {"node_modules", "__pycache__", "out", "cache", "var", "build", "dist"}


def our_files(root: Path = ROOT) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if name not in NOT_OURS and (name == ".ci" or not name.startswith("."))
        ]
        # Left by a run that counts lines, with the paths of this machine in them.
        yield from (
            Path(folder, name) for name in names if not name.startswith(".coverage")
        )


FILES = sorted(our_files())
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
PYTHON_LOCKS = [path for path in FILES if path.suffix == ".lock"]
NPM_LOCKS = [path for path in FILES if path.name == "package-lock.json"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---------------------------------------------------------------- lock files


def python_lock_problems(text: str) -> list[str]:
    """What is wrong with a Python lock file: an address, or a package without a hash."""
    problems = ["has an address"] if "://" in text else []
    entries = re.split(r"\n(?=\S)", text.strip())
    return problems + [
        f"no hash: {entry}" for entry in entries if "--hash=sha256:" not in entry
    ]


def npm_lock_problems(lock: dict[str, Json]) -> list[str]:
    """What is wrong with an npm lock file: an address, or a package without a hash."""
    packages = lock["packages"]
    assert isinstance(packages, dict)
    problems = []
    for name, package in packages.items():
        assert isinstance(package, dict)
        if "resolved" in package:
            problems.append(f"has an address: {name}")
        if name and "integrity" not in package:
            problems.append(f"no hash: {name}")
    return problems


@pytest.mark.parametrize("path", PYTHON_LOCKS, ids=name_of)
def test_python_lock_has_hashes_and_no_address(path: Path) -> None:
    assert python_lock_problems(path.read_text()) == []


@pytest.mark.parametrize("path", NPM_LOCKS, ids=name_of)
def test_npm_lock_has_hashes_and_no_address(path: Path) -> None:
    assert npm_lock_problems(parse_object(path.read_bytes())) == []


def test_all_lock_files_were_found() -> None:
    assert {"requirements.lock", "scripts/requirements-node.lock"} <= set(
        map(name_of, PYTHON_LOCKS)
    )
    assert {"contracts/package-lock.json", "tests/outsiders/package-lock.json"} <= set(
        map(name_of, NPM_LOCKS)
    )


def test_a_bad_lock_is_noticed() -> None:
    hashed = "a==1 \\\n    --hash=sha256:00\n"

    assert python_lock_problems(hashed) == []
    assert python_lock_problems(hashed + "b==1\n") == ["no hash: b==1"]
    assert "has an address" in python_lock_problems("--index-url ftp://x\n" + hashed)
    package: Json = {"integrity": "sha512-x", "resolved": "ftp://x"}
    assert npm_lock_problems({"packages": {"": {}, "a": package}}) == [
        "has an address: a"
    ]
    assert npm_lock_problems({"packages": {"": {}, "a": {}}}) == ["no hash: a"]


def test_lock_holds_every_declared_dependency() -> None:
    locked = dict(
        re.findall(
            r"^([A-Za-z0-9._-]+)==([^\s;]+)",
            (ROOT / "requirements.lock").read_text(),
            re.MULTILINE,
        )
    )
    project = PYPROJECT["project"]
    groups = PYPROJECT["dependency-groups"].values()
    declared = [
        *PYPROJECT["build-system"]["requires"],
        *project["dependencies"],
        *(
            line
            for extra in project["optional-dependencies"].values()
            for line in extra
        ),
        *(line for group in groups for line in group if isinstance(line, str)),
    ]
    for requirement in map(Requirement, declared):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, requirement
        assert requirement.specifier.contains(version), requirement


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name == "package.json"], ids=name_of
)
def test_npm_dependencies_are_pinned_exactly(path: Path) -> None:
    package = parse_object(path.read_bytes())
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        wanted = package.get(kind, {})
        assert isinstance(wanted, dict)
        loose = {
            name: version
            for name, version in wanted.items()
            if not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", str(version))
        }
        assert loose == {}


# ---------------------------------------------------------------- what must not be in any file

# Where a registry is named, the name is split, or this file would be its own offence.
FORBIDDEN = [
    re.compile(r"/(?:home|root|work|Users)/\w"),
    re.compile(r"\bpy" + r"pi\.org"),
    re.compile("python" + r"hosted\.org"),
    re.compile(r"registry\.npm" + r"js\.org"),
    re.compile(r"npm" + r"mirror\.com"),
]


def forbidden(text: str) -> list[str]:
    return [found[0] for rule in FORBIDDEN for found in rule.finditer(text)]


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    offences = {
        name_of(path): found
        for path in FILES
        if (found := forbidden(path.read_bytes().decode("utf-8", errors="replace")))
    }

    assert offences == {}


def test_what_a_run_leaves_behind_is_not_searched(tmp_path: Path) -> None:
    for name in ("README.md", ".gitignore", ".coverage", ".coverage.host.pid1.X"):
        (tmp_path / name).write_text("")
    for name in (".venv", "build", ".ci"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run").write_text("")

    assert {str(path.relative_to(tmp_path)) for path in our_files(tmp_path)} == {
        *("README.md", ".gitignore", ".ci/run")
    }


def test_a_machine_path_or_a_registry_is_noticed() -> None:
    assert forbidden("see /ho" + "me/ada/perdure") != []
    assert forbidden("https://py" + "pi.org/simple") != []
    assert forbidden("a homework/task and the /root of a tree") == []


# ---------------------------------------------------------------- documents

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
# A path in backticks that starts in one of our folders; placeholders and patterns are left alone.
PATH = re.compile(
    r"`((?:docs|tests|scripts|ledger|anchor_worker|contracts)/[\w./-]*[\w/])`"
)


def anchors(document: Path) -> set[str]:
    """The fragment identifiers of a document's headings, as code hosts make them."""
    headings = re.findall(
        r"^#+ (.+)$",
        re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL),
        re.MULTILINE,
    )
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in headings
    }


def broken_links(document: Path) -> list[str]:
    text = document.read_text()
    broken = []
    for link in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, fragment = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        if not target.exists() or (
            fragment and target.suffix == ".md" and fragment not in anchors(target)
        ):
            broken.append(link)
    return broken + [
        path
        for path in PATH.findall(text)
        if not (ROOT / path).exists() and not (document.parent / path).exists()
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_and_paths_of_document_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("# One\n[a](b.md) [c](#two) `docs/no-such-file.md` [d](#one)\n")

    assert broken_links(document) == ["b.md", "#two", "docs/no-such-file.md"]


def commands(document: Path) -> list[list[str]]:
    """The command lines of a document's console blocks, without comments."""
    blocks = re.findall(
        r"^```console\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE
    )
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = [re.sub(r"\s#.*", "", line).removeprefix("$ ").split() for line in lines]
    return [line for line in words if line]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_of_document_exist(name: str) -> None:
    others = {"perdure", "uv", "pip"}
    programs = [line[0] for line in commands(ROOT / name) if line[0] not in others]

    assert programs != []
    for program in programs:
        assert program.startswith("scripts/"), program
        assert os.access(ROOT / program, os.X_OK), program


def missing_commands(lines: list[list[str]]) -> list[str]:
    """The `perdure` lines that the program would refuse as wrong usage."""
    missing = []
    for line in lines:
        known: Any = typer.main.get_command(app)
        words = line[1:]
        while words and words[0] in getattr(known, "commands", {}):
            known = known.commands[words.pop(0)]
        options = {"--help"}.union(*(parameter.opts for parameter in known.params))
        wrong = {word for word in words if word.startswith("--")} - options
        if known.context_settings.get("ignore_unknown_options"):
            wrong = (
                set()
            )  # handed on to a parser of its own, which has tests of its own
        needed = {
            parameter.opts[0]
            for parameter in known.params
            if parameter.required and parameter.opts[0].startswith("--")
        }
        unfinished = hasattr(known, "commands") and not known.invoke_without_command
        if unfinished or wrong or needed - set(words):
            missing.append(" ".join(line))
    return missing


def test_perdure_lines_of_the_readme_are_known_to_the_program() -> None:
    lines = [line for line in commands(ROOT / "README.md") if line[0] == "perdure"]

    assert lines != []
    assert missing_commands(lines) == []


def test_an_unknown_perdure_line_is_noticed() -> None:
    wrong = [
        "perdure org dance",
        "perdure status --loudly",
        "perdure org create riverside",
    ]

    assert missing_commands([line.split() for line in wrong]) == wrong


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in FILES
        if name_of(path).startswith(("scripts/", ".ci/"))
        and (path.suffix == "" or os.access(path, os.X_OK))
    ],
    ids=name_of,
)
def test_script_can_be_started(path: Path) -> None:
    assert path.read_bytes().startswith(b"#!/")
    assert os.access(path, os.X_OK)


def test_ci_runs_the_one_command() -> None:
    assert "exec scripts/test" in (ROOT / ".ci" / "run").read_text()


# ---------------------------------------------------------------- version and licence


def test_the_version_stands_in_one_place() -> None:
    version = PYPROJECT["project"]["version"]
    elsewhere = [
        name_of(path)
        for path in FILES
        if path.suffix == ".py" and f'"{version}"' in path.read_text()
    ]
    with_version = [
        name_of(path)
        for path in FILES
        if path.name == "package.json" and "version" in parse_object(path.read_bytes())
    ]

    assert elsewhere == []
    assert with_version == []


def test_changelog_has_a_place_for_the_next_change() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()


def test_licence_is_the_standard_text() -> None:
    digest = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"

    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == digest
    assert PYPROJECT["project"]["license"] == "Apache-2.0"


# ---------------------------------------------------------------- what is shipped

BARE = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import ledger.cli
import ledger.verify.__main__
from ledger.core.durable import parse_credential_file
for file in {files!r}:
    parse_credential_file(Path(file).read_bytes()).check()
print("fine without", len({absent!r}))
"""


def closure(names: Iterable[str]) -> set[str]:
    """The installed distributions that these requirements bring, directly or not."""
    todo = [Requirement(name) for name in names]
    found: set[str] = set()
    while todo:
        requirement = todo.pop()
        extras = requirement.extras or {""}
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        found.add(name)
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                needed.marker = None
                todo.append(needed)
    return found


def run_bare(absent: set[str]) -> subprocess.CompletedProcess[str]:
    files = [*(ROOT / "tests/vectors/durable/valid").glob("*.json")]
    assert files
    script = BARE.format(absent=absent, files=[str(file) for file in files])
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_bare_package_is_enough_to_verify() -> None:
    """As if only the dependencies of the bare package were installed."""
    installed = closure(PYPROJECT["project"]["dependencies"]) | {"perdure"}
    absent = {
        module
        for module, owners in packages_distributions().items()
        if installed.isdisjoint(map(canonicalize_name, owners))
    }

    finished = run_bare(absent)

    assert {"web3", "fastapi", "sqlmodel", "eth_account", "requests"} <= absent
    assert finished.stdout.startswith("fine"), finished.stderr


@pytest.mark.slow
def test_a_missing_dependency_is_noticed() -> None:
    assert "rfc8785" in run_bare({"rfc8785"}).stderr


@pytest.mark.slow
def test_the_wheel_ships_the_data_it_reads_and_no_tests(tmp_path: Path) -> None:
    """Built offline, with the locked build tool."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    data = {
        name_of(path)
        for path in FILES
        if name_of(path).startswith(("ledger/", "anchor_worker/"))
    }

    assert data - names == set()
    assert {name.split("/")[0] for name in names} == {
        *("ledger", "anchor_worker"),
        f"perdure-{PYPROJECT['project']['version']}.dist-info",
    }
    assert any(name.endswith("licenses/NOTICE") for name in names)
    # Built by scripts/setup: without it archives and the ledger would miss the verifier's page.
    assert "ledger/verify/page/dist/index.html" in names
    assert not any("node_modules" in name for name in names)
