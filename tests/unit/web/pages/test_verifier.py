"""verifier.html over HTTP: the same bytes as in an archive, under the policy that stands in it."""

from pathlib import Path

import pytest

from ledger.services import archives
from ledger.web.envelope import PAGE_POLICY
from tests.unit.web.world import World

POLICY = "default-src 'none'; script-src 'sha256-AAAA'; base-uri 'none'"
PAGE = f"""<!doctype html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>é</title>"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands where a build puts the page; not there yet."""
    path = tmp_path / "index.html"
    monkeypatch.setattr(archives, "_PAGE", path)
    return path


def test_the_page_comes_as_it_is_under_its_own_policy(world: World, page: Path) -> None:
    page.write_text(PAGE)

    answer = world.client().get("/verifier.html")

    assert answer.status_code == 200
    assert answer.content == PAGE.encode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (
        answer.headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_other_pages_keep_the_policy_of_all(world: World) -> None:
    answer = world.client().get("/")

    assert answer.headers["content-security-policy"] == PAGE_POLICY


def test_a_page_without_a_policy_is_not_handed_out(world: World, page: Path) -> None:
    page.write_text("<!doctype html>")

    assert world.client().get("/verifier.html").status_code == 500


def test_an_installation_without_the_page_says_so(world: World, page: Path) -> None:
    answer = world.client().get("/verifier.html")

    assert answer.status_code == 404
    assert "installed without verifier.html" in answer.text


def test_the_home_page_leads_to_it_where_it_is(world: World, page: Path) -> None:
    assert "/verifier.html" not in world.client().get("/").text

    page.write_text(PAGE)

    assert 'href="/verifier.html"' in world.client().get("/").text
