"""
Figures of the server: requests, and what the verifier said.

Labels are routes' templates, methods, status numbers and verdicts: closed lists, so that no
stranger makes a series of his own, and nothing in them names anybody.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: What a request's method is called if it is none of these.
OTHER: Final = "OTHER"
_METHODS: Final = frozenset(
    {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
)
#: A page takes milliseconds; a roster of thousands or a check against slow nodes, seconds.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def known_method(method: str) -> str:
    """The name that figures and log have for a request's method: never what a stranger made up."""
    return method if method in _METHODS else OTHER


class ServerMetrics:
    """Counts what one server process answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = Gauge(
            "perdure_http_requests_in_flight",
            "Requests that are being answered.",
            registry=registry,
        )
        self._requests = Counter(
            "perdure_http_requests",
            "Requests answered, by route and status.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "perdure_http_request_seconds",
            "How long answering a request took.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._verdicts = Counter(
            "perdure_verifications",
            "Files that this server checked, by verdict.",
            ["verdict"],
            registry=registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is a template, never a path."""
        self._requests.labels(known_method(method), route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def verified(self, verdict: str) -> None:
        """Count a file that was checked."""
        self._verdicts.labels(verdict).inc()
