"""What a check relies on: entered by a person, refused before anything is checked if it is wrong."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.visit import VECTORS, Case, Visit

pytestmark = pytest.mark.slow

GENUINE = Case("genuine")
OFFLINE = Case("genuine-as-of")
NOT_YET = "Not checked yet: a setting cannot be used"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("addresses", "chain.example", "https://"),
        ("addresses", "ftp://chain.example", "https://"),
        ("addresses", "https://me:secret@chain.example", "password"),
        ("addresses", "https://a.example\nhttps://a.example", "agrees with itself"),
        ("hashes", "0x1234", "eip155"),
        ("email", "not an address", "not an e-mail address"),
        ("signer", "did:key:z6Mk", "no trust list"),
    ],
)
def test_a_wrong_setting_stops_the_check_and_is_shown_where_it_is(
    field: str, value: str, says: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(OFFLINE.now)
    visit.enter(field, value)

    visit.give(("file", OFFLINE.file))

    assert visit.heading == NOT_YET
    assert says in visit.box
    label = visit.page.locator(f"label[for={field}]").inner_text()
    assert label.removesuffix(" (optional)") in visit.box
    assert says in visit.page.locator(f"#{field}-fault").inner_text()
    visit.page.get_by_role("button", name="Go to the setting").click()
    expect(visit.page.locator(f"#{field}")).to_be_focused()
    assert visit.page.locator(f"#{field}").get_attribute("aria-invalid") == "true"


def test_put_right_the_same_file_is_checked(open_page: Callable[..., Visit]) -> None:
    visit = open_page(GENUINE.now)
    GENUINE.configure(visit)
    visit.enter("addresses", "chain.example")
    visit.give(("file", GENUINE.file))
    assert visit.heading == NOT_YET

    visit.enter("addresses", "https://chain.example")
    visit.page.get_by_role("button", name="Check again").click()

    expect(visit.page.locator("#result .heading")).to_have_text(
        GENUINE.expected["heading"]
    )
    assert visit.page.locator("[aria-invalid]").count() == 0


@pytest.mark.parametrize(
    ("field", "data", "says"),
    [
        ("trust", b"{}", "trust list"),
        ("networks", b'{"version": 1, "networks": []}', "networks"),
        ("checkpoints", b"[]", "checkpoints"),
    ],
)
def test_a_settings_file_that_is_refused_is_not_passed_over(
    field: str, data: bytes, says: str, open_page: Callable[..., Visit]
) -> None:
    """A check with less than was asked for would mislead."""
    visit = open_page(OFFLINE.now)
    visit.page.locator("#more > summary").click()
    visit.load(field, data)
    fault = visit.page.locator(f"#{field}-fault")
    expect(fault).to_contain_text("Not used: ")
    expect(fault).to_contain_text(says)

    visit.give(("file", OFFLINE.file))

    assert visit.heading == NOT_YET


def test_a_loaded_file_says_what_it_is_and_can_be_removed(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(GENUINE.now)
    visit.load("trust", (GENUINE.folder / "trust.json").read_bytes())
    state = visit.page.locator("#trust-state")
    expect(state).to_have_text(
        "In use: “Admissions”, 1 issuer and 0 accreditors. Nobody signed it."
    )

    visit.page.get_by_role("button", name="Remove the trust list").click()

    expect(state).to_be_hidden()
    expect(visit.page.locator("#trust")).to_be_focused()


def test_a_signed_list_names_its_signer_and_another_can_be_demanded(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(OFFLINE.now)
    visit.load("trust", (VECTORS / "trust/valid/signed.json").read_bytes())
    state = visit.page.locator("#trust-state")
    expect(state).to_contain_text("Signed by did:key:z6Mk")
    visit.enter("signer", "did:key:z6MkSomebodyElse")

    visit.give(("file", OFFLINE.file))

    assert visit.heading == NOT_YET
    assert "and you demand did:key:z6MkSomebodyElse" in visit.box


def test_a_list_that_was_changed_after_it_was_signed_is_refused(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(OFFLINE.now)

    visit.load("trust", (VECTORS / "trust/invalid/another-name.json").read_bytes())

    expect(visit.page.locator("#trust-fault")).to_contain_text("changed after it was")


def test_without_an_address_the_way_to_enter_one_is_offered(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(GENUINE.now)
    visit.load("networks", (GENUINE.folder / "networks.json").read_bytes())
    visit.give(("file", GENUINE.file))
    assert visit.heading == "We could not finish the check"

    visit.page.get_by_role("button", name="Enter an address").click()

    expect(visit.page.locator("#addresses")).to_be_focused()


def test_a_report_that_is_older_than_the_settings_says_so(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(OFFLINE.now)
    OFFLINE.configure(visit)
    visit.give(("file", OFFLINE.file))
    assert visit.page.locator(".stale").count() == 0

    visit.enter("email", "eve@example.org")
    expect(visit.page.locator(".stale")).to_have_count(1)
    visit.page.get_by_role("button", name="Check again").click()

    expect(visit.page.locator("#result .heading")).to_have_text(
        "Do not rely on this credential"
    )


def test_the_privacy_of_a_check_is_told_before_it(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page()

    words = visit.page.locator("main").inner_text()

    assert "Nothing is uploaded." in words
    assert "Whoever runs one learns your internet address" in words
    assert "gone when you close it" in words


def test_nothing_is_kept(open_page: Callable[..., Visit]) -> None:
    visit = open_page(GENUINE.now)
    GENUINE.configure(visit)
    visit.give(("file", GENUINE.file))

    kept = visit.page.evaluate(
        "[document.cookie, localStorage.length, sessionStorage.length].join()"
    )
    visit.page.reload()

    assert kept == ",0,0"
    assert visit.page.locator("#addresses").input_value() == ""
    assert visit.page.locator("#email").input_value() == ""
    expect(visit.page.locator("#trust-state")).to_be_hidden()


def test_what_is_built_in_is_shown(
    open_page: Callable[..., Visit], page_file: Path
) -> None:
    visit = open_page()
    visit.page.locator("#about > summary").click()

    words = visit.page.locator("#about").inner_text()

    for expected in (
        "Ethereum",
        "Sepolia (TEST)",
        "eip155:11155111",
        version("perdure"),
    ):
        assert expected in words
    licences = visit.page.locator("#licences pre").text_content() or ""
    for package in ("@noble/curves", "@noble/hashes", "jsonld", "rdf-canonize"):
        assert package in licences
    assert "Redistribution and use in source and binary forms" in licences
