"""The page's build: one file, small enough, the one that the README names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from scripts import verifier_page
from scripts.verifier_page import PROJECT, PageError

# A stand-in for vite and tsc: writes what its script says into the folder after --outDir.
TOOL = """
const { writeFileSync } = require("node:fs");
const out = process.argv[process.argv.indexOf("--outDir") + 1];
%s
"""
WRITES = 'writeFileSync(out + "/index.html", "<!doctype html>");'
SHA256 = hashlib.sha256(b"<!doctype html>").hexdigest()
README = "SHA-256 of `verifier.html`: `{}`\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a page whose tools are stand-ins."""
    root = tmp_path / "checkout"
    project = root / PROJECT
    (project / "src").mkdir(parents=True)
    for name in ("index.html", "package.json", "tsconfig.json", "vite.config.ts"):
        (project / name).touch()
    (root / "pyproject.toml").touch()
    (root / "ledger" / "core" / "contexts").mkdir(parents=True)
    (root / "README.md").write_text(README.format(SHA256))
    with_tools(root, WRITES)
    return root


def with_tools(root: Path, vite: str, tsc: str = "") -> None:
    modules = root / PROJECT / "node_modules"
    for place, script in (
        ("vite/bin/vite.js", TOOL % vite),
        ("typescript/bin/tsc", tsc),
    ):
        path = modules / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)


def test_a_build_is_checked_against_the_readme(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verifier_page.main(["check"], checkout) == 0
    assert f"15 bytes, SHA-256 {SHA256}" in capsys.readouterr().out

    (checkout / "README.md").write_text(README.format("0" * 64))

    assert verifier_page.main(["check"], checkout) == 1
    assert "scripts/page readme" in capsys.readouterr().err


def test_the_readme_is_brought_up_to_date(checkout: Path) -> None:
    (checkout / "README.md").write_text("Before\n" + README.format("") + "After\n")

    assert verifier_page.main(["readme"], checkout) == 0

    expected = "Before\n" + README.format(SHA256) + "After\n"
    assert expected == (checkout / "README.md").read_text()


def test_a_readme_that_prints_none_or_two_is_refused(checkout: Path) -> None:
    for text in ("", README.format("") * 2):
        (checkout / "README.md").write_text(text)

        with pytest.raises(PageError, match="once"):
            verifier_page.printed(checkout)


def test_a_build_that_depends_on_its_place_is_noticed(checkout: Path) -> None:
    with_tools(checkout, 'writeFileSync(out + "/index.html", process.cwd());')

    with pytest.raises(PageError, match="two builds differ"):
        verifier_page.check(checkout)


def test_types_are_checked(checkout: Path) -> None:
    with_tools(checkout, WRITES, tsc='console.log("main.ts: wrong"); process.exit(2);')

    with pytest.raises(PageError, match=r"main\.ts: wrong"):
        verifier_page.check(checkout)


@pytest.mark.parametrize(
    ("vite", "says"),
    [
        ('writeFileSync(out + "/index.html", "x".repeat(450001));', "450,001 bytes"),
        (WRITES + 'writeFileSync(out + "/extra.js", "");', r"not one file: extra\.js"),
        ('console.error("no such module"); process.exit(1);', "no such module"),
    ],
    ids=["large", "two files", "broken"],
)
def test_a_bad_build_is_refused(checkout: Path, vite: str, says: str) -> None:
    with_tools(checkout, vite)

    with pytest.raises(PageError, match=says):
        verifier_page.build_here(checkout)


def test_missing_tools_are_named(tmp_path: Path) -> None:
    (tmp_path / PROJECT).mkdir(parents=True)

    with pytest.raises(PageError, match="run scripts/setup"):
        verifier_page.build_here(tmp_path)


def test_wrong_usage_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert verifier_page.main([]) == 64
    assert verifier_page.main(["dance"]) == 64
    assert verifier_page.main(["--help"]) == 0
    assert "scripts/page check" in capsys.readouterr().err
