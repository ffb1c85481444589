"""The API's documentation, written from its OpenAPI document without any script."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from ledger.web.deps import Edges
from ledger.web.problems import kinds
from ledger.web.rendering import render
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, include_in_schema=False)

_JSON: Final = "application/json"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """A body, as one would see it on the wire."""

    title: str
    media_type: str
    text: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value in the path, the query or a header."""

    name: str
    place: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of the API."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str | None
    parameters: tuple[Parameter, ...]
    requests: tuple[Example, ...]
    answers: tuple[Example, ...]
    command: str


@router.get("/docs")
def get_documentation(request: Request, edges: Edges) -> HTMLResponse:
    """Show every operation with examples."""
    document: Document = request.app.openapi()
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, entry in methods.items():
            operation = _operation(
                document, edges.addresses.public_url, (method, path), entry
            )
            groups.setdefault(entry.get("tags", ["Other"])[0], []).append(operation)
    return render(
        "documentation.html",
        description=document["info"]["description"],
        public_url=edges.addresses.public_url,
        groups=groups,
        kinds=kinds(),
    )


def _operation(
    document: Document, public_url: str, where: tuple[str, str], entry: Document
) -> Operation:
    method, path = where
    parameters = tuple(
        Parameter(
            parameter["name"],
            parameter["in"],
            parameter.get("required", False),
            parameter.get("description", ""),
        )
        for parameter in entry.get("parameters", ())
    )
    requests = tuple(_requests(document, entry.get("requestBody", {})))
    security: Document = next(iter(entry.get("security", ())), {})
    scopes = next(iter(security.values()), None)
    return Operation(
        id=entry["operationId"],
        method=method.upper(),
        path=path,
        summary=entry["summary"],
        description=entry.get("description", ""),
        scope=None if scopes is None else " ".join(scopes),
        parameters=parameters,
        requests=requests,
        answers=tuple(_answers(document, entry["responses"])),
        command=_command(f"{public_url}{path}", method, entry, requests),
    )


def _requests(document: Document, body: Document) -> Iterator[Example]:
    for media_type, content in body.get("content", {}).items():
        for title, value in _examples(document, content):
            yield Example(title, media_type, _text(media_type, value))


def _answers(document: Document, responses: Document) -> Iterator[Example]:
    for status, answer in responses.items():
        if not status.startswith("2"):
            continue
        for media_type, content in answer.get("content", {}).items():
            for _, value in _examples(document, content):
                title = f"{status} {answer['description']}"
                yield Example(title, media_type, _text(media_type, value))


def _examples(document: Document, content: Document) -> Iterator[tuple[str, Any]]:
    if "example" in content:
        yield "", content["example"]
    for example in content.get("examples", {}).values():
        yield example.get("summary", ""), example["value"]
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if name:
        schema = document["components"]["schemas"][name]
        for example in schema.get("examples", ()):
            yield "", example


def _text(media_type: str, value: Any) -> str:
    if isinstance(value, str) and not media_type.endswith("json"):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)


def _command(
    address: str, method: str, entry: Document, requests: tuple[Example, ...]
) -> str:
    parts = ["curl" if method == "get" else f"curl -X {method.upper()}"]
    if entry.get("security"):
        parts.append('-H "Authorization: Bearer $PERDURE_API_KEY"')
    if any(p["name"] == "Idempotency-Key" for p in entry.get("parameters", ())):
        parts.append("-H 'Idempotency-Key: graduation-2026-1'")
    if requests:
        media_type = requests[0].media_type
        file = {"text/csv": "roster.csv", _JSON: "body.json"}.get(media_type, "file")
        parts.append(f"-H {shlex.quote(f'Content-Type: {media_type}')}")
        parts.append(f"--data-binary @{file}")
    parts.append(address)
    return " \\\n  ".join(parts)
