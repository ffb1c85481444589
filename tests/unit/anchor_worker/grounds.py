"""The chain in memory as the ground of a story."""

from ledger.chain import acts
from ledger.chain.memory import MemoryChain
from ledger.chain.node import ChainNode, SendOutcome
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from tests.invariants import Mined
from tests.unit.anchor_worker.machine import CARRIER_KEY, inception
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER
from tests.unit.verify.fakes import deployed_code
from tests.watch import SeenBlock


class MemoryGround:
    """The chain in memory."""

    def __init__(self) -> None:
        self.node: ChainNode = (chain := MemoryChain())
        self._chain = chain
        self._chain.codes = {
            ANCHOR_REGISTRY: deployed_code("AnchorRegistry"),
            ISSUER_REGISTRY: deployed_code("IssuerRegistry"),
        }
        self._first = 0

    def begin(self) -> None:
        """Put the school on record, by somebody else's account."""
        calls = acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY)
        signer = KeystoreSigner(CARRIER_KEY, SigningRules(CHAIN_ID, calls, 10**12))
        for nonce, act in enumerate(inception()):
            signed = signer.sign(
                TransactionFields(
                    CHAIN_ID, nonce, act.to, act.data, act.gas, 10**9, 10**10
                )
            )
            assert self._chain.send(signed.raw).outcome is SendOutcome.ACCEPTED
        self._chain.mine(4)
        assert all(each[-1] for each in self._chain.canonical())
        self._first = len(self._chain._blocks) - 1

    def copy(self) -> "MemoryGround":
        """The same chain up to here; no block of it is ever changed."""
        other = MemoryGround()
        other._chain._blocks = list(self._chain._blocks)
        other._first = self._first
        return other

    def mine(self, blocks: int) -> None:
        self._chain.mine(blocks)

    def reorg(self, depth: int, *, repool: bool) -> None:
        self._chain.reorg(depth, repool=repool)

    def drop(self) -> None:
        for pooled in self._chain.pooled()[:1]:
            self._chain.drop(pooled)

    def set_base_fee(self, fee: int) -> None:
        self._chain.base_fee = fee

    def state(self) -> object:
        """Blocks and pool: two that are equal go on in the same way."""
        blocks = [block.header.hash for block in self._chain._blocks]
        return blocks, self._chain.pooled(), self._chain.base_fee

    def blocks(self) -> list[SeenBlock]:
        return [
            SeenBlock(
                block.header.number,
                block.header.hash,
                {
                    digest: Mined(each.nonce, each.to, each.data, succeeded)
                    for digest, (each, succeeded) in block.transactions.items()
                    if each.sender == SENDER
                },
            )
            for block in self._chain._blocks[self._first :]
        ]
