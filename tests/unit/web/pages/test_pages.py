"""The pages: what they say, that they load nothing foreign and escape what they are given."""

import html
import re
from html.parser import HTMLParser

import pytest

from ledger.core.short_code import ShortCode
from ledger.services.rosters import COLUMNS, latest_today, parse_roster
from tests.unit.web.world import ACHIEVEMENT, START, World

PAGES = ["/", "/help/rosters", "/docs"]


class Page(HTMLParser):
    """What a browser would fetch or run, and the skeleton that screen readers use."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.inline: list[str] = []
        self.headings: list[int] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        members = dict(attrs)
        self.tags.append(tag)
        if tag in {"script", "style"} or "style" in members:
            self.inline.append(tag)
        self.inline += [name for name in members if name.startswith("on")]
        if tag in {"img", "script", "iframe"}:
            self.fetched.append(members.get("src") or "")
        if tag == "link":
            self.fetched.append(members.get("href") or "")
        if tag == "a":
            self.links.append(members.get("href") or "")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if members.get("id"):
            self.ids.append(members["id"] or "")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fetches_only_from_here_and_has_no_inline_code(
    world: World, path: str
) -> None:
    page = Page(world.client().get(path).text)

    assert page.inline == []
    assert set(page.fetched) == {"/static/app.css", "/static/icon.svg"}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_title_landmarks_and_headings_in_order(
    world: World, path: str
) -> None:
    text = world.client().get(path).text
    page = Page(text)

    assert '<html lang="en">' in text
    assert page.headings.count(1) == 1
    assert all(
        b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False)
    )
    assert {"header", "main", "nav", "footer"} <= set(page.tags)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(world: World, path: str) -> None:
    client = world.client()
    page = Page(client.get(path).text)

    for link in page.links:
        address, _, fragment = link.partition("#")
        if address:
            assert client.get(address).status_code == 200, link
        if fragment:
            assert fragment in page.ids, link


def test_the_roster_page_documents_every_column(world: World) -> None:
    text = world.client().get("/help/rosters").text

    for column in COLUMNS:
        assert f"<code>{column.name}</code>" in text
        assert (
            html.escape(column.meaning, quote=True).replace("&#x27;", "&#39;") in text
        )


def test_the_template_is_a_roster_that_is_accepted_as_it_is(world: World) -> None:
    answer = world.client().get("/help/roster-template.csv")

    roster = parse_roster(
        answer.content, offers=frozenset({"py-1"}), today=latest_today(START)
    )

    assert (
        answer.headers["content-disposition"]
        == 'attachment; filename="roster-template.csv"'
    )
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert (len(roster.rows), roster.problems) == (1, ())


def test_the_documentation_shows_every_operation_with_its_scope(world: World) -> None:
    client = world.client()
    text = client.get("/docs").text

    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            section = text.partition(f'id="{operation["operationId"]}"')[2]
            section = section.partition("</section>")[0]
            assert (
                f'<span class="method">{method.upper()}</span> <code>{path}</code>'
                in section
            )
            scopes = [
                s for entry in operation.get("security", ()) for s in entry["ApiKey"]
            ]
            assert all(f"the scope <code>{scope}</code>" in section for scope in scopes)
            assert f"https://ledger.example.org{path}" in section


def test_the_code_of_a_certificate_leads_to_what_it_is_for_and_to_nobody(
    world: World,
) -> None:
    client, school = world.client(), world.riverside
    assert school.credential is not None
    code = ShortCode.of(school.credential)
    page = client.get(f"/c/{code.text}", headers={"Accept": "text/html"})
    told = client.get(f"/c/{code.text.lower().replace('-', ' ')}")

    assert page.status_code == 200
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["cache-control"] == "no-store"
    for expected in (code.text, ACHIEVEMENT["name"], "Ask for its file", "TEST"):
        assert expected in page.text
    for secret in (school.name, school.email, str(school.credential)):
        assert secret not in page.text
        assert secret not in told.text
    assert told.json() == {
        "code": code.text,
        "achievement": ACHIEVEMENT["name"],
        "issuer": told.json()["issuer"],
        "awardedOn": told.json()["awardedOn"],
        "validUntil": None,
        "state": "waiting",
        "test": True,
    }


def test_the_page_of_a_withdrawn_certificate_says_so_first(world: World) -> None:
    school = world.riverside
    assert school.credential is not None
    world.client(school.key).post(
        f"/api/v1/credentials/{school.credential}/withdrawal",
        json={"reason": "Issued to the wrong person."},
        headers={"Idempotency-Key": "w"},
    )
    path = f"/c/{ShortCode.of(school.credential).text}"

    page = world.client().get(path, headers={"Accept": "text/html"}).text
    assert "The issuer has withdrawn it." in page
    assert "wrong person" not in page


def test_the_page_of_an_open_issuer_names_nobody(world: World) -> None:
    client, school = world.client(), world.riverside
    path = f"/issuers/{school.issuer}"

    page = client.get(path, headers={"Accept": "text/html"})
    told = client.get(path).json()
    assert told["name"] == "Riverside School"
    assert (told["closedAt"], told["files"], told["imported"]) == (None, [], False)
    assert "Riverside School" in page.text
    assert "Closed on" not in page.text
    found = Page(page.text)
    assert found.inline == []
    assert found.headings.count(1) == 1
    for link in found.links:
        assert client.get(link.partition("#")[0] or path).status_code == 200, link
    for secret in (school.name, school.email, str(school.credential)):
        assert secret not in page.text
    assert client.get(f"{path}/statement.json").status_code == 404
    assert client.get(f"/issuers/{'0' * 64}").status_code == 404


@pytest.mark.parametrize("code", ["1DDZ-BJAD-DH4X", "1DDZ-BJAD-DH4Y", "x", "UUUU"])
def test_a_code_that_leads_nowhere_is_not_found(world: World, code: str) -> None:
    answer = world.client().get(f"/c/{code}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_test_chain_is_called_one(world: World) -> None:
    assert "<strong>TEST.</strong>" in world.client().get("/").text


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "' onload='x",
    ],
)
def test_what_a_school_writes_is_text_on_its_page(world: World, hostile: str) -> None:
    client = world.client(world.riverside.key)
    texts = dict.fromkeys(("name", "description", "criteria"), hostile)
    added = client.post(
        "/api/v1/achievements",
        json={**ACHIEVEMENT, **texts, "code": "hostile", "skills": [hostile]},
        headers={"Idempotency-Key": "1"},
    )

    page = client.get(
        f"/achievements/{world.riverside.issuer}/hostile/1",
        headers={"Accept": "text/html"},
    )

    assert added.status_code == 201
    found = Page(page.text)
    assert found.inline == []
    assert set(found.fetched) == {"/static/app.css", "/static/icon.svg"}
    assert (
        str(html.escape(hostile)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
        in page.text
    )
