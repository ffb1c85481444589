"""
The policy in force: what the database says, with what this process was told to do otherwise.

It is read before every round, so that a change needs no restart. A process may be told to pay
less than the policy allows, never more: the ceilings are what the operator set, for all workers.
"""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta

from anchor_worker.seal import BatchLimits, Sealer
from anchor_worker.submit import FeePolicy, Submitter
from ledger.chain.sender import SigningRules
from ledger.errors import SettingError
from ledger.services.policies import check, gwei, options_of
from ledger.store import policies
from ledger.store.database import Database
from ledger.store.records import Policy

_log = logging.getLogger("anchor_worker.policy")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What this process does otherwise than the stored policy says; None: as it says."""

    batch_age: timedelta | None = None
    batch_size: int | None = None
    max_fee: int | None = None
    bump_after: int | None = None
    resend_after: timedelta | None = None
    at_once: bool = False  #: no credential waits for a batch, whatever gas costs

    def refuse_more_than(self, policy: Policy) -> None:
        """Raise SettingError for a ceiling above the stored one."""
        if self.max_fee is not None and self.max_fee > policy.max_fee:
            raise SettingError(
                f"--max-fee-gwei does not do: given {gwei(self.max_fee)}, expected at most the"
                f" {gwei(policy.max_fee)} of the stored policy, which this process may only"
                f" lower. To raise it: perdure policy set --max-fee-gwei {gwei(self.max_fee)}"
            )

    def on(self, policy: Policy) -> Policy:
        """A policy as this process follows it."""
        age = policy.batch_age if self.batch_age is None else self.batch_age
        if self.at_once:
            age = timedelta(0)
        max_fee = min(policy.max_fee, self.max_fee or policy.max_fee)
        below = policy.gas_below
        return replace(
            policy,
            batch_age=age,
            latest=max(policy.latest, age),
            batch_size=self.batch_size or policy.batch_size,
            max_fee=max_fee,
            gas_below=(None if below is None or self.at_once else min(below, max_fee)),
            bump_after=self.bump_after or policy.bump_after,
            resend_after=(
                policy.resend_after if self.resend_after is None else self.resend_after
            ),
        )


def read_policy(database: Database, chain_id: int, overrides: Overrides) -> Policy:
    """The policy in force. Raises SettingError for one that cannot be meant, StoreError."""
    with database.read() as tx:
        stored = policies.current(tx, chain_id)
    check(stored, f"the policy of eip155:{chain_id} in the database: ")
    return overrides.on(stored)


class PolicyInForce:
    """The policy of one chain, as its loop follows it; taken up anew before every round.

    Raises SettingError at start for a stored policy that cannot be meant; later such a one is
    said, and the one before it stays in force.
    """

    def __init__(self, database: Database, chain_id: int, overrides: Overrides) -> None:
        self._database = database
        self._chain_id = chain_id
        self._overrides = overrides
        self._complaint = ""
        with database.read() as tx:
            overrides.refuse_more_than(policies.current(tx, chain_id))
        self._policy = read_policy(database, chain_id, overrides)
        self._rules: SigningRules | None = None
        self._submitter: Submitter | None = None
        self._sealer: Sealer | None = None

    @property
    def limits(self) -> BatchLimits:
        """When a batch is sealed."""
        return BatchLimits.of(self._policy)

    @property
    def fees(self) -> FeePolicy:
        """What may be paid."""
        return FeePolicy.of(self._policy)

    def rule(
        self, rules: SigningRules, submitter: Submitter, sealer: Sealer | None
    ) -> None:
        """Name who follows it; no sealer where batches are not sealed."""
        self._rules, self._submitter, self._sealer = rules, submitter, sealer
        self._apply()

    def step(self) -> None:
        """Take up what has changed. Raises StoreError."""
        try:
            policy = read_policy(self._database, self._chain_id, self._overrides)
        except SettingError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.error("%s; the one before it stays in force", error)
            return
        self._complaint = ""
        if policy == self._policy:
            return
        before, self._policy = options_of(self._policy), policy
        self._apply()
        after = options_of(policy)
        _log.info(
            "the policy has changed",
            extra={
                "changed": {
                    name: {"from": before[name], "to": after[name]}
                    for name in after
                    if before[name] != after[name]
                }
            },
        )

    def _apply(self) -> None:
        if self._rules is not None:
            self._rules.max_fee = self._policy.max_fee
            self._rules.max_cost = self._policy.max_tx_cost
        if self._submitter is not None:
            self._submitter.policy = self.fees
        if self._sealer is not None:
            self._sealer.limits = self.limits
