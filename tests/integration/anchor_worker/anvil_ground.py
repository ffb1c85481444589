"""A real node behind geth's rules as the ground of a story, back at its beginning for each."""

import time
from typing import Any

from ledger.chain import acts
from ledger.chain.node import ChainNode, Node, SendAnswer, SendOutcome
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from tests.anvil import Anvil
from tests.fault_proxy import SEND, FaultProxy, Plan, reinject
from tests.invariants import Mined
from tests.unit.anchor_worker.machine import CARRIER_KEY, inception
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER
from tests.watch import SeenBlock


class AnvilGround:
    """anvil behind geth's rules; back at its beginning for each story."""

    def __init__(self, anvil: Anvil, proxy: FaultProxy) -> None:
        self.anvil = anvil
        self.proxy = proxy
        self.node: ChainNode = Node(proxy.url)
        self._seen: dict[str, tuple[SeenBlock, str]] = {}
        self._base_fee = 0
        self._first = ""
        self._snapshot = ""

    def begin(self) -> None:
        """Put the school on record, by somebody else's account, and note where stories begin."""
        calls = acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY)
        signer = KeystoreSigner(CARRIER_KEY, SigningRules(CHAIN_ID, calls, 10**12))
        for address in (signer.address, SENDER):
            self.anvil.fund(address, 10_000)
        self.anvil.rpc("evm_setAutomine", False)
        for nonce, act in enumerate(inception()):
            signed = signer.sign(
                TransactionFields(
                    CHAIN_ID, nonce, act.to, act.data, act.gas, 10**9, 10**11
                )
            )
            self._carry(signed.raw)
        self.anvil.mine(4)
        assert self.node.nonce(signer.address, "finalized") == 2
        self._first = self._block("latest")["hash"]
        self._snapshot = self.anvil.rpc("evm_snapshot")

    def _carry(self, raw: bytes) -> None:
        """Send until the node has it: a stranger's wallet does so too."""
        answers: list[SendAnswer] = []
        while len(answers) < 5:
            answers.append(self.node.send(raw))
            if answers[-1].outcome in {SendOutcome.ACCEPTED, SendOutcome.OCCUPIED}:
                return
            time.sleep(0.2)
        raise AssertionError(answers)

    def fresh(self) -> "AnvilGround":
        """Back to the beginning."""
        assert self.anvil.rpc("evm_revert", self._snapshot)
        self._snapshot = self.anvil.rpc("evm_snapshot")
        self.anvil.rpc("anvil_dropAllTransactions")
        self.proxy.geth.forget()
        self.proxy.plan = Plan()
        self.proxy.sends, self.proxy.unstored = [], []
        self._base_fee = 10**9
        return self

    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(self._base_fee))
            self.anvil.mine()

    def reorg(self, depth: int, *, repool: bool) -> None:
        lost = reinject(self.proxy, depth)
        self.anvil.rpc("anvil_reorg", depth, [])
        for raw in lost if repool else []:
            self.proxy.ask(SEND, raw)

    def drop(self) -> None:
        waiting = self.anvil.rpc("txpool_content")["pending"].values()
        hashes = [each["hash"] for account in waiting for each in account.values()]
        for digest in hashes[:1]:
            self.anvil.rpc("anvil_dropTransaction", digest)

    def set_base_fee(self, fee: int) -> None:
        self._base_fee = fee

    def blocks(self) -> list[SeenBlock]:
        """From the head back to the beginning; a block is read once."""
        found = [self._see(self._block("latest"))]
        while found[-1][0].hash.hex() != self._first[2:]:
            digest = found[-1][1]
            known = self._seen.get(digest)
            found.append(
                known or self._see(self.anvil.rpc("eth_getBlockByHash", digest, True))
            )
        return [block for block, _ in reversed(found)]

    def _block(self, tag: str) -> Any:
        return self.anvil.rpc("eth_getBlockByNumber", tag, True)

    def _see(self, block: Any) -> tuple[SeenBlock, str]:
        digest = block["hash"]
        if digest not in self._seen:
            mined = {
                bytes.fromhex(each["hash"][2:]): self._mined(each)
                for each in block["transactions"]
                if each["from"] == SENDER
            }
            seen = SeenBlock(int(block["number"], 16), bytes.fromhex(digest[2:]), mined)
            self._seen[digest] = seen, block["parentHash"]
        return self._seen[digest]

    def _mined(self, each: Any) -> Mined:
        receipt = self.anvil.rpc("eth_getTransactionReceipt", each["hash"])
        data = bytes.fromhex(each["input"][2:])
        succeeded = receipt["status"] == "0x1"
        return Mined(int(each["nonce"], 16), each["to"], data, succeeded)
