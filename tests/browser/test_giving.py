"""The ways in which a file reaches the page, and what a person takes away from it."""

import io
import json
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ledger.verify.command import run
from tests.browser.visit import DROP, ROOT, Case, Visit

pytestmark = pytest.mark.slow

GENUINE = Case("genuine")
OFFLINE = Case("genuine-as-of")
CARRIED = "Genuine as of 2026-07-01"


@pytest.fixture
def offline(open_page: Callable[..., Visit]) -> Visit:
    """A page that is set up to check one file without any network."""
    visit = open_page(OFFLINE.now)
    OFFLINE.configure(visit)
    return visit


def link(data: bytes) -> str:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    return f"#vc={urlsafe_b64encode(packed).decode().rstrip('=')}"


def drop(visit: Visit, *files: tuple[str, bytes]) -> None:
    listed = [
        {"name": name, "base64": b64encode(data).decode()} for name, data in files
    ]
    visit.page.evaluate(DROP, [listed])
    visit.wait()


def test_a_dropped_file_is_checked(offline: Visit) -> None:
    drop(offline, ("badge.json", OFFLINE.file))

    assert offline.heading == OFFLINE.expected["heading"]
    assert offline.page.locator(".drop.over").count() == 0


def test_pasted_text_is_checked(offline: Visit) -> None:
    offline.page.locator("#paste > summary").click()
    offline.page.locator("#pasted").fill(OFFLINE.file.decode())
    offline.page.get_by_role("button", name="Check this text").click()
    offline.wait()

    assert offline.heading == OFFLINE.expected["heading"]
    assert offline.report()["file"] == "pasted text"


def test_a_link_in_the_address_is_checked_without_sending_it(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(OFFLINE.now, fragment=link(OFFLINE.file))
    visit.wait()

    assert visit.report()["steps"][1]["code"] == "content.unchanged"
    assert visit.report()["file"] == "link"
    assert visit.asked == []


def test_a_new_fragment_is_a_new_check(offline: Visit) -> None:
    offline.page.evaluate("hash => { location.hash = hash; }", link(OFFLINE.file))
    offline.wait()

    assert offline.heading == OFFLINE.expected["heading"]


def test_a_pasted_link_is_checked(offline: Visit) -> None:
    offline.page.locator("#paste > summary").click()
    address = f"https://school.example/verifier.html{link(OFFLINE.file)}"
    offline.page.locator("#pasted").fill(address)
    offline.page.get_by_role("button", name="Check this text").click()
    offline.wait()

    assert offline.heading == OFFLINE.expected["heading"]


def test_a_link_without_a_credential_is_not_opened(offline: Visit) -> None:
    offline.page.locator("#paste > summary").click()
    offline.page.locator("#pasted").fill("https://school.example/badges/7")
    offline.page.get_by_role("button", name="Check this text").click()
    offline.wait()

    assert offline.heading == "This is not a credential file"
    assert "this page opens no links" in offline.report()["steps"][0]["detail"]


def test_a_link_configures_nothing(open_page: Callable[..., Visit]) -> None:
    """Whoever writes the link does not choose who is asked."""
    fragment = f"{link(GENUINE.file)}&rpc=https://evil.example"
    visit = open_page(GENUINE.now, fragment=fragment)
    visit.wait()

    assert "link is damaged" in visit.report()["steps"][0]["detail"]
    assert visit.page.locator("#addresses").input_value() == ""


def test_text_that_is_pasted_onto_the_page_is_checked(offline: Visit) -> None:
    offline.page.evaluate(
        """text => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", text);
          const options = { clipboardData, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        OFFLINE.file.decode(),
    )
    offline.wait()

    assert offline.heading == OFFLINE.expected["heading"]


def test_the_same_file_can_be_chosen_again(offline: Visit) -> None:
    offline.give(("one.json", b"{}"))
    offline.give(("one.json", OFFLINE.file))

    assert offline.heading == OFFLINE.expected["heading"]


# ---------------------------------------------------------------- several files


def test_several_files_are_summed_up_with_the_worst_first(offline: Visit) -> None:
    changed = OFFLINE.file.replace(b"Ada Lovelace", b"Eve Lovelace")
    offline.give(
        ("good.json", OFFLINE.file), ("other.txt", b"hello"), ("bad.json", changed)
    )

    rows = offline.page.locator("#result tbody tr")
    assert offline.heading == "Do not rely on 2 of 3 files"
    assert [row.locator("button").inner_text() for row in rows.all()] == [
        "bad.json",
        "other.txt",
        "good.json",
    ]
    expect(rows.nth(0)).to_contain_text("Do not rely on this file")
    expect(rows.nth(2)).to_contain_text("Data Analyst, Ada Lovelace")
    assert offline.page.locator("#chosen .heading").inner_text() == (
        "Do not rely on this file"
    )


def test_another_row_shows_its_report(offline: Visit) -> None:
    offline.give(("good.json", OFFLINE.file), ("other.txt", b"hello"))

    offline.page.get_by_role("button", name="good.json").click()

    heading = offline.page.locator("#chosen .heading")
    expect(heading).to_have_text(OFFLINE.expected["heading"])
    expect(heading).to_be_focused()
    assert offline.report()["file"] == "good.json"
    assert offline.page.locator("[aria-expanded=true]").count() == 1


def test_an_archive_gives_a_report_for_each_file(offline: Visit) -> None:
    archive = ROOT / "tests/vectors/carriers/valid/take-away.zip"

    offline.give((archive.name, archive.read_bytes()))

    buttons = offline.page.locator("#result tbody button")
    names = [button.inner_text() for button in buttons.all()]
    assert len(names) > 1
    assert all(name.startswith("take-away.zip/") for name in names)


def test_a_long_check_can_be_stopped(offline: Visit) -> None:
    files = [(f"{n}.json", OFFLINE.file) for n in range(400)]
    offline.page.evaluate(
        DROP,
        [[{"name": n, "base64": b64encode(d).decode()} for n, d in files]],
    )

    offline.page.get_by_role("button", name="Stop").click()
    offline.wait()

    assert "You stopped it" in offline.box
    assert 0 < offline.page.locator("#result tbody tr").count() < 400


# ---------------------------------------------------------------- to take away


def command_says(tmp_path: Path, names: list[str], case: Case) -> str:
    """What `perdure verify --json` prints for the same files and settings."""
    out = io.StringIO()
    options = []
    for option in ("networks", "trust", "checkpoints"):
        path = case.folder / f"{option}.json"
        options += [f"--{option}", str(path)] if path.exists() else []
    run(
        [
            *(str(tmp_path / name) for name in names),
            *options,
            *("--email", case.given["email"], "--json"),
        ],
        program="perdure verify",
        clock=lambda: case.now,
        out=out,
    )
    return out.getvalue().replace(f"{tmp_path}/", "")


def test_the_saved_report_is_the_commands_letter_by_letter(
    offline: Visit, tmp_path: Path
) -> None:
    files = {"good.json": OFFLINE.file, "schöne Grüße.json": b"{}"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    offline.give(*files.items())

    with offline.page.expect_download() as saved:
        offline.page.get_by_role("button", name="Save report").click()

    assert saved.value.suggested_filename == "report.json"
    assert (
        command_says(tmp_path, list(files), OFFLINE)
        == Path(saved.value.path()).read_text()
    )


def test_the_report_can_be_copied(offline: Visit) -> None:
    offline.context.grant_permissions(["clipboard-read", "clipboard-write"])
    offline.give(("file", OFFLINE.file))

    offline.page.get_by_role("button", name="Copy report").click()

    expect(offline.page.get_by_role("button", name="Copied")).to_be_visible()
    copied: Any = json.loads(offline.page.evaluate("navigator.clipboard.readText()"))
    assert copied["files"] == [OFFLINE.expected]


def test_a_refused_copy_is_told(offline: Visit) -> None:
    offline.page.evaluate(
        """() => {
          const refuse = () => Promise.reject(new DOMException("", "NotAllowedError"));
          Object.defineProperty(navigator, "clipboard", { value: { writeText: refuse } });
        }"""
    )
    offline.give(("file", OFFLINE.file))

    offline.page.get_by_role("button", name="Copy report").click()

    expect(offline.page.locator("#live")).to_contain_text("Open the technical detail")
