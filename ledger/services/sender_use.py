"""
What the paying account did that this database does not know: an old copy, or somebody else?

A nonce is never given out while that is open. The chain tells, transaction by transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from ledger.chain import acts
from ledger.chain.history import Stretch, read_history
from ledger.chain.mined import MinedTransaction
from ledger.chain.node import ChainNode
from ledger.chain.sender import read_signed
from ledger.core.issuer import issuer_id
from ledger.errors import MalformedError, NotFound, SettingError
from ledger.store import chain_txs, issuers
from ledger.store.database import Database, Transaction
from ledger.store.records import Chain, ChainTxState

#: So many questions the worker asks before it says what it has found up to there.
QUESTIONS: Final = 2_000

_TAGS: Final = ("finalized", "latest", "pending")
_MANY = 1_000_000


class Verdict(StrEnum):
    """Who used nonces that this database never gave out."""

    OLD_COPY = "old_copy"  #: this ledger: a transaction is about what stands here
    ALIKE = "old_copy_or_another_ledger"  #: some ledger, on the same registries
    FOREIGN = "foreign"  #: somebody who is no ledger has the key
    UNSEEN = "unseen"  #: no block that was read shows them


@dataclass(frozen=True, slots=True)
class SenderUse:
    """How far the chain is ahead of the database for one account, and by what.

    `known` is the first nonce that this database never gave out.
    """

    sender: str
    known: int
    count: int
    verdict: Verdict
    transactions: tuple[MinedTransaction, ...]
    foreign: tuple[MinedTransaction, ...]

    def to_text(self) -> str:
        """Tell it to the operator: what was found, what it means, what to do."""
        head = (
            f"{self.sender} has sent {self.count} transactions, and this database knows of"
            f" {self.known}. Nothing is sent. "
        )
        match self.verdict:
            case Verdict.OLD_COPY:
                return (
                    f"{head}The others are this ledger's own ({_shown(self.transactions)}): the"
                    " database is an old copy. Stop every worker and run: perdure recover"
                )
            case Verdict.ALIKE:
                return (
                    f"{head}The others call the same registries ({_shown(self.transactions)}):"
                    " the database is an old copy, then stop every worker and run: perdure"
                    " recover; or another ledger pays from this account by mistake, then give"
                    " one of the two an account of its own (PERDURE_SENDER_KEYSTORE or"
                    " PERDURE_SENDER_URL)"
                )
            case Verdict.FOREIGN:
                return (
                    f"{head}Among the others is what no ledger sends ({_shown(self.foreign)}):"
                    " the account is used elsewhere. Give this ledger a new account"
                    ' (PERDURE_SENDER_KEYSTORE or PERDURE_SENDER_URL), see "A new account'
                    ' that pays" in docs/operating.md'
                )
            case Verdict.UNSEEN:
                return (
                    f"{head}No block that was read shows the others: they still wait, or the"
                    " node withholds them, or the account's count was raised by other means."
                    " Ask again once they are final, or another node (PERDURE_RPC_URLS);"
                    " otherwise the account is used elsewhere or the database is an old copy"
                )


def look_at_sender(
    database: Database,
    node: ChainNode,
    chain: Chain,
    sender: str,
    *,
    questions: int | None = QUESTIONS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> SenderUse | None:
    """
    What an account did on a chain that this database does not know; None if it knows all.

    Raises ChainUnavailable, StoreError.
    """
    # The chain first, the database after: what a worker begins meanwhile then is known.
    count = max(node.nonce(sender, tag) for tag in _TAGS)
    head = node.block("latest").number
    with database.read() as tx:
        known = first_unknown(tx, chain.chain_id, sender)
        low = lowest_block(tx, chain.chain_id, sender)
    if count <= known:
        return None
    stretch = Stretch(known, min(low, head), head)
    found = read_history(
        node, sender, stretch, questions=questions, progress=progress
    ).transactions
    foreign = tuple(each for each in found if not is_like_ours(chain, each))
    with database.read() as tx:
        ours = any(is_about_us(tx, chain, each) for each in found)
    if foreign:
        verdict = Verdict.FOREIGN
    elif not found:
        verdict = Verdict.UNSEEN
    else:
        verdict = Verdict.OLD_COPY if ours else Verdict.ALIKE
    return SenderUse(sender, known, count, verdict, found, foreign)


def refuse_used_account(
    database: Database, node: ChainNode, chain: Chain, *, sender: str, setting: str
) -> None:
    """
    Refuse an account that was used before by whatever this database does not know.

    So two ledgers that were given one account by mistake find out before the second one sends.
    Raises SettingError that names the setting.
    """
    count = max(node.nonce(sender, tag) for tag in _TAGS)
    with database.read() as tx:
        highest = chain_txs.highest_nonce(tx, chain.chain_id, sender)
    if count and highest is None:
        raise SettingError(used_account(sender, count, setting))


def used_account(sender: str, count: int, setting: str) -> str:
    """Why an account that was used before is not taken, and the three ways out."""
    return (
        f"{setting}: an account without transactions is expected, and {sender} has sent {count},"
        " none of them from this database. If another ledger pays from it, make this one an"
        " account of its own (perdure keys new-sender). If this database is an old copy: perdure"
        " recover. If the account is this ledger's alone, say so once: perdure worker"
        " --adopt-sender"
    )


def first_unknown(tx: Transaction, chain_id: int, sender: str) -> int:
    """The first nonce of an account that this database has not given out."""
    highest = chain_txs.highest_nonce(tx, chain_id, sender)
    return 0 if highest is None else highest + 1


def lowest_block(tx: Transaction, chain_id: int, sender: str) -> int:
    """A block at which an account had sent nothing that this database does not know."""
    newest = chain_txs.newest_block(tx, chain_id, sender)
    # In that block itself an unknown one may follow ours.
    return 0 if newest is None else max(newest - 1, 0)


def is_like_ours(chain: Chain, transaction: MinedTransaction) -> bool:
    """Whether it is what a ledger on these registries sends: a call of a known function."""
    if transaction.raw is None or transaction.to is None:
        return False
    try:
        _, fields = read_signed(transaction.raw)
    except MalformedError:
        return False
    calls = acts.known_calls(chain.anchor_registry, chain.issuer_registry)
    known = calls.get(transaction.to, frozenset())
    return transaction.data[:4] in known and not fields.value


def is_about_us(tx: Transaction, chain: Chain, transaction: MinedTransaction) -> bool:
    """Whether it carries what waits here, or is about an issuer that stands here."""
    if transaction.to is not None:
        call = transaction.to, transaction.data
        waiting = chain_txs.in_state(tx, chain.chain_id, [ChainTxState.SEALED], _MANY)
        if any((row.to, row.data) == call for row in waiting):
            return True
    found = issuer_of(chain, transaction.data)
    if found is None:
        return False
    try:
        issuers.by_issuer_id(tx, found)
    except NotFound:
        return False
    return True


def issuer_of(chain: Chain, data: bytes) -> bytes | None:
    """The issuer that an act is about; None for an anchor, or for what is no act."""
    kind = acts.kind_of(data)
    if kind is None or kind is acts.ActKind.ANCHOR or len(data) < 36:
        return None
    if kind is not acts.ActKind.REGISTER:
        return data[4:36]
    # register(address controller, bytes32 recovery, bytes32 profile, bytes32 salt)
    try:
        controller, recovery, profile, salt = decode(
            ["address", "bytes32", "bytes32", "bytes32"], data[4:]
        )
    except DecodingError:
        return None
    return issuer_id(chain.chain_id, controller.lower(), recovery, profile, salt)


def _shown(transactions: tuple[MinedTransaction, ...]) -> str:
    first = transactions[0]
    more = f" and {len(transactions) - 1} more" if len(transactions) > 1 else ""
    return f"0x{first.hash.hex()} in block {first.block_number}{more}"
