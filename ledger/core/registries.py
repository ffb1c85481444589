"""The two contracts as a verifier knows them: where they are, their code, their words.

Normative text: docs/spec/contracts.md. Addresses, code hashes and selectors follow from
the sources in contracts/src and are rewritten and compared by `scripts/contracts`.
"""

from dataclasses import dataclass
from typing import Final

# ------------------------------------------------------------------ where they are

#: The deterministic deployment proxy; its calldata is salt ++ init code (EIP-1014).
CREATE2_DEPLOYER: Final = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
#: The salt of both deployments.
CREATE2_SALT: Final = bytes(32)

#: Address of AnchorRegistry on every chain.
ANCHOR_REGISTRY: Final = "0xe38391e4919adfb4280c4308e1b726738dcd09fe"
#: Address of IssuerRegistry on every chain.
ISSUER_REGISTRY: Final = "0x11348bc99bf41694b4717f6c7d06fd5c1fc2660b"

#: keccak256 of AnchorRegistry's code. It pins nothing without the address: a look-alike
#: elsewhere can run the genuine code over storage of its own.
ANCHOR_REGISTRY_CODE_HASH: Final = bytes.fromhex(
    "0966071227bef9a59f66b0eae8fe43c1d1fd338e2fa6a5065d2fbaa191cbc7d4"
)
#: keccak256 of IssuerRegistry's code.
ISSUER_REGISTRY_CODE_HASH: Final = bytes.fromhex(
    "ec1cf3ad22bfd9a368868b5aa9483f4dbc9946741c8d91204715278b1d4ee291"
)

# ------------------------------------------------------------------ what a verifier calls

#: anchoredAt(bytes32 root) -> (uint64 time, uint64 blockNumber)
ANCHORED_AT_SELECTOR: Final = bytes.fromhex("9591a610")
#: check(bytes32 id, bytes32 key, uint256 statusIndex) -> Check, ten words
CHECK_SELECTOR: Final = bytes.fromhex("3584a7a6")
#: profileRecordedAt(bytes32 id, bytes32 profile) -> uint40
PROFILE_RECORDED_AT_SELECTOR: Final = bytes.fromhex("7b28695c")
#: endorsement(bytes32 accreditor, bytes32 subject, bytes32 profile)
#: -> (uint40 from, uint40 until, uint40 withdrawnSince)
ENDORSEMENT_SELECTOR: Final = bytes.fromhex("4eec014a")

# ------------------------------------------------------------------ roles and signing

#: KeyRole.Signing: the key id is keccak256 of the 34 multikey bytes.
SIGNING_ROLE: Final = 1
#: KeyRole.Revoking: the key id is the address as a 32-byte number.
REVOKING_ROLE: Final = 2

#: EIP-712 domain of IssuerRegistry; chainId and verifyingContract complete it.
EIP712_NAME: Final = "Perdure IssuerRegistry"
#: EIP-712 domain version of IssuerRegistry.
EIP712_VERSION: Final = "1"

#: The tag that an issuer id's preimage begins with: keccak256 of this text.
ISSUER_ID_TAG: Final = b"Perdure issuer v1"

# ------------------------------------------------------------------ storage
# A mapping's value stands at keccak256(key ++ slot), each 32 bytes; nested mappings from
# the outermost key in. Members of a struct follow in consecutive slots.

#: AnchorRegistry: mapping(root => Anchor)
ANCHORS_SLOT: Final = 0
#: IssuerRegistry: mapping(id => Issuer), six slots each
ISSUERS_SLOT: Final = 0
#: IssuerRegistry: mapping(id => mapping(key => Key))
KEYS_SLOT: Final = 1
#: IssuerRegistry: mapping(id => mapping(word => 256 bits))
STATUS_SLOT: Final = 2
#: IssuerRegistry: mapping(id => mapping(profile => uint40 time))
PROFILES_SLOT: Final = 3
#: IssuerRegistry: mapping(accreditor => mapping(subject => mapping(profile => Endorsement)))
ENDORSEMENTS_SLOT: Final = 4


@dataclass(frozen=True, slots=True)
class Packed:
    """Where a struct member sits: slots after the struct's first, then bits from the low end."""

    slot: int
    shift: int
    bits: int


ANCHOR_TIME: Final = Packed(slot=0, shift=0, bits=64)
ANCHOR_BLOCK_NUMBER: Final = Packed(slot=0, shift=64, bits=64)

ISSUER_CONTROLLER: Final = Packed(slot=0, shift=0, bits=160)
ISSUER_REGISTERED_AT: Final = Packed(slot=0, shift=160, bits=40)
ISSUER_CLOSED_AT: Final = Packed(slot=0, shift=200, bits=40)
ISSUER_CLOSED_FOR_GOOD: Final = Packed(slot=0, shift=240, bits=8)
ISSUER_RECOVERY: Final = Packed(slot=1, shift=0, bits=256)
ISSUER_PROFILE: Final = Packed(slot=2, shift=0, bits=256)
ISSUER_SUCCESSOR: Final = Packed(slot=3, shift=0, bits=256)
ISSUER_STATEMENT: Final = Packed(slot=4, shift=0, bits=256)
ISSUER_RECOVERY_ACTS: Final = Packed(slot=5, shift=0, bits=64)

KEY_FROM: Final = Packed(slot=0, shift=0, bits=40)
KEY_UNTIL: Final = Packed(slot=0, shift=40, bits=40)
KEY_COMPROMISED_SINCE: Final = Packed(slot=0, shift=80, bits=40)
KEY_ROLE: Final = Packed(slot=0, shift=120, bits=8)

ENDORSEMENT_FROM: Final = Packed(slot=0, shift=0, bits=40)
ENDORSEMENT_UNTIL: Final = Packed(slot=0, shift=40, bits=40)
ENDORSEMENT_WITHDRAWN_SINCE: Final = Packed(slot=0, shift=80, bits=40)
