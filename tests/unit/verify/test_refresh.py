"""New evidence for a file, from any node that proves the finalized block."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from ledger.core.durable import DurableCredential
from ledger.errors import ChainUnavailable, ProofError
from ledger.verify.networks import Network
from ledger.verify.refresh import refresh
from ledger.verify.report import Verdict
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import Trusted, TrustList
from tests.unit.verify.credentials import (
    BEGAN,
    INDEX,
    PROFILE,
    REFERENCE,
    T,
    World,
    durable,
    signed,
    world,
)
from tests.unit.verify.fakes import NETWORK, FakeChain, served
from tests.unit.verify.proofs import checkpoint, prove, serve_proofs

BOARD, GUILD = (replace(REFERENCE, issuer_id=bytes([n]) * 32) for n in (2, 3))
TRUST = TrustList(
    "Mine", accreditors=(Trusted(BOARD, "Skills Board"), Trusted(GUILD, "Guild"))
)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def reader_of(chain: FakeChain, stack: ExitStack) -> RpcReader:
    server = stack.enter_context(served(chain))
    return stack.enter_context(closing(RpcReader(server.url)))


def refreshed(
    w: World,
    stack: ExitStack,
    *others: FakeChain,
    trust: TrustList | None = None,
    network: Network = NETWORK,
) -> DurableCredential:
    readers = [reader_of(chain, stack) for chain in (w.chain, *others)]
    return refresh(w.file, readers=readers, networks=[network], trust=trust)


def test_a_file_gets_evidence_of_the_finalized_block(stack: ExitStack) -> None:
    w = world()
    serve_proofs(w)

    file = refreshed(w, stack)
    evidence = file.proof.home.evidence
    assert evidence is not None
    assert evidence.block.number == w.chain.finalized
    assert file.with_evidence(None) == w.file
    report = w.verify(file.encode(), readers=[], checkpoints=[checkpoint(evidence)])
    assert report.verdict is Verdict.GENUINE_AS_OF


def test_older_evidence_gives_way_and_a_later_withdrawal_is_seen(
    stack: ExitStack,
) -> None:
    w = world()
    old = checkpoint(prove(w))
    w.issuer.revoked.add(INDEX)
    serve_proofs(w)

    assert w.verify(readers=[], checkpoints=[old]).verdict is Verdict.GENUINE_AS_OF
    new = refreshed(w, stack)
    evidence = new.proof.home.evidence
    assert evidence is not None
    points = [old, checkpoint(evidence)]
    report = w.verify(new.encode(), readers=[], checkpoints=points)
    assert report.verdict is Verdict.WITHDRAWN


def test_endorsements_of_trusted_accreditors_go_in_and_those_named_before_stay(
    stack: ExitStack,
) -> None:
    w = world()
    other = replace(REFERENCE, issuer_id=b"\x09" * 32)
    for accreditor in (BOARD, other):
        key = (accreditor.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
        w.chain.settled.endorsements[key] = (BEGAN, 0, 0)
    prove(w, accreditors=[other.issuer_id])
    serve_proofs(w)

    evidence = refreshed(w, stack, trust=TRUST).proof.home.evidence
    assert evidence is not None
    assert evidence.accreditors == (BOARD.issuer_id, other.issuer_id)


def test_more_accreditors_than_fit_are_cut_off(stack: ExitStack) -> None:
    w = world()
    many = [replace(REFERENCE, issuer_id=bytes([n]) * 32) for n in range(10, 110)]
    for accreditor in many:
        key = (accreditor.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
        w.chain.settled.endorsements[key] = (BEGAN, 0, 0)
    serve_proofs(w)
    trust = TrustList("Many", accreditors=tuple(Trusted(a, "A") for a in many))

    evidence = refreshed(w, stack, trust=trust).proof.home.evidence
    assert evidence is not None
    assert evidence.accreditors == tuple(a.issuer_id for a in many[:16])


def test_an_address_that_proves_nothing_is_passed_over(stack: ExitStack) -> None:
    w = world()
    serve_proofs(w)
    blind = replace(w.chain, states={}, name="blind.example")

    readers = [reader_of(chain, stack) for chain in (blind, w.chain)]
    file = refresh(w.file, readers=readers, networks=[NETWORK], trust=None)
    assert file.proof.home.evidence is not None
    with pytest.raises(ChainUnavailable, match=r"nobody proves block 100: .*window"):
        refresh(w.file, readers=readers[:1], networks=[NETWORK], trust=None)


def test_proofs_of_another_state_are_never_put_in(stack: ExitStack) -> None:
    w = world()
    serve_proofs(w)
    w.issuer.revoked.add(INDEX)
    later = w.chain.states
    serve_proofs(w, 101)
    w.chain.states = {100: later[101]}

    with pytest.raises(ChainUnavailable, match=r"nobody proves block 100: .*missing"):
        refreshed(w, stack)


def test_a_header_of_another_block_is_never_put_in(stack: ExitStack) -> None:
    """The addresses agree on the block first; what one gives afterwards must be that block."""
    w = world()
    serve_proofs(w)

    class Fickle(RpcReader):
        def header(self, number: int):  # type: ignore[no-untyped-def]
            del number
            return w.chain.headers[99]

    w.chain.headers[99] = replace(w.chain.headers[100])
    serve_proofs(w, 99)
    server = stack.enter_context(served(w.chain))
    fickle = stack.enter_context(closing(Fickle(server.url)))
    with pytest.raises(ChainUnavailable, match="changed its mind"):
        refresh(w.file, readers=[fickle], networks=[NETWORK], trust=None)


@pytest.mark.parametrize(
    ("anchor", "reason"),
    [(None, "does not know the file"), ((T + 1, 50), "the registry says block 50")],
)
def test_a_file_that_the_chain_does_not_know_so_is_refused(
    stack: ExitStack, anchor: tuple[int, int] | None, reason: str
) -> None:
    w = world()
    root = w.file.proof.sealed_root
    w.chain.settled.anchors = {} if anchor is None else {root: anchor}
    serve_proofs(w)

    with pytest.raises(ProofError, match=reason):
        refreshed(w, stack)


def test_registries_that_are_not_the_networks_are_refused(stack: ExitStack) -> None:
    lookalike = replace(REFERENCE, registry="0x" + "1a" * 20)
    w = world(durable(signed(reference=lookalike)))
    with pytest.raises(ProofError, match="IssuerRegistry 0x1a1a"):
        refreshed(w, stack)

    w = world()
    home = replace(w.file.proof.home, registry="0x" + "1b" * 20)
    w.file = replace(w.file, proof=replace(w.file.proof, anchors=(home,)))
    with pytest.raises(ProofError, match="AnchorRegistry 0x1b1b"):
        refreshed(w, stack)


def test_without_an_accepted_network_or_an_address_nothing_is_asked(
    stack: ExitStack,
) -> None:
    w = world()
    with pytest.raises(ChainUnavailable, match="no network that you accept"):
        refreshed(w, stack, network=replace(NETWORK, chain_id=5))
    with pytest.raises(ChainUnavailable, match="no network address"):
        refresh(w.file, readers=[], networks=[NETWORK], trust=None)
    assert w.chain.asked == []


def test_addresses_that_disagree_about_the_block_settle_nothing(
    stack: ExitStack,
) -> None:
    w = world()
    serve_proofs(w)
    fork = replace(w.chain, fork="x", name="two.example")

    with pytest.raises(ChainUnavailable, match="different answers about block 100"):
        refreshed(w, stack, fork)
