import json
from importlib.resources import files
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from ledger.chain import acts
from ledger.chain.acts import Act, ActKind, Authority, Domain
from ledger.core.registries import ISSUER_REGISTRY
from ledger.store.records import ChainTxKind
from tests.anvil import DEV_ADDRESS, DEV_KEY

DOMAIN = Domain(31337, ISSUER_REGISTRY)
AUTHORITY = Authority(DEV_KEY, 2_000_000_000)
ID, KEY, PROFILE, OTHER = (bytes([n]) * 32 for n in (1, 2, 3, 4))
NEXT = "0x" + "ab" * 20

#: Each signed act, and the values that its EIP-712 request holds before the deadline.
SIGNED: dict[ActKind, tuple[Act, list[object]]] = {
    ActKind.ADD_KEY: (
        acts.add_key(
            DOMAIN, ID, KEY, acts.SIGNING, AUTHORITY.deadline, DEV_KEY, until=7
        ),
        [ID, KEY, acts.SIGNING, 7],
    ),
    ActKind.END_KEY: (acts.end_key(DOMAIN, ID, KEY, 9, AUTHORITY), [ID, KEY, 9]),
    ActKind.COMPROMISE_KEY: (
        acts.compromise_key(DOMAIN, ID, KEY, 9, AUTHORITY),
        [ID, KEY, 9],
    ),
    ActKind.RECORD_PROFILE: (
        acts.record_profile(DOMAIN, ID, PROFILE, AUTHORITY),
        [ID, PROFILE],
    ),
    ActKind.ENDORSE: (
        acts.endorse(DOMAIN, ID, OTHER, PROFILE, 8, AUTHORITY),
        [ID, OTHER, PROFILE, 8],
    ),
    ActKind.WITHDRAW: (
        acts.withdraw(DOMAIN, ID, OTHER, PROFILE, 8, AUTHORITY),
        [ID, OTHER, PROFILE, 8],
    ),
    ActKind.REVOKE: (
        acts.revoke(
            DOMAIN,
            ID,
            5,
            1 << 200,
            recovery_acts=3,
            deadline=AUTHORITY.deadline,
            secret=DEV_KEY,
        ),
        [ID, 5, 1 << 200, 3],
    ),
    ActKind.ROTATE: (
        acts.rotate(DOMAIN, ID, NEXT, OTHER, recovery_acts=3, authority=AUTHORITY),
        [ID, NEXT, OTHER, 3],
    ),
    ActKind.CLOSE: (
        acts.close(DOMAIN, ID, OTHER, PROFILE, AUTHORITY),
        [ID, OTHER, PROFILE],
    ),
    ActKind.REINSTATE: (
        acts.reinstate(DOMAIN, ID, 5, 1, recovery_acts=3, authority=AUTHORITY),
        [ID, 5, 1, 3],
    ),
}
PLAIN = {
    ActKind.ANCHOR: acts.anchor("0x" + "cd" * 20, ID),
    ActKind.REGISTER: acts.register(DOMAIN, DEV_ADDRESS, KEY, PROFILE, OTHER),
}
ALL = PLAIN | {kind: act for kind, (act, _) in SIGNED.items()}


def abi_functions() -> dict[bytes, dict[str, Any]]:
    found = {}
    for name in ("AnchorRegistry", "IssuerRegistry"):
        artefact = json.loads(
            (files("ledger.chain") / "abi" / f"{name}.json").read_bytes()
        )
        for entry in artefact["abi"]:
            if entry["type"] == "function":
                types = ",".join(each["type"] for each in entry["inputs"])
                found[keccak(text=f"{entry['name']}({types})")[:4]] = entry
    return found


def typed_data(kind: ActKind, values: list[object]) -> dict[str, Any]:
    """The request as a wallet would be shown it, made from the type's text alone."""
    name, _, members = acts.FORMS[kind].request[:-1].partition("(")
    fields = [
        dict(zip(("type", "name"), m.split(" "), strict=True))
        for m in members.split(",")
    ]
    return {
        "domain": {
            "name": "Perdure IssuerRegistry",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": ISSUER_REGISTRY,
        },
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            name: fields,
        },
        "primaryType": name,
        "message": dict(zip((f["name"] for f in fields), values, strict=True)),
    }


def test_every_kind_is_built_has_a_gas_limit_and_is_a_word_of_the_store() -> None:
    assert set(ALL) == set(ActKind) == set(acts.GAS)
    assert {kind.value for kind in ActKind} == {kind.value for kind in ChainTxKind}
    assert all(
        kind is act.kind and acts.GAS[kind] == act.gas for kind, act in ALL.items()
    )


@pytest.mark.parametrize("kind", ActKind)
def test_the_calldata_calls_a_function_of_the_committed_abi(kind: ActKind) -> None:
    entry = abi_functions()[ALL[kind].data[:4]]

    assert entry["stateMutability"] == "nonpayable"
    assert entry["name"] == kind.value.split("_")[0] + "".join(
        part.capitalize() for part in kind.value.split("_")[1:]
    )


@pytest.mark.parametrize("kind", SIGNED)
def test_the_digest_is_what_a_wallet_signs(kind: ActKind) -> None:
    """eth-account's own EIP-712 encoder agrees, and the signature is the authority's."""
    act, members = SIGNED[kind]
    values = [*members, AUTHORITY.deadline]
    message = encode_typed_data(full_message=typed_data(kind, values))

    expected = keccak(b"\x19" + message.version + message.header + message.body)
    assert acts.digest(DOMAIN, kind, values) == expected
    signature = act.data[-96:-31]
    assert Account.recover_message(message, signature=signature).lower() == DEV_ADDRESS


def test_a_request_for_one_chain_is_none_for_another() -> None:
    values = [ID, KEY, 9, 10]
    there = Domain(1, ISSUER_REGISTRY)

    assert acts.digest(DOMAIN, ActKind.END_KEY, values) != acts.digest(
        there, ActKind.END_KEY, values
    )


def test_an_anchor_calls_the_registry_with_the_root() -> None:
    act = PLAIN[ActKind.ANCHOR]

    assert act.to == "0x" + "cd" * 20
    assert act.data == keccak(text="anchor(bytes32)")[:4] + ID


def test_repr_shows_no_secret() -> None:
    assert repr(AUTHORITY) == f"Authority({DEV_ADDRESS}, deadline=2000000000)"
