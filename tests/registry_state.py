"""Both registries as a state trie: what a real chain would prove of a fake one."""

from collections.abc import Mapping

from ledger.chain.state import Contract, StateTrie
from ledger.core import evidence, registries
from ledger.core.registries import Packed
from tests.unit.verify.fakes import FakeState

#: Contracts of others, so that proofs have branches to go through.
NEIGHBOURS = {
    f"0x{number:040x}": Contract(bytes([number]) * 32, {}) for number in range(1, 20)
}


def state_trie(
    state: FakeState,
    *,
    anchor_code: bytes = registries.ANCHOR_REGISTRY_CODE_HASH,
    issuer_code: bytes = registries.ISSUER_REGISTRY_CODE_HASH,
    others: Mapping[str, Contract] = NEIGHBOURS,
) -> StateTrie:
    """The state with both registries at their addresses."""
    return StateTrie(
        {
            registries.ANCHOR_REGISTRY: Contract(anchor_code, anchor_words(state)),
            registries.ISSUER_REGISTRY: Contract(issuer_code, issuer_words(state)),
            **others,
        }
    )


def anchor_words(state: FakeState) -> dict[bytes, int]:
    """The storage of AnchorRegistry."""
    return {
        evidence.anchor_slot(root): _packed(
            (registries.ANCHOR_TIME, time), (registries.ANCHOR_BLOCK_NUMBER, number)
        )
        for root, (time, number) in state.anchors.items()
    }


def issuer_words(state: FakeState) -> dict[bytes, int]:
    """The storage of IssuerRegistry, as far as verifiers read it."""
    words: dict[bytes, int] = {}
    for issuer_id, issuer in state.issuers.items():
        words[evidence.issuer_slot(issuer_id)] = _packed(
            (registries.ISSUER_CONTROLLER, 0xC0FFEE),
            (registries.ISSUER_REGISTERED_AT, issuer.registered_at),
            (registries.ISSUER_CLOSED_AT, issuer.closed_at),
            (registries.ISSUER_CLOSED_FOR_GOOD, int(issuer.closed_for_good)),
        )
        for key_id, (opened, until, compromised, role) in issuer.keys.items():
            words[evidence.key_slot(issuer_id, key_id)] = _packed(
                (registries.KEY_FROM, opened),
                (registries.KEY_UNTIL, until),
                (registries.KEY_COMPROMISED_SINCE, compromised),
                (registries.KEY_ROLE, role),
            )
        for profile, recorded_at in issuer.profiles.items():
            words[evidence.profile_slot(issuer_id, profile)] = recorded_at
        for index in issuer.revoked:
            slot = evidence.status_slot(issuer_id, index)
            words[slot] = words.get(slot, 0) | 1 << (index & 255)
    for (accreditor, subject, profile), given in state.endorsements.items():
        opened, until, withdrawn = given
        words[evidence.endorsement_slot(accreditor, subject, profile)] = _packed(
            (registries.ENDORSEMENT_FROM, opened),
            (registries.ENDORSEMENT_UNTIL, until),
            (registries.ENDORSEMENT_WITHDRAWN_SINCE, withdrawn),
        )
    return words


def _packed(*parts: tuple[Packed, int]) -> int:
    return sum(value << place.shift for place, value in parts)
