"""A school on a fresh chain with the real contracts, and somebody who checks its files."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from ledger.chain import acts
from ledger.chain.accounts import address_of, key_id
from ledger.core import registries
from ledger.core.anchor import Anchor
from ledger.core.credential import (
    Achievement,
    Award,
    Category,
    Issuer,
    Level,
    sign_credential,
)
from ledger.core.durable import DurableCredential
from ledger.core.issuer import (
    IssuerProfile,
    IssuerReference,
    issuer_id,
    recovery_commitment,
)
from ledger.core.keys import SigningKey
from ledger.core.merkle import InclusionProof
from ledger.core.offer import build_credential
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.networks import Network
from ledger.verify.refresh import refresh
from ledger.verify.report import Report
from ledger.verify.rpc import Block, RpcReader, Tag
from ledger.verify.trust import Trusted, TrustList
from ledger.verify.verification import verify
from tests.anvil import DEV_ADDRESS, Anvil

CHAIN = 31337
DOMAIN = acts.Domain(CHAIN, registries.ISSUER_REGISTRY)
FOREVER = 4_000_000_000
CONTROLLER, RECOVERY, REVOKER = b"\x31" * 32, b"\x32" * 32, b"\x33" * 32
KEY = SigningKey.from_seed(b"\x34" * 32)
SCHOOL = IssuerProfile("Riverside Code School", "https://riverside.example")
BOARD = IssuerProfile("Skills Board", "https://board.example")


def identifier(profile: IssuerProfile) -> bytes:
    return issuer_id(
        CHAIN,
        address_of(CONTROLLER),
        recovery_commitment(address_of(RECOVERY)),
        profile.hash,
        bytes(32),
    )


SCHOOL_ID, BOARD_ID = identifier(SCHOOL), identifier(BOARD)
REFERENCE = IssuerReference(CHAIN, registries.ISSUER_REGISTRY, SCHOOL_ID)
ACCREDITOR = IssuerReference(CHAIN, registries.ISSUER_REGISTRY, BOARD_ID)
LISTED = TrustList("My list", issuers=(Trusted(REFERENCE, SCHOOL.name),))
BY_BOARD = TrustList("My list", accreditors=(Trusted(ACCREDITOR, BOARD.name),))


@dataclass
class School:
    """A school on a fresh chain, and somebody who checks its files."""

    anvil: Anvil
    reader: RpcReader

    def act(self, act: acts.Act) -> Block:
        """Carry an act and wait for its block."""
        receipt = self._carry(act)
        assert receipt["status"] == "0x1"
        return self.reader.block(int(receipt["blockNumber"], 16))

    def is_refused(self, act: acts.Act) -> bool:
        """Carry an act, and tell whether the contract reverted."""
        return bool(self._carry(act)["status"] == "0x0")

    def act_at(self, moment: int, act: acts.Act) -> Block:
        """Carry an act in a block of exactly that time."""
        self.anvil.rpc("evm_setNextBlockTimestamp", moment)
        block = self.act(act)
        assert block.time == moment
        return block

    def _carry(self, act: acts.Act) -> Any:
        sent = self.anvil.rpc(
            "eth_sendTransaction",
            {
                "from": DEV_ADDRESS,
                "to": act.to,
                "data": f"0x{act.data.hex()}",
                "gas": hex(act.gas),
            },
        )
        deadline = time.monotonic() + 20
        receipt = None
        while receipt is None:
            assert time.monotonic() < deadline
            receipt = self.anvil.rpc("eth_getTransactionReceipt", sent)
        return receipt

    def pass_time(self, seconds: int) -> None:
        self.anvil.rpc("evm_increaseTime", seconds)
        self.anvil.mine()

    def settle(self) -> None:
        self.anvil.mine(3)

    @property
    def now(self) -> int:
        return self.reader.block(Tag.LATEST).time

    def open(self) -> None:
        """Register school and board, and open the school's keys."""
        commitment = recovery_commitment(address_of(RECOVERY))
        for profile in (SCHOOL, BOARD):
            controller = address_of(CONTROLLER)
            self.act(
                acts.register(DOMAIN, controller, commitment, profile.hash, bytes(32))
            )
        for name, role in (
            (KEY.public.key_id, registries.SIGNING_ROLE),
            (key_id(address_of(REVOKER)), registries.REVOKING_ROLE),
        ):
            self.act(acts.add_key(DOMAIN, SCHOOL_ID, name, role, FOREVER, CONTROLLER))
        self.settle()

    def issue(
        self,
        index: int,
        *,
        key: SigningKey = KEY,
        reference: IssuerReference = REFERENCE,
        at: int | None = None,
    ) -> DurableCredential:
        """Sign a credential, anchor it alone, and write its file from the slot."""
        issuer = Issuer(SCHOOL, reference, key.public)
        issued_at = datetime.fromtimestamp(self.now, UTC) - timedelta(days=1)
        credential = sign_credential(
            build_credential(
                credential_id=UUID(int=(4 << 76) | (2 << 62) | index),
                issuer=issuer,
                achievement=Achievement(
                    code="data-1",
                    version="1",
                    name="Data Analyst",
                    category=Category.CERTIFICATE_PROGRAMME,
                    level=Level.INTERMEDIATE,
                    language="en",
                    description="Reads data.",
                    criteria="Pass the project.",
                ),
                achievement_iri="https://riverside.example/achievements/data-1/1",
                award=Award("ada@example.org", date(2026, 1, 5), name="Ada"),
                email_salt="0123456789abcdef",
                status_list="https://riverside.example/status/1",
                status_index=index,
                issued_at=issued_at,
            ),
            key,
            verification_method=issuer.verification_method,
            created=issued_at,
        )
        inclusion = InclusionProof(0, 1, ())
        root = inclusion.sealed_root(credential.leaf)
        anchor = acts.anchor(registries.ANCHOR_REGISTRY, root)
        block = self.act(anchor) if at is None else self.act_at(at, anchor)
        return DurableCredential.from_parts(
            credential,
            inclusion=inclusion,
            sealed_root=root,
            issuer_profile=SCHOOL,
            anchors=(
                Anchor(
                    reference.chain_id,
                    registries.ANCHOR_REGISTRY,
                    block.number,
                    block.time,
                ),
            ),
        )

    def revoke(self, index: int) -> None:
        self.act(
            acts.revoke(
                DOMAIN,
                SCHOOL_ID,
                index >> 8,
                1 << (index & 255),
                recovery_acts=0,
                deadline=FOREVER,
                secret=REVOKER,
            )
        )

    def refreshed(
        self, file: DurableCredential, trust: TrustList | None = None
    ) -> DurableCredential:
        """The file with evidence of the finalized block."""
        return refresh(
            file, readers=[self.reader], networks=[self.network], trust=trust
        )

    def offline(
        self,
        file: DurableCredential,
        *,
        trust: TrustList | None = LISTED,
        checkpoints: Sequence[Checkpoint] | None = None,
    ) -> Report:
        """Check against the file's own evidence, whose block is trusted; nobody is asked."""
        if checkpoints is None:
            checkpoints = [block_of(file)]
        return verify(
            file.encode(),
            readers=[],
            networks=[self.network],
            checkpoints=checkpoints,
            trust=trust,
            now=datetime.fromtimestamp(self.now, UTC),
        )

    def check(
        self,
        data: bytes,
        *,
        trust: TrustList | None = LISTED,
        network: Network | None = None,
        checkpoints: Sequence[Checkpoint] = (),
    ) -> Report:
        return verify(
            data,
            readers=[self.reader],
            networks=[network or self.network],
            checkpoints=checkpoints,
            trust=trust,
            now=datetime.fromtimestamp(self.now, UTC),
        )

    @property
    def network(self) -> Network:
        return Network(
            name="Anvil",
            chain_id=CHAIN,
            genesis_hash=self.reader.block(0).hash,
            anchor_registry=registries.ANCHOR_REGISTRY,
            issuer_registry=registries.ISSUER_REGISTRY,
            test=True,
        )


def block_of(file: DurableCredential) -> Checkpoint:
    """Somebody vouches for the block of a file's evidence."""
    evidence = file.proof.home.evidence
    assert evidence is not None
    block = evidence.block
    return Checkpoint(file.proof.home.chain_id, block.hash, block.number)
