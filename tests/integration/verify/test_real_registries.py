"""The verifier against the real contracts on a real node, from the file alone."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

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
    build_credential,
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
from ledger.verify.networks import Network
from ledger.verify.report import Report, Verdict
from ledger.verify.rpc import Block, RpcReader, Tag
from ledger.verify.trust import Trusted, TrustList
from ledger.verify.verification import verify
from tests.anvil import DEV_ADDRESS, Anvil

pytestmark = pytest.mark.anvil

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
        assert receipt["status"] == "0x1"
        return self.reader.block(int(receipt["blockNumber"], 16))

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

    def issue(self, index: int) -> DurableCredential:
        """Sign a credential, anchor it alone, and write its file from the slot."""
        issuer = Issuer(SCHOOL, REFERENCE, KEY.public)
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
            KEY,
            verification_method=issuer.verification_method,
            created=issued_at,
        )
        inclusion = InclusionProof(0, 1, ())
        root = inclusion.sealed_root(credential.leaf)
        block = self.act(acts.anchor(registries.ANCHOR_REGISTRY, root))
        return DurableCredential.from_parts(
            credential,
            inclusion=inclusion,
            sealed_root=root,
            issuer_profile=SCHOOL,
            anchors=(
                Anchor(CHAIN, registries.ANCHOR_REGISTRY, block.number, block.time),
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

    def check(
        self,
        data: bytes,
        *,
        trust: TrustList | None = LISTED,
        network: Network | None = None,
    ) -> Report:
        return verify(
            data,
            readers=[self.reader],
            networks=[network or self.network],
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


@pytest.fixture
def school(deployed: Anvil) -> Iterator[School]:
    with closing(RpcReader(deployed.url)) as reader:
        school = School(deployed, reader)
        school.open()
        yield school


def code(report: Report, position: int) -> str:
    return report.steps[position].code


def test_from_signed_to_final_to_withdrawn(school: School) -> None:
    file = school.issue(70_001)
    young = school.check(file.encode())
    assert young.verdict is Verdict.NOT_RECORDED
    assert code(young, 3) == "record.not_final"

    school.settle()
    final = school.check(file.encode())
    assert final.verdict is Verdict.GENUINE
    assert final.heading.startswith("TEST: Genuine and current, according to http://")
    assert final.exit_code == 3
    assert school.check(file.encode(), trust=None).verdict is Verdict.UNKNOWN_ISSUER

    neighbour = school.issue(70_002)
    school.revoke(70_001)
    withdrawn = school.check(file.encode())
    assert withdrawn.verdict is Verdict.WITHDRAWN
    assert school.check(file.credential.data).verdict is Verdict.WITHDRAWN
    school.settle()
    assert school.check(neighbour.encode()).verdict is Verdict.GENUINE


def test_an_endorsement_names_the_school_until_it_is_withdrawn(school: School) -> None:
    authority = acts.Authority(CONTROLLER, FOREVER)
    members = (BOARD_ID, SCHOOL_ID, SCHOOL.hash)
    school.act(acts.endorse(DOMAIN, *members, 0, authority))
    file = school.issue(5)
    school.pass_time(10)
    school.act(acts.withdraw(DOMAIN, *members, FOREVER, authority))
    late = school.issue(6)
    school.settle()

    endorsed = school.check(file.encode(), trust=BY_BOARD)
    assert endorsed.verdict is Verdict.GENUINE
    assert code(endorsed, 2) == "issuer.endorsed"
    assert code(school.check(late.encode(), trust=BY_BOARD), 2) == "issuer.unknown"


def test_key_windows_end_by_ending_compromise_and_closing(school: School) -> None:
    before = school.issue(7)
    authority = acts.Authority(CONTROLLER, FOREVER)
    recovery = acts.Authority(RECOVERY, FOREVER)
    school.act(
        acts.end_key(DOMAIN, SCHOOL_ID, KEY.public.key_id, school.now + 5, authority)
    )
    school.pass_time(10)
    after = school.issue(8)
    school.settle()
    assert school.check(before.encode()).verdict is Verdict.GENUINE
    assert code(school.check(after.encode()), 2) == "issuer.key_ended"
    assert code(school.check(before.credential.data), 2) == "issuer.key_ended"

    school.act(acts.close(DOMAIN, SCHOOL_ID, bytes(32), b"\x01" * 32, recovery))
    school.settle()
    closed = school.check(before.encode())
    assert closed.verdict is Verdict.GENUINE
    assert "nobody can withdraw it any more" in closed.remarks[0]


def test_a_compromise_in_the_past_takes_what_was_recorded_since(school: School) -> None:
    file = school.issue(9)
    school.act(
        acts.compromise_key(
            DOMAIN,
            SCHOOL_ID,
            KEY.public.key_id,
            file.proof.home.time,
            acts.Authority(RECOVERY, FOREVER),
        )
    )
    school.settle()

    report = school.check(file.encode())
    assert report.verdict is Verdict.CONTRADICTED
    assert code(report, 2) == "issuer.key_compromised"


def test_a_root_that_was_never_anchored_is_contradicted(school: School) -> None:
    file = school.issue(10)
    other = school.issue(11)
    school.settle()
    # The neighbour's anchor under this credential's own tree: right in form, recorded nowhere.
    inclusion = InclusionProof(1, 2, (b"\x01" * 32,))
    forged = DurableCredential.from_parts(
        file.credential,
        inclusion=inclusion,
        sealed_root=inclusion.sealed_root(file.credential.leaf),
        issuer_profile=SCHOOL,
        anchors=other.proof.anchors,
    )

    report = school.check(forged.encode())
    assert report.verdict is Verdict.CONTRADICTED
    assert code(report, 3) == "record.not_found"


def test_a_chain_that_begins_otherwise_and_a_place_without_code_are_not_read(
    school: School,
) -> None:
    file = school.issue(12).encode()
    school.settle()
    other_chain = replace(school.network, genesis_hash=bytes(32))
    assert code(school.check(file, network=other_chain), 3) == "record.other_chain"

    school.anvil.rpc("anvil_setCode", registries.ISSUER_REGISTRY, "0x60006000f3")
    school.settle()
    report = school.check(file)
    assert report.verdict is Verdict.INCOMPLETE
    assert code(report, 4) == "withdrawal.no_registry"
    assert code(report, 3) == "record.final"
