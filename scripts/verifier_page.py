"""Build and check verifier.html, the verifier as one file; offline, with what scripts/setup brings.

scripts/page build     make ledger/verify/page/dist/index.html, print its size and SHA-256
scripts/page check     types; two builds in two places are the same, small enough, and the README's
scripts/page sha256    print the SHA-256 of a fresh build
scripts/page readme    build, and write the SHA-256 into the README
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.environment import Folder, search_path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = Path("ledger", "verify", "page")
PAGE = PROJECT / "dist" / "index.html"
#: With room for a mail's attachment, and for a phone's patience.
MOST_BYTES = 450_000
#: What a build reads besides node_modules: the page, the JSON-LD contexts, and the version.
SOURCES = (
    *("index.html", "package.json", "tsconfig.json", "vite.config.ts", "src"),
    "../../core/contexts",
    "../../../pyproject.toml",
)
PRINTED = re.compile(r"(SHA-256 of `verifier\.html`: `)([0-9a-f]*)(`)")


class PageError(Exception):
    """The page cannot be built, or is not what it must be; the message says what to do."""


def node(root: Path, cwd: Path, *words: str | Path) -> None:
    """Run one of the page's own tools. Raises PageError."""
    path = search_path(Folder(root))
    program = shutil.which("node", path=path)
    if program is None:
        raise PageError("node is missing: run scripts/setup")
    tool = cwd / "node_modules" / words[0]
    if not tool.is_file():
        raise PageError(f"{words[0]} is missing: run scripts/setup")
    finished = subprocess.run(
        [program, tool, *words[1:]],
        cwd=cwd,
        env=os.environ | {"PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise PageError(
            f"{words[0]} failed\n{finished.stdout}{finished.stderr}".strip()
        )


def build(root: Path, out: Path, *, tools: Path | None = None) -> bytes:
    """Build the page of a checkout into a folder. Raises PageError."""
    project = root / PROJECT
    # A build in a place that has a page already must not hand out the old one.
    out.mkdir(parents=True, exist_ok=True)
    made = out / "index.html"
    made.unlink(missing_ok=True)
    words = ("build", "--logLevel", "warn", "--outDir", out, "--emptyOutDir")
    node(tools or root, project, "vite/bin/vite.js", *words)
    page = made.read_bytes()
    others = [path.name for path in out.iterdir() if path != made]
    if others:
        raise PageError(f"the page is not one file: {', '.join(sorted(others))}")
    if len(page) > MOST_BYTES:
        raise PageError(f"{len(page):,} bytes; the page may have {MOST_BYTES:,}")
    return page


def build_here(root: Path) -> bytes:
    """Build the page where archives and the ledger take it from. Raises PageError."""
    return build(root, root / PAGE.parent)


def build_elsewhere(root: Path, folder: Path) -> bytes:
    """Build a copy of the sources in another place. Raises PageError."""
    project = folder / PROJECT
    project.mkdir(parents=True)
    for name in SOURCES:
        source, target = root / PROJECT / name, (project / name).resolve()
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    (project / "node_modules").symlink_to(root / PROJECT / "node_modules")
    return build(folder, folder / "out", tools=root)


def sha256(page: bytes) -> str:
    return hashlib.sha256(page).hexdigest()


def printed(root: Path) -> str:
    """The SHA-256 that the README prints. Raises PageError."""
    found = PRINTED.findall((root / "README.md").read_text())
    if len(found) != 1:
        raise PageError("README.md must print the SHA-256 of `verifier.html` once")
    return str(found[0][1])


def print_it(root: Path, digest: str) -> None:
    """Write a SHA-256 into the README. Raises PageError."""
    printed(root)
    readme = root / "README.md"
    readme.write_text(PRINTED.sub(rf"\g<1>{digest}\g<3>", readme.read_text()))


def check(root: Path) -> bytes:
    """The page, if everything that is promised of it holds. Raises PageError."""
    node(root, root / PROJECT, "typescript/bin/tsc", "--noEmit")
    page = build_here(root)
    with tempfile.TemporaryDirectory() as folder:
        again = build_elsewhere(root, Path(folder))
    here, there, readme = sha256(page), sha256(again), printed(root)
    if here != there:
        raise PageError(f"two builds differ: {here} here, {there} in another folder")
    if here != readme:
        raise PageError(
            f"the page has the SHA-256 {here}, README.md prints {readme or 'none'}."
            " If the page was meant to change: scripts/page readme"
        )
    return page


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    if len(arguments) != 1 or arguments[0] not in {
        "build",
        "check",
        "sha256",
        "readme",
    }:
        print(__doc__, file=sys.stderr)
        return 0 if set(arguments) & {"-h", "--help"} else 64
    (command,) = arguments
    try:
        make = check if command == "check" else build_here
        page = make(root)
        if command == "readme":
            print_it(root, sha256(page))
    except PageError as error:
        print(f"scripts/page: {error}", file=sys.stderr)
        return 1
    if command == "sha256":
        print(sha256(page))
    else:
        print(f"{PAGE}: {len(page):,} bytes, SHA-256 {sha256(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
