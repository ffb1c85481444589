"""
From settings and options to one loop for each chain.

At start a chain whose nodes do not answer holds up nobody: its loop begins all the same, and
checks them when they answer. A node that answers and is of another chain, or has other code
where the registries belong, stops the start, if it says so again and again.
"""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from anchor_worker.confirm import Confirmer
from anchor_worker.deliver import Care, Deliverer
from anchor_worker.loop import Rhythm, Steps, Worker
from anchor_worker.observer import SILENCE, Observer
from anchor_worker.outages import Outages
from anchor_worker.policy import Overrides, PolicyInForce
from anchor_worker.prove import Prover
from anchor_worker.purse import Purse
from anchor_worker.receiver import HttpReceiver
from anchor_worker.recovery_watch import RecoveryWatch
from anchor_worker.retired import Retired
from anchor_worker.seal import CHECKPOINT_AGE, Sealer
from anchor_worker.spread import Spreader
from anchor_worker.submit import Submitter
from ledger.chain import acts
from ledger.chain.node import ChainNode, Node, check_chain
from ledger.chain.pool import NodePool, certainly
from ledger.chain.remote_signer import RemoteSigner
from ledger.chain.sender import KeystoreSigner, Signer, SigningRules
from ledger.config import NETWORKS, OTHER_CHAINS, RPC_URLS, Settings, Variable, blaming
from ledger.errors import ChainUnavailable, MalformedError, SettingError
from ledger.services.sender_use import refuse_used_account
from ledger.store import chains, evidence
from ledger.store.database import Database
from ledger.store.records import Chain, WorkerReport
from ledger.verify.networks import Network, caip2
from ledger.verify.trust import TrustList, parse_trust_list

_log = logging.getLogger("anchor_worker")


@dataclass(frozen=True, slots=True)
class Options:
    """How the process was started, beside its settings."""

    overrides: Overrides
    rhythm: Rhythm
    trust: Path | None
    adopt_sender: bool = False
    checkpoint_age: timedelta = CHECKPOINT_AGE


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """One chain, its nodes, and whether any of them has answered yet."""

    chain: Chain
    nodes: Sequence[ChainNode] = field(repr=False)
    #: Why no node could be asked; None if one answered, and is what it should be.
    silent: ChainUnavailable | None = None
    #: Where its nodes are configured.
    setting: Variable = RPC_URLS

    @property
    def name(self) -> str:
        """The chain's name in CAIP-2."""
        return caip2(self.chain.chain_id)

    def check(self, node: ChainNode) -> None:
        """Raise SettingError unless the node is of this chain and both registries are on it."""
        with blaming(self.setting, NETWORKS):
            check_chain(
                node,
                chain_id=self.chain.chain_id,
                genesis_hash=self.chain.genesis_hash,
                anchor_registry=self.chain.anchor_registry,
                issuer_registry=self.chain.issuer_registry,
            )


@dataclass(frozen=True, slots=True)
class Loop:
    """A chain's worker, ready to run."""

    plan: ChainPlan
    worker: Worker
    sender: str
    ended: threading.Event = field(repr=False)

    def introduction(self) -> dict[str, object]:
        """What the log says of it at start; the balance only if a node tells it."""
        told: dict[str, object] = {
            "chain": self.plan.name,
            "test": self.plan.chain.test,
            "sender": self.sender,
        }
        if self.plan.silent is None:
            with suppress(ChainUnavailable):
                told["balance_wei"] = self.plan.nodes[0].balance(self.sender)
        return told


def plan_chains(settings: Settings, database: Database) -> Sequence[ChainPlan]:
    """
    Look at every chain's nodes, the home chain first; nothing is written.

    Raises SettingError for a setting that is wrong, or contradicts a chain or the database,
    and ChainUnavailable if the home chain is not even known.
    """
    home_nodes = [Node(url) for url in settings.rpc_urls]
    home = _home(settings, database, home_nodes)
    plans = [ChainPlan(home, home_nodes)] + [
        ChainPlan(
            _chain_of(other.network),
            [Node(url) for url in other.rpc_urls],
            setting=OTHER_CHAINS,
        )
        for other in settings.other_chains(home.chain_id)
    ]
    # At once: a chain that does not answer lets every question run into its time limit.
    with ThreadPoolExecutor(len(plans)) as threads:
        return list(threads.map(_look, plans))


def _home(settings: Settings, database: Database, nodes: Sequence[ChainNode]) -> Chain:
    """The chain of the first node that answers; while none does, the one in the database."""
    last = ChainUnavailable("no node is configured")
    for node in nodes:
        try:
            return _chain_of(certainly(partial(_network_of, settings, node)))
        except ChainUnavailable as error:
            last = error
    with database.read() as tx:
        known = chains.home(tx)
    if known is None:
        raise last
    return _chain_of(settings.network(known.chain_id))


def _network_of(settings: Settings, node: ChainNode) -> Network:
    return settings.network(node.chain_id())


def _chain_of(network: Network) -> Chain:
    return Chain(
        chain_id=network.chain_id,
        genesis_hash=network.genesis_hash,
        anchor_registry=network.anchor_registry,
        issuer_registry=network.issuer_registry,
        test=network.test,
    )


def _look(plan: ChainPlan) -> ChainPlan:
    """Check the nodes that answer, and put them first."""
    answering: list[ChainNode] = []
    silent: list[ChainNode] = []
    last: ChainUnavailable | None = None
    for node in plan.nodes:
        try:
            certainly(partial(plan.check, node))
        except ChainUnavailable as error:
            _log.warning(
                "a node does not answer: %s", error, extra={"chain": plan.name}
            )
            silent.append(node)
            last = error
        else:
            answering.append(node)
    return replace(
        plan, nodes=[*answering, *silent], silent=None if answering else last
    )


def record_chains(database: Database, plans: Sequence[ChainPlan]) -> None:
    """Note which chains this database is used with. Raises SettingError if they were others."""
    home, *others = plans
    with database.begin() as tx:
        with blaming(home.setting, NETWORKS):
            chains.record_home(tx, home.chain)
        for other in others:
            with blaming(other.setting, NETWORKS):
                chains.record(tx, other.chain)


def ask_for_evidence(database: Database, plans: Sequence[ChainPlan]) -> None:
    """Have evidence taken that an older release, at work during an upgrade, has not asked for."""
    for plan in plans:
        chain_id = plan.chain.chain_id
        with database.read() as tx:
            neglected = evidence.neglected(tx, chain_id)
        if neglected:
            _log.warning(
                "evidence that nobody asked for is taken now",
                extra={"chain": plan.name, "batches": len(neglected)},
            )
        for batch_id in neglected:
            with database.begin() as tx:
                evidence.ask_for(tx, batch_id, chain_id)


def refuse_used_accounts(
    database: Database, loops: Sequence["Loop"], setting: Variable
) -> None:
    """
    Refuse an account that something else has used, on any chain whose node answers.

    Raises SettingError.
    """
    for loop in loops:
        if loop.plan.silent is None:
            with suppress(ChainUnavailable):
                certainly(
                    partial(
                        refuse_used_account,
                        database,
                        loop.plan.nodes[0],
                        loop.plan.chain,
                        sender=loop.sender,
                        setting=setting.name,
                    )
                )


class Signers:
    """The paying account, which is one for all chains; a signer for each, with its rules.

    Raises SettingError and KeystoreError.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.sender_url
        if self._url is not None:
            self._address = settings.sender_address
        else:
            self._secret = settings.sender().secret

    def of(self, rules: SigningRules) -> Signer:
        """What signs by these rules, and nothing else."""
        if self._url is not None:
            return RemoteSigner(self._url, self._address, rules)
        return KeystoreSigner(self._secret, rules)


def make_loops(  # noqa: PLR0913 - what a process is made of
    database: Database,
    plans: Sequence[ChainPlan],
    signers: Signers,
    options: Options,
    *,
    clock: Callable[[], datetime],
    observe: Callable[[int, WorkerReport], None] | None,
    observers: Callable[[str], Observer] = lambda _chain: SILENCE,
) -> Sequence[Loop]:
    """One loop for each chain, the home chain's first. Raises SettingError for a trust list."""
    home, *others = plans
    trusted = read_trust_list(options.trust)
    owner = _owner()

    home_ended = threading.Event()

    def make(plan: ChainPlan) -> Loop:
        chain = plan.chain
        policy = PolicyInForce(database, chain.chain_id, options.overrides)
        # The least there is until the policy rules.
        rules = SigningRules(
            chain.chain_id,
            acts.known_calls(chain.anchor_registry, chain.issuer_registry),
            max_fee=0,
            max_cost=0,
        )
        signer = signers.of(rules)
        at_home = plan is home
        observer = observers(plan.name)
        sealer = Sealer(
            database,
            chain,
            policy.limits,
            lease_seconds=options.rhythm.lease,
            clock=clock,
            others=[other.chain for other in others],
            checkpoint_age=options.checkpoint_age,
        )
        submitter = Submitter(
            database,
            chain.chain_id,
            signer,
            policy=policy.fees,
            clock=clock,
            observer=observer,
            adopt_sender=options.adopt_sender,
        )
        policy.rule(rules, submitter, sealer if at_home else None)
        worker = Worker(
            database,
            chain,
            NodePool(
                plan.nodes,
                chain_id=chain.chain_id,
                genesis_hash=chain.genesis_hash,
                clock=clock,
                check=plan.check,
            ),
            Steps(
                Confirmer(
                    database,
                    chain.chain_id,
                    signer.address,
                    clock=clock,
                    observer=observer,
                ),
                sealer if at_home else Spreader(database, chain, clock=clock),
                submitter,
                Prover(
                    database,
                    chain,
                    clock=clock,
                    accreditors=accreditors_in(trusted, chain),
                ),
                policy,
                Purse(database, chain.chain_id, signer.address, clock=clock),
                Retired(
                    database,
                    chain.chain_id,
                    signer.address,
                    lease_seconds=options.rhythm.lease,
                    clock=clock,
                ),
                Outages(database, chain.chain_id, clock=clock),
                RecoveryWatch(database, chain, clock=clock),
            ),
            sender=signer.address,
            owner=owner,
            rhythm=options.rhythm,
            clock=clock,
            observe=None if observe is None else partial(observe, chain.chain_id),
            # Whatever is sealed gives work to every chain.
            settled=_always if at_home else home_ended.is_set,
            observer=observer,
        )
        ended = home_ended if at_home else threading.Event()
        return Loop(plan, worker, signer.address, ended)

    return [make(plan) for plan in plans]


def make_deliverer(
    settings: Settings,
    database: Database,
    care: Care,
    *,
    clock: Callable[[], datetime],
) -> Deliverer:
    """What looks after events. Raises SettingError and KeystoreError for the receiver's settings."""
    url = settings.events_url
    receiver = (
        None
        if url is None
        else HttpReceiver(url, settings.events_secret(), clock=clock)
    )
    return Deliverer(database, receiver, owner=_owner(), clock=clock, care=care)


def _owner() -> str:
    """A name that is new at every start: a lease must not be mistaken for one's own."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def _always() -> bool:
    return True


def read_trust_list(path: Path | None) -> TrustList | None:
    """The trust list of an option; None without one. Raises SettingError."""
    if path is None:
        return None
    try:
        return parse_trust_list(path.read_bytes())
    except OSError as error:
        raise SettingError(f"--trust {path}: {error.strerror}") from error
    except MalformedError as error:
        raise SettingError(f"--trust {path}: {error}") from error


def accreditors_in(trusted: TrustList | None, chain: Chain) -> list[bytes]:
    """The accreditors of a trust list whose record is in a chain's registry."""
    return [
        each.reference.issuer_id
        for each in (trusted.accreditors if trusted else ())
        if (each.reference.chain_id, each.reference.registry)
        == (chain.chain_id, chain.issuer_registry)
    ]
