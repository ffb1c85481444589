"""What the server counts, and that no stranger can make a series of his own."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from ledger.web.app import create_app
from ledger.web.metrics import ServerMetrics
from tests.unit.web.world import World


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def client(world: World, registry: CollectorRegistry) -> Iterator[TestClient]:
    app = create_app(world.edges, ServerMetrics(registry))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def series(registry: CollectorRegistry) -> set[str]:
    return {
        "/".join(sample.labels.values())
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "perdure_http_requests_total"
    }


def test_requests_are_counted_by_template_and_status(
    client: TestClient, registry: CollectorRegistry, world: World
) -> None:
    own = {"Authorization": f"Bearer {world.riverside.key}"}
    for _ in range(2):
        client.get(f"/api/v1/credentials/{world.riverside.credential}", headers=own)
    client.get("/api/v1/credentials")

    assert series(registry) == {
        "GET//api/v1/credentials/{credential_id}/200",
        "GET//api/v1/credentials/401",
    }
    labels = {"route": "/api/v1/credentials/{credential_id}"}
    count = registry.get_sample_value("perdure_http_request_seconds_count", labels)
    assert count == 2
    assert registry.get_sample_value("perdure_http_requests_in_flight") == 0


def test_strangers_cannot_make_series(
    client: TestClient, registry: CollectorRegistry
) -> None:
    for n in range(20):
        client.get(f"/zoe{n}@example.org?key={n}")
        client.request(f"METHOD{n}", "/health")

    assert series(registry) <= {"GET/-/404", "OTHER/-/404", "OTHER//health/405"}
    assert len(series(registry)) == 2


def test_verdicts_are_counted(client: TestClient, registry: CollectorRegistry) -> None:
    client.post("/api/v1/verify", content=b"no credential")

    labels = {"verdict": "not_a_credential"}
    assert registry.get_sample_value("perdure_verifications_total", labels) == 1


def test_figures_are_not_on_the_public_address(client: TestClient) -> None:
    assert client.get("/metrics").status_code == 404
