"""Every act is accepted by the real registries, within its gas limit."""

from dataclasses import dataclass

import pytest

from ledger.chain import acts
from ledger.chain.accounts import address_of, key_id
from ledger.chain.acts import GAS, Act, ActKind, Authority, Domain
from ledger.chain.node import Node, Receipt, SendOutcome
from ledger.chain.registry import IssuerRegistry
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.issuer import issuer_id, recovery_commitment
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from tests.anvil import DEV_ADDRESS, DEV_KEY, Anvil

pytestmark = pytest.mark.anvil

DOMAIN = Domain(31337, ISSUER_REGISTRY)
CONTROLLER_KEY, RECOVERY_KEY, NEXT_KEY = (bytes([n]) * 32 for n in (0x41, 0x42, 0x43))
CONTROLLER, RECOVERY, NEXT = map(address_of, (CONTROLLER_KEY, RECOVERY_KEY, NEXT_KEY))
PROFILE, OTHER_PROFILE, SALT, SIGNING_KEY = (bytes([n]) * 32 for n in (1, 2, 3, 4))
#: What a contract wallet may take for its own check of a signature (ERC-1271).
WALLET_GAS = 50_000


@dataclass
class Desk:
    """Carries acts with a development account, which is none of the signers."""

    anvil: Anvil

    def __post_init__(self) -> None:
        self.node = Node(self.anvil.url)
        self.used: dict[ActKind, int] = {}

    def carry(self, act: Act) -> Receipt:
        signer = KeystoreSigner(
            DEV_KEY,
            SigningRules(
                31337, acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY), 10**12
            ),
        )
        signed = signer.sign(
            TransactionFields(
                chain_id=31337,
                nonce=self.node.nonce(DEV_ADDRESS, "latest"),
                to=act.to,
                data=act.data,
                gas=act.gas,
                tip=10**9,
                fee_cap=10**11,
            )
        )
        assert self.node.send(signed.raw).outcome is SendOutcome.ACCEPTED
        self.anvil.mine()
        receipt = self.node.receipt(signed.hash)
        assert receipt is not None
        self.used[act.kind] = max(receipt.gas_used, self.used.get(act.kind, 0))
        return receipt

    def now(self) -> int:
        return self.node.block("latest").time


def test_every_act_is_carried_and_has_gas_to_spare(
    deployed: Anvil, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(deployed)
    later = desk.now() + 10_000
    controller, recovery = (
        Authority(CONTROLLER_KEY, later),
        Authority(RECOVERY_KEY, later),
    )
    revoker = key_id(CONTROLLER)
    ids = [
        issuer_id(31337, CONTROLLER, recovery_commitment(RECOVERY), PROFILE, salt)
        for salt in (SALT, PROFILE)
    ]
    school, accreditor = ids

    for salt in (SALT, PROFILE):
        commitment = recovery_commitment(RECOVERY)
        assert desk.carry(
            acts.register(DOMAIN, CONTROLLER, commitment, PROFILE, salt)
        ).succeeded
    done = [
        acts.anchor(ANCHOR_REGISTRY, b"\x55" * 32),
        acts.add_key(DOMAIN, school, SIGNING_KEY, acts.SIGNING, later, CONTROLLER_KEY, until=later),
        acts.add_key(DOMAIN, school, revoker, acts.REVOKING, later, CONTROLLER_KEY),
        acts.record_profile(DOMAIN, school, OTHER_PROFILE, controller),
        acts.endorse(DOMAIN, accreditor, school, OTHER_PROFILE, later, controller),
        acts.withdraw(DOMAIN, accreditor, school, OTHER_PROFILE, later, controller),
        acts.revoke(DOMAIN, school, 3, 1 << 200, recovery_acts=0, deadline=later, secret=CONTROLLER_KEY),
        acts.reinstate(DOMAIN, school, 3, 1 << 200, recovery_acts=0, authority=recovery),
        acts.end_key(DOMAIN, school, SIGNING_KEY, later - 1, controller),
        acts.compromise_key(DOMAIN, school, SIGNING_KEY, 1, recovery),
        acts.rotate(
            DOMAIN, school, NEXT, recovery_commitment(NEXT), recovery_acts=1, authority=recovery
        ),
        acts.close(DOMAIN, school, accreditor, b"\x66" * 32, Authority(NEXT_KEY, later)),
    ]  # fmt: skip
    for act in done:
        assert desk.carry(act).succeeded, act.kind

    state = IssuerRegistry(desk.node, ISSUER_REGISTRY).issuer(school, "latest")
    assert state is not None
    assert (state.controller, state.closed_at, state.recovery_acts) == (
        NEXT,
        desk.now(),
        2,
    )
    assert set(desk.used) == set(ActKind)
    with capsys.disabled():
        print()  # noqa: T201 - the measured figures behind GAS
        for kind, used in desk.used.items():
            print(f"  {kind:16} {used:>8,} of {GAS[kind]:>8,}")  # noqa: T201
    for kind, used in desk.used.items():
        wallet = 0 if kind in {ActKind.ANCHOR, ActKind.REGISTER} else WALLET_GAS
        assert used * 1.25 + wallet <= GAS[kind], kind


def test_an_act_after_its_deadline_and_by_another_signer_is_refused(
    deployed: Anvil,
) -> None:
    desk = Desk(deployed)
    commitment = recovery_commitment(RECOVERY)
    school = issuer_id(31337, CONTROLLER, commitment, PROFILE, SALT)
    desk.carry(acts.register(DOMAIN, CONTROLLER, commitment, PROFILE, SALT))
    now = desk.now()

    late = acts.record_profile(
        DOMAIN, school, OTHER_PROFILE, Authority(CONTROLLER_KEY, now - 1)
    )
    thief = acts.record_profile(
        DOMAIN, school, OTHER_PROFILE, Authority(NEXT_KEY, now + 1_000)
    )
    elsewhere = acts.record_profile(
        Domain(1, ISSUER_REGISTRY),
        school,
        OTHER_PROFILE,
        Authority(CONTROLLER_KEY, now + 1_000),
    )
    for act in (late, thief, elsewhere):
        assert not desk.carry(act).succeeded
