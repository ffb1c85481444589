"""What must hold at the end of every scenario, read from scratch: `perdure doctor`, and every block."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.chain.node import ChainNode
from ledger.services.doctor import Diagnosis, examine
from ledger.store import chain_txs
from ledger.store.database import Database
from ledger.store.records import ChainTx, ChainTxState


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction of the sender in a canonical block, whoever sent it."""

    nonce: int
    to: str
    data: bytes
    succeeded: bool = True


def check_invariants(
    database: Database,
    node: ChainNode,
    mined: Iterable[Mined],
    *,
    chain_id: int,
    sender: str,
    max_fee: int,
    contents: bool = False,
) -> Diagnosis:
    """Raise AssertionError with every promise that does not hold."""
    diagnosis = examine(database, node=node, max_fee=max_fee, contents=contents)
    assert diagnosis.is_well, "\n".join(map(str, diagnosis.findings))
    with database.read() as tx:
        rows = [
            row
            for row in chain_txs.in_state(tx, chain_id, tuple(ChainTxState), 1_000_000)
            if row.sender == sender
        ]
    _check_mined(rows, list(mined))
    return diagnosis


def _check_mined(rows: list[ChainTx], mined: list[Mined]) -> None:
    """I3, I6, I7: on the chain is only what was stored, without a gap, and each call once."""
    nonces = sorted(each.nonce for each in mined)
    assert nonces == list(range(len(nonces))), f"a gap in the mined nonces: {nonces}"
    stored = {row.nonce: (row.to, row.data) for row in rows}
    for each in mined:
        assert stored.get(each.nonce) == (each.to, each.data), (
            f"nonce {each.nonce} was mined with a payload that is not stored"
        )
    calls = Counter((each.to, each.data) for each in mined)
    assert max(calls.values(), default=1) == 1, "a call was mined twice"
    for row in rows:
        if row.state is ChainTxState.FINAL:
            assert calls[row.to, row.data] == 1, f"{row.id} is final and not mined"


def check_at_rest(
    database: Database, diagnosis: Diagnosis, issued: int, *, chain_id: int = 31337
) -> None:
    """At rest nothing waits, nothing failed, and every credential is in a batch."""
    assert diagnosis.credentials == issued, "a credential is in no batch"
    with database.read() as tx:
        states = {
            row.state
            for row in chain_txs.in_state(tx, chain_id, tuple(ChainTxState), 1_000_000)
        }
    assert states <= {ChainTxState.FINAL}, states
