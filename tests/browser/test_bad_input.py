"""What is no credential, or not one for us: a verdict in words that say what to do, at once."""

import json
import zipfile
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

import pytest

from tests.browser.visit import CASES, VECTORS, Case, Visit

pytestmark = pytest.mark.slow

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
NOT_ONE = "This is not a credential file"
ASK = "Ask the holder for the badge file or its link; a screenshot or print-out carries no proof."


def zipped(name: str, data: bytes) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return made.getvalue()


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


BAD: dict[str, tuple[str, bytes, str]] = {
    # name: file name, bytes, words of the detail
    "zip bomb": (
        "badges.zip",
        zipped("badge.json", b" " * 8_000_000),
        "packed too tightly",
    ),
    "deep JSON": ("badge.json", b"[" * 100_000, "deep"),
    "huge JSON": ("badge.json", b'{"a":"' + b"x" * 2_000_000 + b'"}', "1048576"),
    "two badge chunks": (
        "badge.png",
        vector("baked/invalid/two-credentials.png"),
        "more than one",
    ),
    "compressed chunk": (
        "badge.png",
        vector("baked/invalid/compressed.png"),
        "uncompressed",
    ),
    "PDF without attachment": (
        "certificate.pdf",
        b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n",
        "no credential",
    ),
    "screenshot": ("shot.png", vector("baked/invalid/not-baked.png"), "no credential"),
    "photo": ("photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(200), "screenshot"),
    "empty": ("badge.json", b"", "JSON"),
    "web page": ("page.html", b"<!doctype html><title>x</title>", ""),
}
OPEN_BADGE_2 = {
    "@context": "https://w3id.org/openbadges/v2",
    "type": "Assertion",
    "id": "https://school.example/assertions/1",
    "recipient": {"type": "email", "identity": "ada@example.org", "hashed": False},
    "badge": "https://school.example/badges/git",
    "verification": {"type": "hosted"},
    "issuedOn": "2019-06-30T00:00:00Z",
}
OTHERS: dict[str, bytes] = {
    "Open Badges 2.0": json.dumps(OPEN_BADGE_2).encode(),
    "another system's": vector("published/derived/ob3-vector-signed.json"),
}


def assert_plain(visit: Visit, *, next_step: str) -> None:
    """No trace of the machinery, and something to do."""
    assert next_step in visit.box
    words = visit.page.locator("#result").inner_text()
    for trace in ("Error", "undefined", "[object", "NaN", " at file:", "stack"):
        assert trace not in words


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_credential_is_told_so(
    name: str, open_page: Callable[..., Visit]
) -> None:
    file, data, says = BAD[name]
    visit = open_page(NOW)

    visit.give((file, data))

    report = visit.report()
    assert report["verdict"] == "not_a_credential"
    assert visit.heading == NOT_ONE
    assert says in report["steps"][0]["detail"]
    assert_plain(visit, next_step=ASK)


@pytest.mark.parametrize("name", OTHERS)
def test_a_badge_of_another_system_is_not_accused(
    name: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(NOW)

    visit.give(("badge.json", OTHERS[name]))

    report = visit.report()
    assert report["steps"][0]["code"] == "file.other_kind"
    assert visit.heading == NOT_ONE
    assert "changed" not in visit.box
    assert_plain(visit, next_step=ASK)


def test_a_chain_that_was_not_accepted_is_named(
    open_page: Callable[..., Visit],
) -> None:
    case = Case("incomplete-unknown-network")
    visit = open_page(case.now)
    case.configure(visit)

    visit.give(("file", case.file))

    assert visit.heading == "We could not finish the check"
    assert_plain(visit, next_step="name it in a networks file")


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.expected["test"]],
    ids=lambda case: case.name,
)
def test_a_test_network_is_shown_as_one_and_never_green(
    case: Case, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(case.now)
    case.configure(visit)

    visit.give(("file", case.file))

    assert visit.heading.startswith("TEST: ")
    assert visit.page.locator("#result .verdict.green").count() == 0


@pytest.mark.parametrize(
    ("fragment", "says"),
    [
        ("#vc=", "link is damaged"),
        ("#vc=A", "link is damaged"),
        ("#vc=AAAA", "link is damaged"),
        ("#vc=" + "!" * 40, "link is damaged"),
        ("#vc=" + "A" * 3_000_000, "longer than any credential"),
    ],
    ids=["nothing", "one letter", "no deflate", "other letters", "too long"],
)
def test_a_damaged_link_says_so(
    fragment: str, says: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(NOW)
    visit.page.evaluate("fragment => { location.hash = fragment; }", fragment)
    visit.wait()

    assert visit.report()["verdict"] == "not_a_credential"
    assert says in visit.report()["steps"][0]["detail"]
    assert_plain(visit, next_step=ASK)


def test_a_link_that_unpacks_without_end_is_let_go(
    open_page: Callable[..., Visit],
) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (
        b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    )
    visit = open_page(
        NOW, fragment=f"#vc={urlsafe_b64encode(bomb).decode().rstrip('=')}"
    )
    visit.wait()

    assert "more than any credential" in visit.report()["steps"][0]["detail"]


def test_a_folder_is_refused_in_words(open_page: Callable[..., Visit]) -> None:
    """A folder is dropped as a file that cannot be read."""
    visit = open_page(NOW)
    visit.page.evaluate(
        """() => {
          const file = new File(["x"], "my badges");
          file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("", "NotFoundError")) });
          const transfer = { files: [file], getData: () => "" };
          const event = new Event("drop", { bubbles: true, cancelable: true });
          Object.defineProperty(event, "dataTransfer", { value: transfer });
          document.getElementById("drop").dispatchEvent(event);
        }"""
    )
    visit.wait()

    report = visit.report()
    assert (report["verdict"], report["file"]) == ("incomplete", "my badges")
    assert "a folder has to be opened first" in report["steps"][0]["detail"]


def test_a_fault_of_the_page_itself_is_no_ones_and_told_in_words(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(NOW)
    visit.page.evaluate(
        "() => { TextDecoder.prototype.decode = () => { throw new RangeError('stack'); }; }"
    )

    visit.give(("badge.json", Case("genuine").file))

    report = visit.report()
    assert (report["verdict"], report["steps"][0]["code"]) == (
        "incomplete",
        "file.unreadable",
    )
    assert "a fault of its own (RangeError)" in report["steps"][0]["detail"]
    assert "perdure verify" in report["steps"][0]["detail"]
    assert "stack" not in visit.page.locator("#result").inner_text()
    # Whoever looks for the cause finds it in the browser's console, and there alone.
    assert len(visit.complaints) == 1
    visit.complaints.clear()


def test_what_nobody_foresaw_ends_as_a_sentence(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(NOW)

    visit.page.evaluate("() => { window.dispatchEvent(new ErrorEvent('error')); }")
    visit.wait()

    assert visit.heading == "We could not finish the check"
    assert_plain(visit, next_step="reload the page and try again")


@pytest.mark.parametrize(
    "name",
    ["<img src=x onerror=alert(1)>.json", "badge\u202egnp.json", "\u2066a.json"],
    ids=["markup", "reversed", "isolated"],
)
def test_a_file_name_is_text_and_hides_nothing(
    name: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(NOW)

    visit.give((name, b"{}"))

    assert visit.report()["file"] == name
    assert visit.page.locator("#result img").count() == 0
    assert not {"\u202e", "\u2066"} & set(visit.page.locator("#result").inner_text())
