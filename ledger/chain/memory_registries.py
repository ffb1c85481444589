"""
Both registries in the memory of a chain: what the ledger sends and reads of them first.

anchor, register, addKey, revoke, rotate, endorse and close, their views, and their storage slot by
slot, so that the chain in memory can prove what they say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from eth_abi.abi import decode, encode
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature

from ledger.chain.acts import FORMS, REVOKING, ActKind, Domain, digest
from ledger.chain.state import Contract, StateTrie
from ledger.core.evidence import (
    anchor_slot,
    endorsement_slot,
    issuer_slot,
    key_slot,
    profile_slot,
    status_slot,
)
from ledger.core.keys import keccak256
from ledger.core.registries import (
    ANCHOR_BLOCK_NUMBER,
    ANCHOR_REGISTRY,
    ANCHOR_REGISTRY_CODE_HASH,
    ANCHOR_TIME,
    ENDORSEMENT_FROM,
    ENDORSEMENT_UNTIL,
    ENDORSEMENT_WITHDRAWN_SINCE,
    ISSUER_CLOSED_AT,
    ISSUER_CLOSED_FOR_GOOD,
    ISSUER_CONTROLLER,
    ISSUER_ID_TAG,
    ISSUER_PROFILE,
    ISSUER_RECOVERY,
    ISSUER_RECOVERY_ACTS,
    ISSUER_REGISTERED_AT,
    ISSUER_REGISTRY,
    ISSUER_REGISTRY_CODE_HASH,
    ISSUER_STATEMENT,
    ISSUER_SUCCESSOR,
    KEY_COMPROMISED_SINCE,
    KEY_FROM,
    KEY_ROLE,
    KEY_UNTIL,
    Packed,
)


@dataclass(frozen=True)
class Moment:
    """The block that executes."""

    number: int
    time: int


class _Revert(Exception):  # noqa: N818 - what the EVM calls it
    """The transaction is mined with status 0."""


@dataclass
class _Issuer:
    controller: str
    recovery: bytes
    registered_at: int
    keys: dict[bytes, tuple[int, int, int, int]] = field(default_factory=dict)
    status: dict[int, int] = field(default_factory=dict)
    profiles: dict[bytes, int] = field(default_factory=dict)
    closed_at: int = 0
    successor: bytes = bytes(32)
    statement: bytes = bytes(32)
    recovery_acts: int = 0

    @property
    def profile(self) -> bytes:
        """The newest recorded profile."""
        return next(reversed(self.profiles), bytes(32))

    @property
    def closed_for_good(self) -> bool:
        """Whether it closed and named nobody."""
        return bool(self.closed_at) and not any(self.successor)


@dataclass
class MemoryRegistries:
    """The state of both after a block."""

    anchors: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    issuers: dict[bytes, _Issuer] = field(default_factory=dict)
    #: accreditor, subject, profile -> from, until, withdrawnSince
    endorsements: dict[tuple[bytes, bytes, bytes], tuple[int, int, int]] = field(
        default_factory=dict
    )

    def execute(self, to: str, data: bytes, moment: Moment, chain_id: int) -> bool:
        """Carry out a call; False if it reverted, and then nothing has changed."""
        try:
            if to == ANCHOR_REGISTRY:
                _anchor(self, data, moment)
            elif to == ISSUER_REGISTRY:
                _issuer_act(self, data, moment, chain_id)
        except _Revert:
            return False
        return True

    def view(self, to: str, data: bytes) -> bytes | None:
        """What a view answers; None for one that is not known here."""
        selector, words = data[:4], data[4:]
        if to == ANCHOR_REGISTRY and selector == _selector("anchoredAt(bytes32)"):
            moment, number = self.anchors.get(words, (0, 0))
            return encode(["uint64", "uint64"], [moment, number])
        if to == ISSUER_REGISTRY and selector == _selector("issuer(bytes32)"):
            return _issuer_view(self.issuers.get(words))
        if to == ISSUER_REGISTRY and selector == _selector("key(bytes32,bytes32)"):
            issuer = self.issuers.get(words[:32])
            key = issuer.keys.get(words[32:]) if issuer else None
            return encode(["uint40", "uint40", "uint40", "uint8"], key or (0, 0, 0, 0))
        return None

    def trie(self) -> StateTrie:
        """Both registries, slot by slot."""
        return StateTrie(
            {
                ANCHOR_REGISTRY: Contract(
                    ANCHOR_REGISTRY_CODE_HASH, dict(self._anchor_words())
                ),
                ISSUER_REGISTRY: Contract(
                    ISSUER_REGISTRY_CODE_HASH, dict(self._issuer_words())
                ),
            }
        )

    def _anchor_words(self) -> Iterator[tuple[bytes, int]]:
        for root, (moment, number) in self.anchors.items():
            word = _packed((ANCHOR_TIME, moment), (ANCHOR_BLOCK_NUMBER, number))
            yield anchor_slot(root), word

    def _issuer_words(self) -> Iterator[tuple[bytes, int]]:
        for name, issuer in self.issuers.items():
            yield (
                issuer_slot(name),
                _packed(
                    (ISSUER_CONTROLLER, int(issuer.controller, 16)),
                    (ISSUER_REGISTERED_AT, issuer.registered_at),
                    (ISSUER_CLOSED_AT, issuer.closed_at),
                    (ISSUER_CLOSED_FOR_GOOD, int(issuer.closed_for_good)),
                ),
            )
            first = int.from_bytes(issuer_slot(name), "big")
            for place, member in (
                (ISSUER_RECOVERY, issuer.recovery),
                (ISSUER_PROFILE, issuer.profile),
                (ISSUER_SUCCESSOR, issuer.successor),
                (ISSUER_STATEMENT, issuer.statement),
            ):
                slot = (first + place.slot) % (1 << 256)
                yield slot.to_bytes(32, "big"), int.from_bytes(member, "big")
            slot = (first + ISSUER_RECOVERY_ACTS.slot) % (1 << 256)
            yield (
                slot.to_bytes(32, "big"),
                _packed((ISSUER_RECOVERY_ACTS, issuer.recovery_acts)),
            )
            for key, (opened, until, since, role) in issuer.keys.items():
                yield (
                    key_slot(name, key),
                    _packed(
                        (KEY_FROM, opened),
                        (KEY_UNTIL, until),
                        (KEY_COMPROMISED_SINCE, since),
                        (KEY_ROLE, role),
                    ),
                )
            for profile, moment in issuer.profiles.items():
                yield profile_slot(name, profile), moment
            for word, bits in issuer.status.items():
                yield status_slot(name, word << 8), bits
        for names, (opened, until, since) in self.endorsements.items():
            yield (
                endorsement_slot(*names),
                _packed(
                    (ENDORSEMENT_FROM, opened),
                    (ENDORSEMENT_UNTIL, until),
                    (ENDORSEMENT_WITHDRAWN_SINCE, since),
                ),
            )


def _packed(*parts: tuple[Packed, int]) -> int:
    return sum(value << place.shift for place, value in parts)


def _selector(call: str) -> bytes:
    return keccak256(call.encode())[:4]


def _anchor(state: MemoryRegistries, data: bytes, header: Moment) -> None:
    if data[:4] == _selector("anchor(bytes32)") and len(data) == 36:
        state.anchors.setdefault(data[4:], (header.time, header.number))
    elif len(data) == 32:
        state.anchors.setdefault(data, (header.time, header.number))
    else:
        raise _Revert


def _issuer_act(
    state: MemoryRegistries, data: bytes, header: Moment, chain_id: int
) -> None:
    domain = Domain(chain_id, ISSUER_REGISTRY)
    if data[:4] == _selector("register(address,bytes32,bytes32,bytes32)"):
        _register(state, data[4:], header, chain_id)
    elif data[:4] == _selector(FORMS[ActKind.ADD_KEY].call):
        _add_key(state, data[4:], header, domain)
    elif data[:4] == _selector(FORMS[ActKind.REVOKE].call):
        _revoke(state, data[4:], header, domain)
    elif data[:4] == _selector(FORMS[ActKind.ROTATE].call):
        _rotate(state, data[4:], header, domain)
    elif data[:4] == _selector(FORMS[ActKind.ENDORSE].call):
        _endorse(state, data[4:], header, domain)
    elif data[:4] == _selector(FORMS[ActKind.CLOSE].call):
        _close(state, data[4:], header, domain)
    else:
        raise _Revert


def _register(
    state: MemoryRegistries, words: bytes, header: Moment, chain_id: int
) -> None:
    types = ["address", "bytes32", "bytes32", "bytes32"]
    controller, recovery, profile, salt = decode(types, words)
    preimage = encode(
        ["bytes32", "uint256", *types],
        [keccak256(ISSUER_ID_TAG), chain_id, controller, recovery, profile, salt],
    )
    issuer = _Issuer(
        str(controller).lower(),
        recovery,
        header.time,
        profiles={profile: header.time},
    )
    state.issuers.setdefault(keccak256(preimage), issuer)


def _add_key(
    state: MemoryRegistries, words: bytes, header: Moment, domain: Domain
) -> None:
    form = FORMS[ActKind.ADD_KEY]
    issuer_id, key, role, until, deadline, signature = decode(form.call_types, words)
    issuer = _open_request(state, issuer_id, deadline, header)
    request = digest(domain, ActKind.ADD_KEY, [issuer_id, key, role, until, deadline])
    if _signer(request, signature) != issuer.controller:
        raise _Revert
    issuer.keys.setdefault(key, (header.time, until, 0, role))


def _revoke(
    state: MemoryRegistries, words: bytes, header: Moment, domain: Domain
) -> None:
    form = FORMS[ActKind.REVOKE]
    issuer_id, word, mask, signer, deadline, signature = decode(form.call_types, words)
    issuer = state.issuers.get(issuer_id)
    if issuer is None:
        raise _Revert
    # After closing the successor's keys count instead.
    entitled = issuer.successor if issuer.closed_at else issuer_id
    holder = _open_request(state, entitled, deadline, header)
    values = [issuer_id, word, mask, issuer.recovery_acts, deadline]
    request = digest(domain, ActKind.REVOKE, values)
    key = bytes.fromhex(signer.removeprefix("0x")).rjust(32, b"\0")
    if (
        _signer(request, signature) != signer
        or holder.keys.get(key, (0,) * 4)[3] != REVOKING
    ):
        raise _Revert
    issuer.status[word] = issuer.status.get(word, 0) | mask


def _rotate(
    state: MemoryRegistries, words: bytes, header: Moment, domain: Domain
) -> None:
    form = FORMS[ActKind.ROTATE]
    issuer_id, controller, recovery, signer, deadline, signature = decode(
        form.call_types, words
    )
    issuer = _open_request(state, issuer_id, deadline, header)
    values = [issuer_id, controller, recovery, issuer.recovery_acts, deadline]
    committed = keccak256(encode(["address"], [signer]))
    request = digest(domain, ActKind.ROTATE, values)
    if issuer.recovery != committed or _signer(request, signature) != signer:
        raise _Revert
    issuer.controller, issuer.recovery = str(controller).lower(), recovery
    issuer.recovery_acts += 1


def _close(
    state: MemoryRegistries, words: bytes, header: Moment, domain: Domain
) -> None:
    form = FORMS[ActKind.CLOSE]
    issuer_id, successor, statement, signer, deadline, signature = decode(
        form.call_types, words
    )
    issuer = _open_request(state, issuer_id, deadline, header)
    values = [issuer_id, successor, statement, deadline]
    committed = keccak256(encode(["address"], [signer]))
    request = digest(domain, ActKind.CLOSE, values)
    if issuer.recovery != committed or _signer(request, signature) != signer:
        raise _Revert
    if any(successor):
        _open_request(state, successor, deadline, header)
    issuer.closed_at = header.time
    issuer.successor, issuer.statement = successor, statement


def _endorse(
    state: MemoryRegistries, words: bytes, header: Moment, domain: Domain
) -> None:
    form = FORMS[ActKind.ENDORSE]
    accreditor, subject, profile, until, deadline, signature = decode(
        form.call_types, words
    )
    issuer = _open_request(state, accreditor, deadline, header)
    values = [accreditor, subject, profile, until, deadline]
    known = subject in state.issuers and profile in state.issuers[subject].profiles
    request = digest(domain, ActKind.ENDORSE, values)
    if not known or _signer(request, signature) != issuer.controller:
        raise _Revert
    key = (accreditor, subject, profile)
    state.endorsements.setdefault(key, (header.time, until, 0))


def _open_request(
    state: MemoryRegistries, issuer_id: bytes, deadline: int, header: Moment
) -> _Issuer:
    issuer = state.issuers.get(issuer_id)
    if issuer is None or issuer.closed_at or deadline < header.time:
        raise _Revert
    return issuer


@lru_cache(maxsize=4096)  # a reorganised transaction is executed again
def _signer(request: bytes, signature: bytes) -> str:
    try:
        # Ethereum writes the recovery bit as 27 or 28, eth_keys as 0 or 1.
        signed = Signature(signature[:64] + bytes([signature[64] - 27]))
        key = signed.recover_public_key_from_msg_hash(request)
    except (BadSignature, ValueError, IndexError) as error:
        raise _Revert from error
    return str(key.to_address()).lower()


def _issuer_view(issuer: _Issuer | None) -> bytes:
    types = ["address", "uint40", "uint40", "bool", *["bytes32"] * 4, "uint64"]
    nothing = bytes(32)
    if issuer is None:
        values = ["0x" + "00" * 20, 0, 0, False, *[nothing] * 4, 0]
    else:
        recorded, closed = issuer.registered_at, issuer.closed_at
        values = [
            issuer.controller,
            recorded,
            closed,
            issuer.closed_for_good,
            issuer.recovery,
            issuer.profile,
            issuer.successor,
            issuer.statement,
            issuer.recovery_acts,
        ]
    return encode(types, values)
