"""The page works from the ledger and from any static host, and its policy holds there too."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import expect

from ledger.services import archives
from ledger.store.database import Database
from tests.browser.visit import Case, Visit
from tests.unit.web.world import World

pytestmark = pytest.mark.slow

GENUINE = Case("genuine")
OFFLINE = Case("genuine-as-of")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_values: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def static_host(page_file: Path) -> Iterator[str]:
    """A folder of files over HTTP, without any header of ours."""
    handler = partial(Quiet, directory=page_file.parent)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def ledger(
    page_file: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The ledger's own server."""
    monkeypatch.setattr(archives, "_PAGE", page_file)
    database = Database.upgrade(sqlite_url)
    # Without a set-up of its own: loggers are the whole process's.
    config = uvicorn.Config(
        World.over(database, {}).app, port=0, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    socket.listen()  # who comes before the server is ready waits for it
    thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{socket.getsockname()[1]}/verifier.html"
    server.should_exit = True
    thread.join()
    database.close()


def test_a_host_without_https_will_do(
    open_page: Callable[..., Visit], page_file: Path
) -> None:
    """There a browser has no WebCrypto and no clipboard."""
    visit = open_page(
        OFFLINE.now,
        url="http://school.example/verifier.html",
        hosted=page_file.read_bytes(),
    )
    OFFLINE.configure(visit)

    visit.give(("file", OFFLINE.file))
    visit.page.get_by_role("button", name="Copy report").click()

    assert not visit.page.evaluate("isSecureContext")
    assert visit.report() == OFFLINE.expected
    expect(visit.page.locator("#live")).to_contain_text("did not let this page copy")


@pytest.mark.parametrize("host", ["static_host", "ledger"])
def test_the_page_checks_a_file_from_a_host(
    host: str, open_page: Callable[..., Visit], request: pytest.FixtureRequest
) -> None:
    visit = open_page(GENUINE.now, url=request.getfixturevalue(host))
    GENUINE.configure(visit)

    visit.give(("file", GENUINE.file))

    assert visit.report() == GENUINE.expected


def test_a_host_offers_the_page_to_keep(
    ledger: str, open_page: Callable[..., Visit], page_file: Path
) -> None:
    visit = open_page(url=ledger)
    visit.page.locator("#about > summary").click()

    with visit.page.expect_download() as saved:
        visit.page.get_by_role("link", name="Save this page").click()

    assert saved.value.suggested_filename == "verifier.html"
    assert Path(saved.value.path()).read_bytes() == page_file.read_bytes()


def test_from_disk_there_is_nothing_to_save(open_page: Callable[..., Visit]) -> None:
    visit = open_page()
    visit.page.locator("#about > summary").click()

    expect(visit.page.locator("#keep")).to_be_hidden()


# ---------------------------------------------------------------- the page's own policy


def blocked(visit: Visit, script: str) -> list[str]:
    """The directives that stopped what a script tries."""
    found: list[str] = visit.page.evaluate(
        """async script => {
          const found = [];
          document.addEventListener("securitypolicyviolation", event => found.push(event.effectiveDirective));
          const attempts = {
            script: () => { const e = document.createElement("script"); e.textContent = "window.ran = true"; document.head.append(e); },
            style: () => { const e = document.createElement("style"); e.textContent = "body{color:red}"; document.head.append(e); },
            markup: () => { document.body.innerHTML = "<b>x</b>"; },
            picture: () => { const e = new Image(); e.src = "https://stranger.example/x.png"; document.body.append(e); },
            frame: () => { const e = document.createElement("iframe"); e.src = "https://stranger.example/"; document.body.append(e); },
            plain: () => fetch("http://stranger.example/").catch(() => 0),
            base: () => { const e = document.createElement("base"); e.href = "https://stranger.example/"; document.head.append(e); },
          };
          try { await attempts[script](); } catch { /* the policy may throw */ }
          await new Promise(resolve => setTimeout(resolve, 100));
          return [...found, String(window.ran)];
        }""",
        script,
    )
    return found


@pytest.mark.parametrize(
    ("attempt", "directive"),
    [
        ("script", "require-trusted-types-for"),
        ("style", "style-src-elem"),
        ("markup", "require-trusted-types-for"),
        ("picture", "img-src"),
        ("frame", "frame-src"),
        ("plain", "connect-src"),
        ("base", "base-uri"),
    ],
)
def test_the_policy_stops(
    attempt: str, directive: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page()

    found = blocked(visit, attempt)

    assert directive in found
    assert found[-1] == "undefined", "a foreign script ran"
    # The browser says so, as it should.
    assert visit.complaints != []
    visit.complaints.clear()


def test_the_policy_allows_no_evaluation(open_page: Callable[..., Visit]) -> None:
    visit = open_page()
    policy: Any = visit.page.locator("meta[http-equiv]").get_attribute("content")

    directives = dict(part.split(" ", 1) for part in policy.split("; "))

    assert directives["default-src"] == "'none'"
    assert directives["script-src"].startswith("'sha256-")
    assert directives["style-src"].startswith("'sha256-")
    assert " " not in directives["script-src"]
    assert "unsafe" not in policy
    assert directives["connect-src"] == "https: http://127.0.0.1:* http://localhost:*"


def test_after_it_the_page_is_whole(open_page: Callable[..., Visit]) -> None:
    """No file beside it, no address in it that a browser would fetch."""
    visit = open_page()

    outside = visit.page.locator("[src], link[href]:not([href^='data:'])")

    assert outside.count() == 0
