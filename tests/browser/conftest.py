"""Chromium and the page as it is built now. What is missing is an error, never a skip."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from scripts import verifier_page
from tests.browser.visit import AXE, QUIET, Visit


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """verifier.html, built from the sources as they are."""
    out = tmp_path_factory.mktemp("page")
    try:
        verifier_page.build(verifier_page.ROOT, out)
    except verifier_page.PageError as error:
        raise pytest.UsageError(f"browser tests need the page: {error}") from error
    return out / "index.html"


# Not for the whole session: while it runs, this thread has an event loop, and no other test
# may start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None or not AXE.is_file():
        raise pytest.UsageError("browser tests need chromium and axe: scripts/setup")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


@pytest.fixture(scope="module")
def shared(browser: Browser, page_file: Path) -> Iterator[Visit]:
    """One page, opened anew for each test: a new process each time would take twice as long."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield Visit.pay(context, page_file.as_uri(), None)
    context.close()


@pytest.fixture
def open_page(
    browser: Browser, page_file: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Visit]]:
    """Open the page from disk. `now` sets its clock, `options` are Playwright's.

    It is in a browser context of its own if it is to be `fresh`, or has an address or an option.
    """
    opened: list[Visit] = []
    contexts: list[BrowserContext] = []

    def open_it(
        now: datetime | None = None,
        *,
        fragment: str = "",
        url: str | None = None,
        fresh: bool = False,
        hosted: bytes | None = None,
        **options: Any,
    ) -> Visit:
        if fresh or fragment or url or options:
            contexts.append(browser.new_context(**options))
            contexts[-1].set_default_timeout(20_000)
            address = (url or page_file.as_uri()) + fragment
            opened.append(Visit.pay(contexts[-1], address, now, hosted))
        else:
            opened.append(request.getfixturevalue("shared"))
            opened[-1].again(now)
        return opened[-1]

    yield open_it
    for context in contexts:
        context.close()
    for visit in opened:
        visit.judge()
