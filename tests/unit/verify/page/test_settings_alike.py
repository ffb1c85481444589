"""What a verifier decides with is read alike: networks, trust lists, checkpoints, addresses."""

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ledger.core.canonical import encode_time
from ledger.core.credential import normalise_email
from ledger.errors import MalformedError, SettingError
from ledger.verify import networks, trust
from ledger.verify.checkpoints import Checkpoint, parse_checkpoints
from ledger.verify.networks import Network, parse_networks
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import TrustList, parse_trust_list
from tests.unit.verify.page.answers import VECTORS, Refusal, run_page

pytestmark = pytest.mark.slow

NETWORK: dict[str, Any] = {
    "name": "Example",
    "chainId": "eip155:777",
    "genesisHash": "0x" + "1" * 64,
    "anchorRegistry": "0x" + "2" * 40,
    "issuerRegistry": "0x" + "3" * 40,
    "test": False,
}
REFERENCE = "eip155:777:0x" + "2" * 40 + ":0x" + "3" * 64
POINT: dict[str, Any] = {
    "chainId": "eip155:1",
    "blockNumber": 5,
    "blockHash": "0x" + "4" * 64,
}

# What may stand where something else is expected.
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.0,
    2**53 - 1,
    2**53,
    "",
    " x",
    "x" * 201,
    "\N{GRINNING FACE}" * 200,
    "a\u202eb",
    "a\u0085",
    "\ufeffa",
    "eip155:0",
    "eip155:01",
    "eip155:9007199254740991",
    "eip155:9007199254740992",
    "eip155:99999999999999999",
    "0x" + "A" * 40,
    "0x" + "5" * 40,
    "0x" + "6" * 64,
    REFERENCE.replace("777", "9007199254740992"),
    REFERENCE.upper(),
    [],
    {},
)


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in document.items() if member != name}


def altered(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The document with each member replaced by each value, left out, and one added."""
    return [
        document,
        {**document, "more": 1},
        *(without(document, name) for name in document),
        *({**document, name: value} for name in document for value in VALUES),
    ]


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


def network_files() -> list[bytes]:
    return [
        *(raw({"version": 1, "networks": [entry]}) for entry in altered(NETWORK)),
        *map(raw, altered({"version": 1, "networks": [NETWORK]})),
        raw({"version": 1, "networks": [NETWORK, NETWORK]}),
        raw(
            {"version": 1, "networks": [NETWORK, {**NETWORK, "chainId": "eip155:778"}]}
        ),
        raw(
            {
                "version": 1,
                "networks": [{**NETWORK, "issuerRegistry": NETWORK["anchorRegistry"]}],
            }
        ),
        raw({"version": 1, "networks": [NETWORK] * 101}),
        b" " * (networks.MAX_BYTES + 1),
        b"[]",
        b"{",
        b"\xff",
    ]


def trust_files() -> list[bytes]:
    entry = {"id": REFERENCE, "name": "Riverside"}
    board = {"id": REFERENCE, "name": "Skills Board"}
    document = {
        "version": 1,
        "name": "Mine",
        "issuers": [entry],
        "accreditors": [board],
    }
    folder = VECTORS / "trust"
    signed = json.loads((folder / "valid" / "signed.json").read_bytes())
    return [
        *(path.read_bytes() for path in sorted(folder.glob("*/*.json"))),
        *map(raw, altered(document)),
        *(raw({**document, "issuers": [each]}) for each in altered(entry)),
        raw({**document, "issuers": [entry, {**entry, "name": "Other"}]}),
        raw({**document, "accreditors": [entry] * 20_001}),
        *(raw({**signed, "proof": proof}) for proof in altered(signed["proof"])),
        b" " * (trust.MAX_BYTES + 1),
    ]


def checkpoint_files() -> list[bytes]:
    return [
        *(raw({"version": 1, "checkpoints": [entry]}) for entry in altered(POINT)),
        *map(raw, altered({"version": 1, "checkpoints": [POINT]})),
        raw({"version": 1, "checkpoints": [POINT, {**POINT, "blockNumber": 6}]}),
        raw({"version": 1, "checkpoints": [POINT, POINT]}),
    ]


HASHES = [
    "eip155:1:0x" + "a" * 64,
    "eip155:1:0x" + "A" * 64,
    "eip155:1:" + "a" * 64,
    "eip155:9007199254740991:0x" + "a" * 64,
    "eip155:9007199254740992:0x" + "a" * 64,
    "eip155:01:0x" + "a" * 64,
    "eip155:1:0x" + "a" * 64 + "\n",
    "",
]
EMAILS = [
    "Ada@Example.org",
    " ada@example.org\u2003",
    "\u0130@example.org",
    "\N{GREEK CAPITAL LETTER SIGMA}\N{GREEK CAPITAL LETTER SIGMA}@example.org",
    "a" * 64 + "@b",
    "a" * 65 + "@b",
    "\N{GRINNING FACE}" * 64 + "@" + "b" * 189,
    "a@" + "b" * 190,
    "a b@c",
    "a\u0085b@c",
    "a@b@c",
    "a",
    "",
]
ADDRESSES = [
    "https://rpc.example",
    "https://RPC.example:443/v3/key?x=1",
    "https://rpc.example:8545",
    "https://rpc.example:08545",
    "https://rpc.example:",
    "http://127.0.0.1:8545/",
    "http://localhost",
    "http://LOCALHOST:80",
    "https://user@rpc.example",
    "https://user:secret@rpc.example",
    "https://rpc.example:0",
    "https://",
    "https:///path",
    "https://-a",
    "https://a_b",
    "https://rpc.example/\u00e9",
    "ftp://rpc.example",
    "rpc.example",
    "",
]
# What only a page has reasons for: it may ask no other computer without TLS, and an address
# in brackets has no place in its policy.
OF_THE_PAGE = {
    "http://rpc.example": "an RPC address of another computer starts with https://",
    "http://10.0.0.1:8545": "an RPC address of another computer starts with https://",
    "https://[::1]:8545": "an RPC address needs a host name in plain letters",
    "https://rpc.example:99999": "not a web address: its port is no number up to 65535",
    "https://rpc.example:x": "not a web address: its port is no number up to 65535",
}


def network_json(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "chainId": network.chain_id,
        "genesisHash": network.genesis_hash.hex(),
        "anchorRegistry": network.anchor_registry,
        "issuerRegistry": network.issuer_registry,
        "test": network.test,
    }


def trust_json(listed: TrustList) -> dict[str, Any]:
    signature = listed.signature
    return {
        "name": listed.name,
        **{
            role: [
                {
                    "reference": {
                        "chainId": entry.reference.chain_id,
                        "registry": entry.reference.registry,
                        "issuerId": entry.reference.issuer_id.hex(),
                        "text": entry.reference.text,
                    },
                    "name": entry.name,
                }
                for entry in entries
            ]
            for role, entries in (
                ("issuers", listed.issuers),
                ("accreditors", listed.accreditors),
            )
        },
        "signature": signature
        and {
            "signer": signature.key.did,
            "created": encode_time(signature.created),
        },
    }


def checkpoint_json(point: Checkpoint) -> dict[str, Any]:
    return {
        "chainId": point.chain_id,
        "hash": point.block_hash.hex(),
        "number": point.block_number,
    }


def networks_json(data: bytes) -> Any:
    return [network_json(network) for network in parse_networks(data)]


def checkpoints_json(data: bytes) -> Any:
    return [checkpoint_json(point) for point in parse_checkpoints(data)]


# The name of the page's function: ours as JSON, and what both are given.
READERS: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "parseNetworks": (networks_json, network_files()),
    "parseTrustList": (lambda data: trust_json(parse_trust_list(data)), trust_files()),
    "parseCheckpoints": (checkpoints_json, checkpoint_files()),
    "parseBlockHash": (
        lambda text: checkpoint_json(Checkpoint.from_text(text)),
        [*HASHES],
    ),
    "normaliseEmail": (normalise_email, [*EMAILS]),
    "rpcReader": (lambda url: {"address": RpcReader(url).address}, [*ADDRESSES]),
}


def job(by: str, given: bytes | str) -> dict[str, Any]:
    what: dict[str, Any] = {"kind": "read", "by": by}
    if isinstance(given, str):
        return {**what, "text": given}
    return {**what, "file": base64.b64encode(given).decode()}


@cache
def page_reads() -> dict[str, list[Any]]:
    """What the page makes of everything that it is given."""
    jobs = [job(by, each) for by, (_, given) in READERS.items() for each in given]
    answers = iter(run_page(jobs))
    return {
        by: [next(answers).answer for _ in given] for by, (_, given) in READERS.items()
    }


@pytest.mark.parametrize("by", READERS)
def test_everything_is_read_alike(by: str) -> None:
    read, given = READERS[by]
    refused = 0
    for each, found in zip(given, page_reads()[by], strict=True):
        expected: Any
        try:
            expected = read(each)
        except (MalformedError, SettingError) as error:
            expected = Refusal(type(error).__name__, str(error))
            refused += 1
        assert expected == found, each[:200]

    assert 0 < refused < len(given)


def test_some_addresses_are_refused_by_the_page_alone() -> None:
    answers = run_page([job("rpcReader", address) for address in OF_THE_PAGE])

    assert [timed.answer for timed in answers] == [
        Refusal("SettingError", message) for message in OF_THE_PAGE.values()
    ]


def test_the_vectors_of_trust_lists_are_among_what_was_read() -> None:
    names = [path.name for path in Path(VECTORS / "trust").glob("*/*.json")]

    assert len(names) > 10
