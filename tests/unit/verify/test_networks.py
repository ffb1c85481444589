"""The networks file: what a verifier accepts, and nothing guessed."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ledger.core import registries
from ledger.errors import MalformedError
from ledger.verify.networks import (
    BUILT_IN,
    Network,
    encode_networks,
    find_network,
    parse_networks,
)

MAIN = {
    "name": "Ethereum",
    "chainId": "eip155:1",
    "genesisHash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "anchorRegistry": registries.ANCHOR_REGISTRY,
    "issuerRegistry": registries.ISSUER_REGISTRY,
    "test": False,
}


def document(*entries: dict[str, Any], **members: Any) -> bytes:
    return json.dumps({"version": 1, "networks": list(entries), **members}).encode()


def test_example_of_the_specification_is_read() -> None:
    expected = Network(
        name="Ethereum",
        chain_id=1,
        genesis_hash=bytes.fromhex(MAIN["genesisHash"][2:]),  # type: ignore[index]
        anchor_registry=registries.ANCHOR_REGISTRY,
        issuer_registry=registries.ISSUER_REGISTRY,
        test=False,
    )

    assert (expected,) == parse_networks(document(MAIN))
    assert expected == BUILT_IN[0]


def test_built_in_list_holds_main_net_and_one_test_network_and_never_a_local_one() -> (
    None
):
    expected = [("eip155:1", False), ("eip155:11155111", True)]

    assert expected == [(network.caip2, network.test) for network in BUILT_IN]


def test_find_network_knows_only_what_is_listed() -> None:
    assert BUILT_IN[0] is find_network(BUILT_IN, 1)
    assert find_network(BUILT_IN, 31337) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "networks file: not JSON"),
        (b"[]", "not an object"),
        (document(MAIN, version=2), "version 1 expected"),
        (document(MAIN, version=True), "version 1 expected"),
        (document(MAIN, version="1"), "version 1 expected"),
        (b'{"version":1}', "networks: missing"),
        (document(MAIN, extra=1), "extra: unknown member"),
        (document(MAIN, networks={}), "networks: not a list"),
        (document(), "networks: empty"),
        (document(*[MAIN] * 101), "more than 100 entries"),
        (document(MAIN, MAIN), "eip155:1 stands there twice"),
        (document(MAIN, MAIN | {"chainId": "eip155:2"}), "two are called Ethereum"),
        (document(MAIN | {"rpc": "http://x"}), "networks[0].rpc: unknown member"),
        (document({k: v for k, v in MAIN.items() if k != "test"}), "test: missing"),
        (document(MAIN | {"test": 0}), "test: true or false"),
        (document(MAIN | {"chainId": 1}), "chainId: not a string"),
        (document(MAIN | {"chainId": "1"}), "chainId: eip155:"),
        (document(MAIN | {"chainId": "eip155:01"}), "chainId: eip155:"),
        (document(MAIN | {"chainId": "eip155:9999999999999999"}), "2^53 - 1"),
        (document(MAIN | {"genesisHash": "0x00"}), "genesisHash: 0x and 64"),
        (
            document(MAIN | {"anchorRegistry": registries.ANCHOR_REGISTRY.upper()}),
            "anchorRegistry: 0x and 40 lower-case",
        ),
        (
            document(MAIN | {"issuerRegistry": registries.ANCHOR_REGISTRY}),
            "both registries at one address",
        ),
        (document(MAIN | {"name": " Ethereum"}), "blanks around"),
        (document(MAIN | {"name": ""}), "empty"),
        (document(MAIN | {"name": "x" * 201}), "longer than 200"),
        (document(MAIN | {"name": "muerehtE\u202e"}), "reorder"),
        (document(MAIN | {"name": "Ether\u0085eum"}), "control characters"),
    ],
)
def test_anything_else_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_networks(data)

    assert reason in str(refused.value)


@given(
    st.lists(
        st.builds(
            Network,
            name=st.text("abcdefgh", min_size=1, max_size=20),
            chain_id=st.integers(1, 2**53 - 1),
            genesis_hash=st.binary(min_size=32, max_size=32),
            anchor_registry=st.just(registries.ANCHOR_REGISTRY),
            issuer_registry=st.just(registries.ISSUER_REGISTRY),
            test=st.booleans(),
        ),
        min_size=1,
        max_size=5,
        unique_by=(lambda n: n.chain_id, lambda n: n.name),
    )
)
def test_what_is_written_is_read_back(networks: list[Network]) -> None:
    assert tuple(networks) == parse_networks(encode_networks(networks))
