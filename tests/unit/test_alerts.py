"""
docs/alerts.yml: every rule can be read, speaks of figures that the code gives, and is explained.

What the rules do with numbers is Prometheus' affair; that their limits are those of
`perdure status` is ours.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from anchor_worker.metrics import WorkerMetrics
from anchor_worker.observer import RoundOutcome, Step
from ledger.chain.node import SendOutcome
from ledger.chain.pool import Health, NodeState
from ledger.services.alarms import (
    FEWEST_DAYS,
    LONGEST_PENDING,
    LONGEST_UNDELIVERED,
    AlarmName,
)
from ledger.store import costs, leases
from ledger.store.database import Database
from ledger.store.records import ChainTxKind, Cost
from ledger.watch.figures import LedgerFigures
from ledger.web.metrics import ServerMetrics
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER, World
from tests.unit.store.samples import NOW

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text())
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in DOCUMENT["groups"] for rule in group["rules"]
}
OPERATING = (ROOT / "docs" / "operating.md").read_text()
#: Given by Prometheus itself, for each process that it asks.
THEIRS = {"up": {"job", "instance"}}
#: Added by Prometheus to every sample.
ADDED = {"job", "instance"}


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of samples in a parsed expression."""
    match type(node).__name__:
        case "VectorSelector":
            yield node
        case "MatrixSelector":
            yield node.vector_selector
        case "Call":
            for each in node.args:
                yield from selectors(each)
        case "BinaryExpr":
            yield from selectors(node.lhs)
            yield from selectors(node.rhs)
        case "NumberLiteral" | "StringLiteral":
            return
        case _:
            yield from selectors(node.expr)


def grouped(node: Any) -> Iterator[set[str]]:
    """The labels that each aggregation keeps."""
    if type(node).__name__ == "AggregateExpr" and node.modifier is not None:
        yield set(node.modifier.labels)
    for name in ("expr", "lhs", "rhs"):
        if hasattr(node, name):
            yield from grouped(getattr(node, name))
    for each in getattr(node, "args", None) or ():
        yield from grouped(each)


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[dict[str, str]]]:
    """Every sample that a worker and a server give, by name, with its labels."""
    path = tmp_path_factory.mktemp("alerts") / "ledger.db"
    with closing(Database.upgrade(f"sqlite:///{path}")) as database:
        return samples_of(World(database))


def samples_of(world: World) -> dict[str, list[dict[str, str]]]:
    registry = CollectorRegistry()
    registry.register(
        LedgerFigures(world.database, lambda: datetime.now(UTC), has_receiver=True)
    )
    now = datetime.now(UTC)
    world.seal()
    (row,) = world.rows()
    with world.database.begin() as tx:
        costs.record(tx, row.id, Cost(45_512, 10**9, int(now.timestamp())))
        costs.note_balance(tx, CHAIN_ID, SENDER, 10**18, now=now)
        leases.take(tx, CHAIN_ID, SENDER, owner="a/1/b", seconds=9, now=now)
    server = ServerMetrics(registry)
    server.answered("GET", "/health", 200, 0.1)
    server.verified("genuine")
    observer = WorkerMetrics(registry, clock=lambda: NOW).of(f"eip155:{CHAIN_ID}")
    observer.looked([NodeState("node", Health.HEALTHY, 2, 1)])
    observer.stepped(Step.SEAL, 1)
    observer.round_ended(RoundOutcome.WORKED)
    observer.sent(SendOutcome.ACCEPTED)
    observer.settled(ChainTxKind.ANCHOR, NOW - NOW, succeeded=True)
    found: dict[str, list[dict[str, str]]] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


@pytest.mark.parametrize("name", RULES)
def test_a_rule_speaks_of_figures_and_labels_that_there_are(
    name: str, exported: dict[str, list[dict[str, str]]]
) -> None:
    expression = promql_parser.parse(RULES[name]["expr"])

    found = list(selectors(expression))
    assert found
    known = set(ADDED)
    for selector in found:
        if selector.name in THEIRS:
            known |= THEIRS[selector.name]
            continue
        assert selector.name in exported, selector.name
        samples = exported[selector.name]
        known |= set(samples[0])
        for matcher in selector.matchers.matchers:
            assert matcher.name in samples[0], matcher.name
            if matcher.op == promql_parser.MatchOp.Equal:
                values = {sample[matcher.name] for sample in samples}
                assert matcher.value in values, matcher.value
    for labels in grouped(expression):
        assert labels <= known | {"le"}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_explained_and_says_how_grave_it_is(name: str) -> None:
    rule = RULES[name]

    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (page, anchor) == ("operating.md", name.lower())
    section = re.search(
        rf"^#### {name}$\n\n(.+?)(?=^#|\Z)", OPERATING, re.MULTILINE | re.DOTALL
    )
    assert section is not None, f"docs/operating.md has no heading for {name}"
    assert "**Do**" in section[1]


def test_every_alarm_of_the_page_has_a_rule() -> None:
    headings = re.findall(r"^#### (Perdure\w+)$", OPERATING, re.MULTILINE)

    assert sorted(headings) == sorted(RULES)


def test_the_command_and_the_rules_know_the_same_alarms_and_limits() -> None:
    ledger, _processes = DOCUMENT["groups"]

    assert [rule["alert"] for rule in ledger["rules"]] == [n.value for n in AlarmName]
    pending = RULES[AlarmName.PENDING]["expr"]
    assert pending.endswith(f"> {LONGEST_PENDING.total_seconds():.0f}")
    late = RULES[AlarmName.EVENTS_LATE]["expr"]
    assert late.endswith(f"> {LONGEST_UNDELIVERED.total_seconds():.0f}")
    # Where a chain is away no worker has the lease: one alarm says why, not two that contradict.
    away = "unless on (chain) max by (chain) (perdure_chain_away_seconds) > 0"
    assert RULES[AlarmName.NO_WORKER]["expr"].endswith(away)
    assert RULES[AlarmName.LOW_BALANCE]["expr"].endswith(f"< {FEWEST_DAYS:.0f}")
