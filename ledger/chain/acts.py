"""
Every act on the registries: its calldata, its EIP-712 request, its gas limit.

The one place that knows them. An act that is signed here can be carried to the chain by
anyone; whoever carries it pays the gas. Normative text: docs/spec/contracts.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from eth_abi.abi import encode
from eth_account import Account

from ledger.core.keys import keccak256
from ledger.core.registries import (
    EIP712_NAME,
    EIP712_VERSION,
    REVOKING_ROLE,
    SIGNING_ROLE,
)

#: Roles of keys, as `add_key` takes them.
SIGNING = SIGNING_ROLE
REVOKING = REVOKING_ROLE


class ActKind(StrEnum):
    """What a transaction does; the store records the same words."""

    ANCHOR = "anchor"
    REGISTER = "register"
    ADD_KEY = "add_key"
    END_KEY = "end_key"
    COMPROMISE_KEY = "compromise_key"
    RECORD_PROFILE = "record_profile"
    ENDORSE = "endorse"
    WITHDRAW = "withdraw"
    REVOKE = "revoke"
    ROTATE = "rotate"
    CLOSE = "close"
    REINSTATE = "reinstate"


@dataclass(frozen=True, slots=True)
class Act:
    """One transaction to send, but for nonce, fees and sender."""

    kind: ActKind
    to: str
    data: bytes
    gas: int


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signed request holds: one IssuerRegistry on one chain, and nowhere else."""

    chain_id: int
    registry: str

    def separator(self) -> bytes:
        """The EIP-712 domain separator."""
        type_hash = keccak256(
            b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        )
        return keccak256(
            encode(
                ["bytes32", "bytes32", "bytes32", "uint256", "address"],
                [
                    type_hash,
                    keccak256(EIP712_NAME.encode()),
                    keccak256(EIP712_VERSION.encode()),
                    self.chain_id,
                    self.registry,
                ],
            )
        )


# Gas limits, never asked of a node: an estimate is one more answer that can be late or wrong.
# Measured use (tests/integration/chain/test_acts.py prints and checks it) with at least a
# quarter to spare, and for signed acts another 50,000 for a contract wallet's own check
# (ERC-1271). What is not used is not paid for.
GAS = {
    ActKind.ANCHOR: 60_000,
    ActKind.REGISTER: 220_000,
    ActKind.ADD_KEY: 160_000,
    ActKind.END_KEY: 140_000,
    ActKind.COMPROMISE_KEY: 140_000,
    ActKind.RECORD_PROFILE: 160_000,
    ActKind.ENDORSE: 160_000,
    ActKind.WITHDRAW: 140_000,
    ActKind.REVOKE: 150_000,
    ActKind.ROTATE: 160_000,
    ActKind.CLOSE: 180_000,
    ActKind.REINSTATE: 150_000,
}


@dataclass(frozen=True, slots=True)
class _Form:
    """How an act is called and how it is signed; both begin with the same members.

    `call` is the Solidity signature; `request` the EIP-712 type. Acts that another key than the
    controller may sign name their signer in the call.
    """

    call: str
    request: str

    @property
    def call_types(self) -> list[str]:
        return self.call[self.call.index("(") + 1 : -1].split(",")

    @property
    def request_types(self) -> list[str]:
        members = self.request[self.request.index("(") + 1 : -1].split(",")
        return [member.split(" ")[0] for member in members]

    def calldata(self, arguments: Sequence[object]) -> bytes:
        return _selector(self.call) + encode(self.call_types, arguments)

    def struct_hash(self, values: Sequence[object]) -> bytes:
        # Every member is a static 32-byte type, so encodeData is plain ABI encoding.
        types = ["bytes32", *self.request_types]
        return keccak256(encode(types, [keccak256(self.request.encode()), *values]))


_ANCHOR = "anchor(bytes32)"
_REGISTER = "register(address,bytes32,bytes32,bytes32)"
FORMS = {
    ActKind.ADD_KEY: _Form(
        "addKey(bytes32,bytes32,uint8,uint64,uint64,bytes)",
        "AddKey(bytes32 id,bytes32 key,uint8 role,uint64 until,uint64 deadline)",
    ),
    ActKind.END_KEY: _Form(
        "endKey(bytes32,bytes32,uint64,uint64,bytes)",
        "EndKey(bytes32 id,bytes32 key,uint64 until,uint64 deadline)",
    ),
    ActKind.COMPROMISE_KEY: _Form(
        "compromiseKey(bytes32,bytes32,uint64,address,uint64,bytes)",
        "CompromiseKey(bytes32 id,bytes32 key,uint64 since,uint64 deadline)",
    ),
    ActKind.RECORD_PROFILE: _Form(
        "recordProfile(bytes32,bytes32,uint64,bytes)",
        "RecordProfile(bytes32 id,bytes32 profile,uint64 deadline)",
    ),
    ActKind.ENDORSE: _Form(
        "endorse(bytes32,bytes32,bytes32,uint64,uint64,bytes)",
        "Endorse(bytes32 accreditor,bytes32 subject,bytes32 profile,uint64 until,"
        "uint64 deadline)",
    ),
    ActKind.WITHDRAW: _Form(
        "withdraw(bytes32,bytes32,bytes32,uint64,address,uint64,bytes)",
        "Withdraw(bytes32 accreditor,bytes32 subject,bytes32 profile,uint64 since,"
        "uint64 deadline)",
    ),
    ActKind.REVOKE: _Form(
        "revoke(bytes32,uint256,uint256,address,uint64,bytes)",
        "Revoke(bytes32 id,uint256 word,uint256 mask,uint64 recoveryActs,uint64 deadline)",
    ),
    ActKind.ROTATE: _Form(
        "rotate(bytes32,address,bytes32,address,uint64,bytes)",
        "Rotate(bytes32 id,address controller,bytes32 recovery,uint64 recoveryActs,"
        "uint64 deadline)",
    ),
    ActKind.CLOSE: _Form(
        "close(bytes32,bytes32,bytes32,address,uint64,bytes)",
        "Close(bytes32 id,bytes32 successor,bytes32 statement,uint64 deadline)",
    ),
    ActKind.REINSTATE: _Form(
        "reinstate(bytes32,uint256,uint256,address,uint64,bytes)",
        "Reinstate(bytes32 id,uint256 word,uint256 mask,uint64 recoveryActs,uint64 deadline)",
    ),
}


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs a request, and until when (seconds) it may be carried; never shown."""

    secret: bytes
    deadline: int

    def __repr__(self) -> str:
        return f"Authority({self.address}, deadline={self.deadline})"

    @property
    def address(self) -> str:
        """The signer's address."""
        return str(Account.from_key(self.secret).address).lower()


def digest(domain: Domain, kind: ActKind, values: Sequence[object]) -> bytes:
    """What is signed: the EIP-712 digest of a request, deadline included as its last value."""
    return keccak256(b"\x19\x01" + domain.separator() + FORMS[kind].struct_hash(values))


def known_calls(anchors: str, issuers: str) -> Mapping[str, frozenset[bytes]]:
    """The functions that acts call, as the first bytes of calldata, by registry."""
    requests = [form.call for form in FORMS.values()]
    return {
        anchors: frozenset({_selector(_ANCHOR)}),
        issuers: frozenset(map(_selector, [_REGISTER, *requests])),
    }


def kind_of(data: bytes) -> ActKind | None:
    """Which act calldata carries; None if it is none of ours."""
    return _KINDS.get(data[:4])


def _selector(call: str) -> bytes:
    return keccak256(call.encode())[:4]


_KINDS = {
    _selector(_ANCHOR): ActKind.ANCHOR,
    _selector(_REGISTER): ActKind.REGISTER,
    **{_selector(form.call): kind for kind, form in FORMS.items()},
}


def anchor(registry: str, root: bytes) -> Act:
    """Anchor a sealed root in AnchorRegistry. Anyone may."""
    data = _selector(_ANCHOR) + encode(["bytes32"], [root])
    return Act(ActKind.ANCHOR, registry, data, GAS[ActKind.ANCHOR])


def register(
    domain: Domain, controller: str, recovery: bytes, profile: bytes, salt: bytes
) -> Act:
    """Put an issuer on record. The id commits to all of it, so anyone may carry it."""
    types = ["address", "bytes32", "bytes32", "bytes32"]
    data = _selector(_REGISTER) + encode(types, [controller, recovery, profile, salt])
    return Act(ActKind.REGISTER, domain.registry, data, GAS[ActKind.REGISTER])


def add_key(
    domain: Domain,
    issuer_id: bytes,
    key_id: bytes,
    role: int,
    deadline: int,
    secret: bytes,
    *,
    until: int = 0,
) -> Act:
    """Open a signing or revoking key; the controller signs. `until` 0: without an end."""
    return _controller_act(
        domain,
        ActKind.ADD_KEY,
        [issuer_id, key_id, role, until],
        Authority(secret, deadline),
    )


def end_key(
    domain: Domain, issuer_id: bytes, key_id: bytes, until: int, authority: Authority
) -> Act:
    """End a key's window; the controller signs."""
    return _controller_act(
        domain, ActKind.END_KEY, [issuer_id, key_id, until], authority
    )


def compromise_key(
    domain: Domain, issuer_id: bytes, key_id: bytes, since: int, authority: Authority
) -> Act:
    """Declare a key compromised; a time in the past needs the recovery key's signature."""
    members = [issuer_id, key_id, since]
    return _named_act(domain, ActKind.COMPROMISE_KEY, members, [], authority)


def record_profile(
    domain: Domain, issuer_id: bytes, profile: bytes, authority: Authority
) -> Act:
    """Record the hash of a new public profile; the controller signs."""
    return _controller_act(
        domain, ActKind.RECORD_PROFILE, [issuer_id, profile], authority
    )


def endorse(
    domain: Domain,
    accreditor: bytes,
    subject: bytes,
    profile: bytes,
    until: int,
    authority: Authority,
) -> Act:
    """Stand behind an issuer and exactly this profile; the accreditor's controller signs."""
    members = [accreditor, subject, profile, until]
    return _controller_act(domain, ActKind.ENDORSE, members, authority)


def withdraw(
    domain: Domain,
    accreditor: bytes,
    subject: bytes,
    profile: bytes,
    since: int,
    authority: Authority,
) -> Act:
    """Withdraw an endorsement; what counts from before now needs the recovery key.

    The controller says "now" by giving the deadline as `since`: the contract takes what lies
    ahead, when the request is carried, as its block's time.
    """
    members = [accreditor, subject, profile, since]
    return _named_act(domain, ActKind.WITHDRAW, members, [], authority)


def revoke(
    domain: Domain,
    issuer_id: bytes,
    word: int,
    mask: int,
    *,
    recovery_acts: int,
    deadline: int,
    secret: bytes,
) -> Act:
    """Set status bits; a revoking key signs, under the issuer's present `recoveryActs`."""
    members = [issuer_id, word, mask]
    authority = Authority(secret, deadline)
    return _named_act(domain, ActKind.REVOKE, members, [recovery_acts], authority)


def rotate(
    domain: Domain,
    issuer_id: bytes,
    controller: str,
    recovery: bytes,
    *,
    recovery_acts: int,
    authority: Authority,
) -> Act:
    """A new controller and the next recovery key's commitment; the recovery key signs."""
    members = [issuer_id, controller, recovery]
    return _named_act(domain, ActKind.ROTATE, members, [recovery_acts], authority)


def close(
    domain: Domain,
    issuer_id: bytes,
    successor: bytes,
    statement: bytes,
    authority: Authority,
) -> Act:
    """Close an issuer for ever; `successor` of 32 zero bytes: none. The recovery key signs."""
    members = [issuer_id, successor, statement]
    return _named_act(domain, ActKind.CLOSE, members, [], authority)


def reinstate(
    domain: Domain,
    issuer_id: bytes,
    word: int,
    mask: int,
    *,
    recovery_acts: int,
    authority: Authority,
) -> Act:
    """Clear status bits that a stolen revoking key set; the recovery key signs."""
    members = [issuer_id, word, mask]
    return _named_act(domain, ActKind.REINSTATE, members, [recovery_acts], authority)


def _controller_act(
    domain: Domain, kind: ActKind, members: Sequence[object], authority: Authority
) -> Act:
    signature = _sign(domain, kind, [*members, authority.deadline], authority)
    arguments = [*members, authority.deadline, signature]
    return Act(kind, domain.registry, FORMS[kind].calldata(arguments), GAS[kind])


def _named_act(
    domain: Domain,
    kind: ActKind,
    members: Sequence[object],
    counters: Sequence[object],
    authority: Authority,
) -> Act:
    """An act whose call names the signer; `counters` are signed but not passed."""
    signature = _sign(
        domain, kind, [*members, *counters, authority.deadline], authority
    )
    arguments = [*members, authority.address, authority.deadline, signature]
    return Act(kind, domain.registry, FORMS[kind].calldata(arguments), GAS[kind])


def _sign(
    domain: Domain, kind: ActKind, values: Sequence[object], authority: Authority
) -> bytes:
    signed = Account.unsafe_sign_hash(digest(domain, kind, values), authority.secret)
    return bytes(signed.signature)
