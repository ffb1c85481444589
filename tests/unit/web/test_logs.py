"""Nothing personal and nothing secret leaves by a log line or a problem."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from ledger.watch.logs import JsonFormatter
from tests.unit.web.operations import calls, document_of
from tests.unit.web.world import PASSPHRASE, World

NAME, EMAIL = "Canary Quetzalcoatl", "canary.quetzal@example.org"
AWARD = {"achievement": "py-1", "name": NAME, "email": EMAIL, "awardedOn": "2026-06-01"}
REGISTRATION = {
    "profile": {"name": NAME, "email": EMAIL},
    "backupPassphrase": PASSPHRASE,
}
ROSTER = (
    f"achievement,name,email,awarded_on\npy-1,{NAME},{EMAIL},2026-06-01\n"
    f"py-1,{NAME},{EMAIL}.,2026-06-01\n"
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that the process logs, in the form in which a server writes it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonFormatter())
    # The test's own client is no part of the server.
    handler.addFilter(lambda record: not record.name.startswith("httpx"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def test_canaries_of_every_route_appear_in_no_log_and_no_problem(
    world: World, log: io.StringIO
) -> None:
    school = world.riverside
    client = world.client()
    problems: list[str] = []

    def send(
        method: str, path: str, body: str | bytes | None, media_type: str | None = None
    ) -> None:
        for key in (school.key, school.reading_key, world.lakeside.key, None):
            headers = {
                "Idempotency-Key": f"{path}-{EMAIL}",
                "Content-Type": media_type or "application/json",
            }
            if key is not None:
                headers["Authorization"] = f"Bearer {key}"
            answer = client.request(method, path, content=body, headers=headers)
            if answer.status_code >= 400:
                problems.append(answer.text)

    send("POST", "/api/v1/rosters", ROSTER, "text/csv")
    send("POST", "/api/v1/organisation/issuer", json.dumps(REGISTRATION))
    # Revoking the key that is in use comes last.
    for call in sorted(
        calls(document_of(world), school), key=lambda call: call.method == "DELETE"
    ):
        send(call.method, call.path, call.body, call.media_type)
        send(call.method, call.path, json.dumps(AWARD), call.media_type)
        send(call.method, call.path, f'{{"{EMAIL}": "{NAME}', call.media_type)
        send(call.method, f"{call.path}/{EMAIL}?name={NAME}", None)

    written = log.getvalue()
    assert written.count('"route"') > 100
    for canary in (NAME, EMAIL, PASSPHRASE, *_secrets(world)):
        assert canary not in written
        assert not [problem for problem in problems if canary in problem]


def test_an_unexpected_failure_tells_its_id_and_not_its_text(
    world: World, log: io.StringIO
) -> None:
    def broken(_count: int) -> bytes:
        raise ValueError(f"{NAME} <{EMAIL}> {world.riverside.key}")

    failing = World.over(world.edges.database, world.schools, entropy=broken)

    answer = failing.client(world.riverside.key).post(
        "/api/v1/credentials", json=AWARD, headers={"Idempotency-Key": "1"}
    )

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["id"] == answer.headers["request-id"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for text in (answer.text, log.getvalue()):
        assert NAME not in text
        assert EMAIL not in text
    assert f'"request": "{problem["id"]}"' in log.getvalue()


def _secrets(world: World) -> list[str]:
    return [
        text
        for school in world.schools.values()
        for text in (school.key, school.reading_key, school.name, school.email)
    ]
