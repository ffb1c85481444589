from collections.abc import Callable

import pytest

from ledger.chain.deployment import CALLS, REGISTRIES, Deployed, deploy
from ledger.chain.memory import MemoryChain
from ledger.chain.node import Node, check_chain
from ledger.chain.sender import KeystoreSigner, SigningRules
from ledger.core.registries import ANCHOR_REGISTRY, CREATE2_DEPLOYER, ISSUER_REGISTRY
from ledger.errors import ChainRejected, ChainUnavailable
from tests.anvil import DEV_ADDRESS, DEV_KEY, Anvil

MAX_FEE = 10**12
SIGNER = KeystoreSigner(DEV_KEY, SigningRules(31337, CALLS, MAX_FEE))


def put(node: Node) -> tuple[Deployed, ...]:
    return deploy(node, SIGNER, max_fee=MAX_FEE, sleep=lambda _: None)


@pytest.mark.anvil
def test_both_registries_are_put_where_every_chain_has_them(anvil: Anvil) -> None:
    node = Node(anvil.url)
    done = put(node)

    assert [(each.name, each.address) for each in done] == [
        ("AnchorRegistry", ANCHOR_REGISTRY),
        ("IssuerRegistry", ISSUER_REGISTRY),
    ]
    assert all(each.gas_used for each in done)
    check_chain(
        node,
        chain_id=31337,
        genesis_hash=node.genesis_hash(),
        anchor_registry=ANCHOR_REGISTRY,
        issuer_registry=ISSUER_REGISTRY,
    )


@pytest.mark.anvil
def test_doing_it_again_changes_nothing(anvil: Anvil) -> None:
    node = Node(anvil.url)
    put(node)
    nonce = node.nonce(DEV_ADDRESS, "pending")

    assert [each.gas_used for each in put(node)] == [None, None]
    assert node.nonce(DEV_ADDRESS, "pending") == nonce


@pytest.mark.anvil
def test_what_is_half_done_is_finished(anvil: Anvil) -> None:
    node = Node(anvil.url)
    put(node)
    anvil.rpc("anvil_setCode", ISSUER_REGISTRY, "0x")
    # anvil keeps the nonce of the account, and CREATE2 refuses an address that has one.
    anvil.rpc("anvil_setNonce", ISSUER_REGISTRY, "0x0")
    first, second = put(node)

    assert first.gas_used is None
    assert second.gas_used is not None


@pytest.mark.anvil
def test_other_code_at_the_address_is_named(anvil: Anvil) -> None:
    anvil.rpc("anvil_setCode", ANCHOR_REGISTRY, "0x6001")

    with pytest.raises(
        ChainRejected, match=r"other code stands at .* expected hash 0x"
    ):
        put(Node(anvil.url))


@pytest.mark.anvil
def test_without_the_deterministic_deployer_nothing_is_tried(anvil: Anvil) -> None:
    anvil.rpc("anvil_setCode", CREATE2_DEPLOYER, "0x")

    with pytest.raises(ChainRejected, match="no deterministic deployer"):
        put(Node(anvil.url))
    assert Node(anvil.url).nonce(DEV_ADDRESS, "pending") == 0


@pytest.mark.anvil
def test_a_poor_account_is_told_so(anvil: Anvil) -> None:
    anvil.rpc("anvil_setBalance", DEV_ADDRESS, "0x0")

    with pytest.raises(ChainRejected, match=r"refuses it: .*[Ii]nsufficient funds"):
        put(Node(anvil.url))


@pytest.mark.anvil
def test_a_ceiling_below_the_fee_is_told(anvil: Anvil) -> None:
    with pytest.raises(ChainRejected, match="above the ceiling of 1"):
        deploy(Node(anvil.url), SIGNER, max_fee=1, sleep=lambda _: None)


@pytest.mark.anvil
def test_what_is_not_mined_in_time_is_unavailable_and_can_be_run_again(
    start_anvil: Callable[..., Anvil],
) -> None:
    anvil = start_anvil("--no-mining")

    with pytest.raises(ChainUnavailable, match="not mined yet; run this again"):
        put(Node(anvil.url))
    with pytest.raises(ChainUnavailable, match="transactions under way"):
        put(Node(anvil.url))
    anvil.mine()
    anvil.rpc("evm_setAutomine", True)
    assert [each.gas_used is None for each in put(Node(anvil.url))] == [True, False]


def test_a_deployment_that_is_mined_and_fails_is_rejected() -> None:
    """The chain in memory runs no constructors, so no code appears."""
    chain = MemoryChain()
    chain.codes = {CREATE2_DEPLOYER: b"\1"}
    chain.automine = True

    with pytest.raises(ChainRejected, match="was mined and failed"):
        deploy(chain, SIGNER, max_fee=MAX_FEE, sleep=lambda _: None)


def test_the_two_registries_are_the_ones_of_the_specification() -> None:
    assert [each.name for each in REGISTRIES] == ["AnchorRegistry", "IssuerRegistry"]
