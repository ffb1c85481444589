"""
Withdrawal bits: the bitmap in the IssuerRegistry, and W3C's list, which is a view of it.

Index i is bit i % 256 of word i // 256 on chain, counted from the least significant bit, and
bit i of the list, counted from the most significant bit of its first byte (Bitstring Status
List v1.0, section 3.2). The two orders meet in ``StatusBits`` and nowhere else.
"""

import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ledger.core.canonical import Json, encode_time
from ledger.core.keys import decode_base64url, encode_base64url
from ledger.core.rdf import STATUS_LIST_CONTEXTS
from ledger.errors import MalformedError

BLOCK_BITS = 131_072  # Bitstring Status List 3.2: a shorter list would point at people
MAX_BITS = 1_024 * BLOCK_BITS
WORD_BITS = 256  # of one storage slot on chain

_GZIP = 31  # zlib's name for "gzip header and trailer, 32 kB window"
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def word_and_bit(index: int) -> tuple[int, int]:
    """Where an index lies on chain: the word, and the bit in it from the least significant."""
    if not 0 <= index < MAX_BITS:
        raise MalformedError(f"status index {index} is out of range")
    return divmod(index, WORD_BITS)


@dataclass(frozen=True, slots=True)
class StatusBits:
    """
    The bits of one issuer, as the list orders them. It grows by whole blocks of 131,072.

    MalformedError for fewer bits than the standard asks for, or more than we read.
    """

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) * 8 < BLOCK_BITS:
            raise MalformedError(f"a status list has at least {BLOCK_BITS} bits")
        if len(self.data) * 8 > MAX_BITS:
            raise MalformedError(f"a status list has at most {MAX_BITS} bits")

    @classmethod
    def of(cls, indexes: Iterable[int]) -> "StatusBits":
        """The list in which these indexes are set. MalformedError for one out of range."""
        words: dict[int, int] = {}
        for index in indexes:
            word, bit = word_and_bit(index)
            words[word] = words.get(word, 0) | 1 << bit
        return cls.from_words(words)

    @classmethod
    def from_words(cls, words: Mapping[int, int]) -> "StatusBits":
        """The list of a registry's words; a word that is not there is zero. MalformedError."""
        last = max((word for word, bits in words.items() if bits), default=0)
        blocks = last * WORD_BITS // BLOCK_BITS + 1
        if blocks * BLOCK_BITS > MAX_BITS:
            raise MalformedError(f"status word {last} is out of range")
        data = bytearray(blocks * BLOCK_BITS // 8)
        for word, bits in words.items():
            if word < 0 or not 0 <= bits < 1 << WORD_BITS:
                raise MalformedError(f"status word {word} is not 256 bits")
            if bits:
                # Little-endian puts bit 0 into the first byte, as its lowest bit; the list
                # wants it there as the highest.
                at = word * WORD_BITS // 8
                data[at : at + 32] = bits.to_bytes(32, "little").translate(_REVERSED)
        return cls(bytes(data))

    def words(self) -> dict[int, int]:
        """The registry's words that hold a set bit."""
        words = {}
        for word in range((len(self.data) + 31) // 32):
            piece = self.data[word * 32 : word * 32 + 32].translate(_REVERSED)
            if bits := int.from_bytes(piece, "little"):
                words[word] = bits
        return words

    def is_set(self, index: int) -> bool:
        """Whether an index is withdrawn. MalformedError for one beyond the list."""
        if not 0 <= index < len(self.data) * 8:
            raise MalformedError(f"status index {index} is beyond the list")
        return bool(self.data[index // 8] & 0x80 >> index % 8)

    def encode(self) -> str:
        """Bitstring Status List 3.3: "u", then base64url of the gzipped bits."""
        return "u" + encode_base64url(gzip.compress(self.data, mtime=0))

    @classmethod
    def decode(cls, text: str) -> "StatusBits":
        """Bitstring Status List 3.4, inflating no more than the largest list. MalformedError."""
        if not text.startswith("u"):
            raise MalformedError("an encoded list starts with u: base64url")
        inflater = zlib.decompressobj(wbits=_GZIP)
        try:
            data = inflater.decompress(decode_base64url(text[1:]), MAX_BITS // 8 + 1)
        except zlib.error as error:
            raise MalformedError("an encoded list is gzipped") from error
        # At the bound there is more to come: the constructor refuses what is there already.
        if len(data) <= MAX_BITS // 8 and (not inflater.eof or inflater.unused_data):
            raise MalformedError(
                "the encoded list is cut off, or goes on behind its end"
            )
        return cls(data)


def build_status_list(
    url: str,
    issuer_did: str,
    bits: StatusBits,
    *,
    valid_from: datetime,
    valid_until: datetime | None = None,
) -> dict[str, Json]:
    """
    The unsigned BitstringStatusListCredential, for other people's verifiers.

    Without ``valid_until`` it speaks for ever: the form in which a closing issuer leaves it,
    since verifiers refuse a list that has expired.
    """
    document: dict[str, Json] = {
        "@context": list(STATUS_LIST_CONTEXTS),
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer_did,
        "validFrom": encode_time(valid_from),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": bits.encode(),
        },
    }
    if valid_until is not None:
        document["validUntil"] = encode_time(valid_until)
    return document
