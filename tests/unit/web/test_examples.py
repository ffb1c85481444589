"""The examples of the OpenAPI document are requests that work and answers that are given."""

import json

from tests.unit.web.operations import calls, document_of, examples
from tests.unit.web.world import World


def test_every_example_of_a_request_is_accepted(world: World) -> None:
    document = document_of(world)
    world.clock.advance(days=1)
    client = world.client()

    for call in calls(document, world.riverside):
        if call.name in {
            "GET /api/v1/credentials/{credential_id}/batch",  # needs a worker
            "DELETE /api/v1/api-keys/{key_id}",  # the key in use: the last test
            "POST /api/v1/organisation/issuer/closing",  # for ever: test_closing.py
            "GET /issuers/{issuer}/{paper}",  # only a closed issuer has one
        }:
            continue
        fresh = call.name == "POST /api/v1/organisation/issuer"
        key = world.newcomer.key if fresh else world.riverside.key
        answer = call.send(client, key)
        assert answer.status_code in {200, 201}, (
            f"{call.name} {call.title}: {answer.text}"
        )


def test_every_operation_has_examples(world: World) -> None:
    document = document_of(world)

    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {template}"
            if "requestBody" in operation:
                assert list(examples(document, operation["requestBody"])), name
            for status, answer in operation["responses"].items():
                if status != "204":
                    assert list(examples(document, answer)), f"{name} {status}"


def test_examples_of_answers_have_the_members_of_real_ones(world: World) -> None:
    document = document_of(world)
    client = world.client()

    for call in calls(document, world.riverside):
        operation = document["paths"][call.template][call.method.lower()]
        fresh = call.name == "POST /api/v1/organisation/issuer"
        answer = call.send(client, world.newcomer.key if fresh else world.riverside.key)
        documented = operation["responses"].get(str(answer.status_code), {})
        if answer.headers.get("content-type") != "application/json":
            continue
        schema = documented.get("content", {}).get("application/json", {}).get("schema")
        if schema == {"type": "object"}:
            continue  # an Open Badges document or a report: specified elsewhere
        for _, _, body in examples(document, documented):
            assert body is not None
            assert json.loads(body).keys() == answer.json().keys(), call.name
