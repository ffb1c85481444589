"""verifier.html in a real Chromium, given files as a person gives them, and watched."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import (
    Browser,
    BrowserType,
    Page,
    expect,
    sync_playwright,
)

CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NO_NAMES: Final = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
#: A silent address holds a file for a while; there are three questions before it is given up.
_PATIENCE: Final = 120_000


@dataclass(frozen=True, slots=True)
class Given:
    """What a person gives the page."""

    files: tuple[Path, ...]
    addresses: tuple[str, ...]
    networks: Path
    trust: Path
    checkpoints: Path | None


@dataclass(slots=True)
class Answer:
    """The reports, every request there was, and what the browser complained of."""

    reports: list[Any] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


class Browsers:
    """One Chromium that can look up names, and one that cannot."""

    def __init__(self, chromium: BrowserType) -> None:
        self._with_names = _launched(chromium)
        self._without = _launched(chromium, _NO_NAMES)

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator["Browsers"]:
        """Start both; they end with the block."""
        with sync_playwright() as playwright:
            browsers = cls(playwright.chromium)
            try:
                yield browsers
            finally:
                browsers._with_names.close()
                browsers._without.close()

    def check(self, address: str, given: Given, *, names: bool) -> Answer:
        """Open the page there, give it everything, and wait for its reports."""
        browser = self._with_names if names else self._without
        page = browser.new_page()
        answer = Answer()
        page.on("request", lambda request: answer.requests.add(request.url))
        page.on("pageerror", lambda error: answer.complaints.append(str(error)))
        try:
            page.goto(address)
            answer.reports += _check(page, given)
        finally:
            page.close()
        return answer


def _launched(chromium: BrowserType, *flags: str) -> Browser:
    return chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])


def _check(page: Page, given: Given) -> list[Any]:
    page.locator("#addresses").fill("\n".join(given.addresses))
    page.locator("#more").evaluate("details => details.open = true")
    page.locator("#trust").set_input_files(given.trust)
    page.locator("#networks").set_input_files(given.networks)
    if given.checkpoints is not None:
        page.locator("#checkpoints").set_input_files(given.checkpoints)
    page.locator("#files").set_input_files(given.files)
    buttons = page.locator("#result tbody button")
    expect(buttons).to_have_count(len(given.files), timeout=_PATIENCE)
    reports: dict[str, Any] = {}
    for button in buttons.all():
        button.click()
        text = page.locator("pre[aria-label^='Report on']").text_content()
        (report,) = json.loads(text or "{}")["files"]
        reports[report["file"]] = report
    # The page shows the worst first.
    return [reports[path.name] for path in given.files]
