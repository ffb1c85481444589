"""What waits, what is under way and what is final: for `perdure status`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.core.canonical import Json
from ledger.store import chains, reports
from ledger.store.database import Transaction
from ledger.store.records import Chain, ChainTxState, WorkerReport

_MEANING = {
    ChainTxState.SEALED: "waiting to be signed",
    ChainTxState.IN_PROGRESS: "signed, being sent",
    ChainTxState.SENT: "sent, not in a block yet",
    ChainTxState.MINED: "in a block, not final yet",
    ChainTxState.FINAL: "final",
    ChainTxState.REVERTED: "refused by the contract: look at the worker's log",
    ChainTxState.FATAL: "refused by the node: look at the worker's log",
}


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """The work of each chain that this ledger was used with."""

    work: Sequence[tuple[Chain, WorkerReport]]

    def to_json(self) -> Json:
        """For programs."""
        return [
            {
                "chainId": f"eip155:{chain.chain_id}",
                "waiting": report.waiting,
                "heldBack": report.held_back,
                "oldestWaiting": _text(report.oldest_waiting),
                "transactions": {s.value: n for s, n in report.chain_txs.items()},
            }
            for chain, report in self.work
        ]

    def to_text(self, now: datetime) -> str:
        """For people."""
        lines: list[str] = []
        for chain, report in self.work:
            lines.append(
                f"Chain eip155:{chain.chain_id}" + (" (TEST)" if chain.test else "")
            )
            lines.append(
                f"  credentials that wait for a batch: {report.waiting}{_age(report, now)}"
            )
            lines.append(f"  credentials whose key is not open yet: {report.held_back}")
            lines.append("  transactions:")
            lines += (
                f"    {count:7} {_MEANING[state]}"
                for state, count in report.chain_txs.items()
                if count
            )
        return (
            "\n".join(lines)
            or "This ledger was not used with a chain yet: perdure worker"
        )


def ledger_status(tx: Transaction) -> LedgerStatus:
    """Count the work of every chain."""
    return LedgerStatus(
        [(chain, reports.worker_report(tx, chain.chain_id)) for chain in chains.all(tx)]
    )


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _age(report: WorkerReport, now: datetime) -> str:
    if report.oldest_waiting is None:
        return ""
    minutes = (now - report.oldest_waiting).total_seconds() / 60
    return f", the oldest for {minutes:.0f} minutes"
