"""Every operation of the OpenAPI document as a request that can be sent."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from starlette.testclient import TestClient

from ledger.core.short_code import ShortCode
from tests.unit.web.world import School, World

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A request made from the document: its examples, and real ids of one school."""

    method: str
    path: str
    template: str
    scope: str | None
    once: bool
    media_type: str | None
    body: bytes | None = field(repr=False)
    title: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    def send(self, client: TestClient, key: str | None = None) -> Any:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if self.once:
            headers["Idempotency-Key"] = uuid4().hex
        if self.media_type is not None:
            headers["Content-Type"] = self.media_type
        return client.request(
            self.method, self.path, content=self.body, headers=headers
        )


def document_of(world: World) -> Document:
    document: Document = world.client().get("/openapi.json").json()
    return document


def calls(document: Document, school: School) -> Iterator[Call]:
    """Every operation with every example of its body, about the objects of a school."""
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            security: Mapping[str, Any] = next(iter(operation.get("security", ())), {})
            scopes = next(iter(security.values()), [None])
            once = any(
                p["name"] == "Idempotency-Key" for p in operation.get("parameters", ())
            )
            bodies = list(examples(document, operation.get("requestBody", {})))
            for title, media_type, body in bodies or [("", None, None)]:
                yield Call(
                    method=method.upper(),
                    path=_filled(template, school),
                    template=template,
                    scope=scopes[0],
                    once=once,
                    media_type=media_type,
                    body=body,
                    title=title,
                )


def examples(
    document: Document, body: Document
) -> Iterator[tuple[str, str | None, bytes | None]]:
    """The examples of a request's or an answer's body: title, media type, bytes."""
    for media_type, content in body.get("content", {}).items():
        values = [("", content["example"])] if "example" in content else []
        values += [(n, e["value"]) for n, e in content.get("examples", {}).items()]
        schema = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if schema and not values:
            shown = document["components"]["schemas"][schema].get("examples", ())
            values = [("", value) for value in shown]
        for title, value in values:
            text = value if isinstance(value, str) else json.dumps(value)
            yield title, media_type, text.encode()


def _filled(template: str, school: School) -> str:
    path = template
    for name, value in {
        "credential_id": school.credential,
        "key_id": school.key_id,
        "short_code": ShortCode.of(school.credential or UUID(int=0)).text,
        "issuer": school.issuer,
        "paper": "statement.json",
        "key": school.signing_key,
        "code": "py-1",
        "version": "1",
    }.items():
        path = path.replace(f"{{{name}}}", str(value))
    assert "{" not in path, f"{template}: the tests know no value for it"
    return path
