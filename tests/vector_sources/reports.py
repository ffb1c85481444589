"""The files of tests/vectors/reports: a file, what the chain answers, and the report expected."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.core import registries
from ledger.core.canonical import Json, encode_time
from ledger.core.evidence import Evidence
from ledger.core.issuer import IssuerReference
from ledger.core.keys import SigningKey
from ledger.errors import ChainUnavailable
from ledger.verify.checkpoints import Checkpoint, encode_checkpoints
from ledger.verify.networks import Network, encode_networks
from ledger.verify.rpc import Block, RpcReader, Tag
from ledger.verify.trust import Trusted, TrustList, encode_trust_list
from ledger.verify.verification import verify
from tests.registry_state import NEIGHBOURS, issuer_words, state_trie
from tests.unit.verify.credentials import (
    BEGAN,
    EMAIL,
    INDEX,
    KEY,
    LISTED,
    NOW,
    PROFILE,
    REFERENCE,
    T,
    World,
    durable,
    edited,
    signed,
    world,
)
from tests.unit.verify.fakes import NETWORK, FakeChain, FakeState, answer_of
from tests.unit.verify.proofs import (
    BLOCK,
    checkpoint,
    evidence_from,
    header_at,
    prove,
    questions_of,
    tamper,
)

FOLDER = Path(__file__).parents[1] / "vectors" / "reports"
BOARD = replace(REFERENCE, issuer_id=b"\x02" * 32)
BY_BOARD = TrustList("Admissions", accreditors=(Trusted(BOARD, "Skills Board"),))


@dataclass
class Case:
    """One check: everything that the verifier is given."""

    world: World = field(default_factory=world)
    data: bytes | None = None
    network: Network = NETWORK
    trust: TrustList | None = LISTED
    now: datetime = NOW
    email: str | None = None
    others: Sequence[FakeChain] = ()
    offline: bool = False
    checkpoints: Sequence[Checkpoint] = ()


class Recorder(RpcReader):
    """A reader that keeps every question and its answer."""

    def __init__(self, chain: FakeChain) -> None:
        super().__init__(chain.address)
        self._chain = chain
        self.answers: list[dict[str, Any]] = []

    def _ask(self, method: str, *params: Json) -> Json:
        entry: dict[str, Any] = {"method": method, "params": list(params)}
        try:
            entry["result"] = answer_of(self._chain, entry)
        except ChainUnavailable:
            entry["error"] = {"code": -32000, "message": "not available"}
            raise ChainUnavailable(
                f"{self.address} refused {method} (-32000): not available"
            ) from None
        finally:
            genuine = method == "eth_getCode" and self._is_genuine(str(params[0]))
            if not genuine and entry not in self.answers:
                self.answers.append(entry)
        return entry["result"]  # type: ignore[no-any-return]

    def _is_genuine(self, address: str) -> bool:
        return self._chain.code_of.get(address) == FakeChain().code_of[address]


CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__.replace("_", "-")] = make
    return make


@case
def genuine() -> Case:
    return Case(email=EMAIL)


@case
def genuine_by_endorsement() -> Case:
    w = world()
    pair = (BOARD.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
    w.chain.settled.endorsements[pair] = (BEGAN, 0, 0)
    return Case(w, trust=BY_BOARD)


@case
def genuine_of_a_closed_issuer() -> Case:
    w = world()
    w.issuer.closed_at = T + 1
    w.issuer.closed_for_good = True
    return Case(w)


@case
def genuine_on_a_test_network() -> Case:
    return Case(network=replace(NETWORK, test=True))


@case
def genuine_by_two_addresses() -> Case:
    w = world()
    slow = FakeChain(w.chain.settled, start=BEGAN, finalized=99, name="two.example")
    return Case(w, others=[slow])


@case
def not_a_credential() -> Case:
    return Case(data=b"A print-out carries no proof.\n")


@case
def not_a_credential_of_this_kind() -> Case:
    foreign = {"type": ["OpenBadgeCredential"], "issuer": "did:web:example.org"}
    return Case(data=json.dumps(foreign).encode())


@case
def changed_letter() -> Case:
    w = world()
    return Case(w, w.data.replace(b"Ada Lovelace", b"Ada Lovelase", 1))


@case
def changed_member_added() -> Case:
    w = world()
    return Case(w, edited(w.data, "note", value="x"))


@case
def changed_path() -> Case:
    w = world()
    return Case(w, edited(w.data, "proof", 1, "leafIndex", value=0))


def outside(window: tuple[int, int, int, int], closed_at: int = 0) -> Case:
    w = world()
    w.issuer.keys[KEY.public.key_id] = window
    w.issuer.closed_at = closed_at
    return Case(w)


@case
def contradicted_key_too_early() -> Case:
    return outside((T + 1, 0, 0, 1))


@case
def contradicted_key_ended() -> Case:
    return outside((BEGAN, T, 0, 1))


@case
def contradicted_key_compromised() -> Case:
    return outside((BEGAN, 0, T, 1))


@case
def contradicted_closed() -> Case:
    return outside((BEGAN, 0, 0, 1), closed_at=T)


@case
def contradicted_key_ended_and_not_recorded() -> Case:
    made = outside((BEGAN, BEGAN + 900, 0, 1))
    return replace(made, data=made.world.file.credential.data)


@case
def contradicted_key_unknown() -> Case:
    stranger = SigningKey.from_seed(b"\x66" * 32)
    return Case(data=signed(stranger).data)


@case
def contradicted_other_registry() -> Case:
    lookalike = IssuerReference(777, "0x" + "9" * 40, REFERENCE.issuer_id)
    return Case(world(durable(signed(reference=lookalike))))


@case
def contradicted_profile_unknown() -> Case:
    w = world()
    path = ("proof", 1, "issuerProfile", "name")
    return Case(w, edited(w.data, *path, value="Famous University"))


@case
def contradicted_record_mismatch() -> Case:
    w = world()
    path = ("proof", 1, "anchors", 0, "blockNumber")
    return Case(w, edited(w.data, *path, value=51))


@case
def contradicted_record_not_found() -> Case:
    w = world()
    w.chain.settled.anchors.clear()
    return Case(w)


@case
def contradicted_other_person() -> Case:
    return Case(email="eve@example.org")


@case
def withdrawn() -> Case:
    w = world()
    w.issuer.revoked.add(INDEX)
    return Case(w)


@case
def withdrawn_stripped() -> Case:
    made = withdrawn()
    return replace(made, data=made.world.file.credential.data)


@case
def incomplete_unreachable() -> Case:
    w = world()
    w.chain.broken_tags[Tag.LATEST] = "is silent"
    return Case(w)


@case
def incomplete_unknown_network() -> Case:
    return Case(network=replace(NETWORK, chain_id=778))


@case
def incomplete_other_chain() -> Case:
    return Case(network=replace(NETWORK, genesis_hash=b"\x00" * 32))


@case
def incomplete_no_registry() -> Case:
    w = world()
    w.chain.code_of[registries.ISSUER_REGISTRY] = b""
    return Case(w)


@case
def incomplete_disagreement() -> Case:
    w = world()
    w.issuer.revoked.add(INDEX)
    liar = FakeChain(world().chain.settled, start=BEGAN, name="two.example")
    return Case(w, others=[liar])


def _further(state: FakeState) -> FakeChain:
    """An address that knows final blocks in which something happened, and names others."""

    class Further(FakeChain):
        def block(self, which: Tag | int) -> Block:
            return super().block(99 if which is Tag.FINALIZED else which)

    settled = world().chain.settled
    return Further(settled, newest=state, finalized=60, start=BEGAN, name="two.example")


@case
def incomplete_withdrawn_since_says_one_address() -> Case:
    w = world()
    w.chain.latest = 100
    withdrawn = replace(w.issuer, revoked={INDEX})
    later = replace(w.chain.settled, issuers={REFERENCE.issuer_id: withdrawn})
    ahead = FakeChain(w.chain.settled, newest=later, start=BEGAN, name="two.example")
    return Case(w, others=[ahead])


@case
def incomplete_key_compromised_since_says_one_address() -> Case:
    w = world()
    w.chain.finalized = 60
    lost = replace(w.issuer, keys={KEY.public.key_id: (BEGAN, 0, T, 1)})
    later = replace(w.chain.settled, issuers={REFERENCE.issuer_id: lost})
    w.chain.newest = later
    return Case(w, others=[_further(later)])


@case
def incomplete_key_compromised_since_says_the_evidence() -> Case:
    w = world()
    lost = replace(w.issuer, keys={KEY.public.key_id: (BEGAN, 0, T, 1)})
    prove(w, replace(w.chain.settled, issuers={REFERENCE.issuer_id: lost}), number=105)
    return Case(w)


@case
def incomplete_behind() -> Case:
    return Case(now=NOW + timedelta(days=2))


@case
def unknown_issuer() -> Case:
    return Case(trust=None)


@case
def not_recorded() -> Case:
    return Case(data=signed().data)


@case
def not_recorded_not_final() -> Case:
    w = world()
    w.chain.settled.anchors.clear()
    w.chain.finalized = 49
    return Case(w)


@case
def expired() -> Case:
    end = datetime(2026, 7, 1, tzinfo=UTC)
    file = durable(
        signed(
            valid_for="P1D",
            awarded_on=end.date() - timedelta(days=1),
            issued_at=end - timedelta(hours=1),
        )
    )
    return Case(world(file))


@case
def not_yet_valid() -> Case:
    return Case(world(durable(signed(issued_at=NOW + timedelta(seconds=1)))))


# ---------------------------------------------------------------- evidence


def proven(*accreditors: IssuerReference) -> Case:
    """A file with evidence of block 90, and the checkpoint of that block."""
    w = world()
    if accreditors:
        pair = (BOARD.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
        w.chain.settled.endorsements[pair] = (BEGAN, 0, 0)
    point = checkpoint(prove(w, accreditors=[each.issuer_id for each in accreditors]))
    return Case(w, checkpoints=[point])


def alone(made: Case) -> Case:
    """The same without anybody to ask."""
    return replace(made, offline=True)


def after(change: Callable[[World], object]) -> Case:
    """A file with evidence of what the chain holds after a change."""
    w = world()
    change(w)
    return Case(w, checkpoints=[checkpoint(prove(w))])


def damaged(change: Callable[[Evidence], Evidence]) -> Case:
    """A file whose evidence was changed; its block is trusted all the same."""
    made = proven()
    evidence = change(evidence_in(made))
    tamper(made.world, evidence)
    return alone(made)


def evidence_in(made: Case) -> Evidence:
    evidence = made.world.file.proof.home.evidence
    if evidence is None:
        raise RuntimeError("this case has no evidence")
    return evidence


def of_state(state: FakeState, number: int = BLOCK) -> Case:
    """Evidence of another state than the one in which the file is genuine."""
    w = world()
    header = header_at(state, number)
    evidence = evidence_from(state, questions_of(w.file), header)
    tamper(w, evidence)
    return alone(Case(w, checkpoints=[checkpoint(evidence)]))


@case
def genuine_with_evidence() -> Case:
    return proven()


@case
def genuine_offline_of_a_closed_issuer() -> Case:
    def close(w: World) -> None:
        w.issuer.closed_at, w.issuer.closed_for_good = T + 1, True

    return alone(after(close))


@case
def genuine_as_of() -> Case:
    return replace(alone(proven()), email=EMAIL)


@case
def genuine_as_of_by_endorsement() -> Case:
    return replace(alone(proven(BOARD)), trust=BY_BOARD)


@case
def genuine_as_of_with_a_successor() -> Case:
    def close(w: World) -> None:
        w.issuer.closed_at = T + 1

    return alone(after(close))


@case
def genuine_as_of_on_a_test_network() -> Case:
    return replace(alone(proven()), network=replace(NETWORK, test=True))


@case
def unknown_issuer_offline() -> Case:
    return replace(alone(proven()), trust=BY_BOARD)


@case
def withdrawn_offline() -> Case:
    return alone(after(lambda w: w.issuer.revoked.add(INDEX)))


@case
def contradicted_key_compromised_offline() -> Case:
    window = (BEGAN, 0, T, 1)
    return alone(after(lambda w: w.issuer.keys.update({KEY.public.key_id: window})))


@case
def contradicted_evidence_malformed() -> Case:
    return damaged(lambda whole: replace(whole, header=whole.header[:-1]))


@case
def contradicted_evidence_in_another_order() -> Case:
    return damaged(lambda whole: replace(whole, nodes=whole.nodes[::-1]))


@case
def contradicted_evidence_incomplete() -> Case:
    return damaged(lambda whole: replace(whole, nodes=whole.nodes[:-1]))


@case
def contradicted_evidence_surplus() -> Case:
    return damaged(lambda whole: replace(whole, nodes=(*whole.nodes, b"\x80")))


@case
def contradicted_evidence_stitched() -> Case:
    """The state before the withdrawal under the header after it."""
    made = proven()
    made.world.issuer.revoked.add(INDEX)
    header = header_at(made.world.chain.settled)
    tamper(made.world, replace(evidence_in(made), header=header.raw))
    return alone(made)


@case
def contradicted_evidence_elsewhere() -> Case:
    """True, and of this block: about another sealed root."""
    w = world()
    state, other = w.chain.settled, b"\x77" * 32
    state.anchors[other] = (T, 50)
    questions = replace(questions_of(w.file), sealed_root=other)
    evidence = evidence_from(state, questions, header_at(state))
    tamper(w, evidence)
    return alone(Case(w, checkpoints=[checkpoint(evidence)]))


@case
def contradicted_evidence_of_a_lookalike() -> Case:
    """The genuine code at another address, over a storage in which nothing is withdrawn."""
    w = world()
    address, words = "0x" + "1a" * 20, issuer_words(w.chain.settled)
    w.issuer.revoked.add(INDEX)
    genuine = state_trie(w.chain.settled).contracts[registries.ISSUER_REGISTRY]
    copy = replace(genuine, storage=words)
    trie = state_trie(w.chain.settled, others=NEIGHBOURS | {address: copy})
    questions = replace(questions_of(w.file), issuer_registry=address)
    evidence = evidence_from(trie, questions, header_at(trie))
    tamper(w, evidence)
    return alone(Case(w, checkpoints=[checkpoint(evidence)]))


@case
def contradicted_evidence_no_registry() -> Case:
    w = world()
    trie = state_trie(w.chain.settled, issuer_code=b"\x09" * 32)
    questions = questions_of(w.file)
    nodes = dict.fromkeys(
        [
            *trie.proof(questions.anchor_registry, questions.anchor_slots()).pool,
            *trie.proof(questions.issuer_registry, questions.issuer_slots()).pool,
        ]
    )
    evidence = Evidence(header_at(trie).raw, tuple(nodes))
    tamper(w, evidence)
    return alone(Case(w, checkpoints=[checkpoint(evidence)]))


@case
def contradicted_evidence_too_old() -> Case:
    return of_state(replace(world().chain.settled, anchors={}), number=49)


@case
def contradicted_evidence_mismatch() -> Case:
    return of_state(replace(world().chain.settled, anchors={}))


@case
def contradicted_evidence_other_block() -> Case:
    """A stale header: the node has another block of that number."""
    made = proven()
    made.world.chain.headers.clear()
    return replace(made, checkpoints=())


@case
def incomplete_nobody_to_ask() -> Case:
    return replace(alone(proven()), checkpoints=())


@case
def incomplete_evidence_untrusted() -> Case:
    made = alone(proven())
    return replace(
        made, checkpoints=[replace(made.checkpoints[0], block_hash=b"\x0f" * 32)]
    )


@case
def incomplete_evidence_other_chain() -> Case:
    made = alone(proven())
    return replace(made, checkpoints=[replace(made.checkpoints[0], chain_id=1)])


@case
def incomplete_no_evidence_offline() -> Case:
    made = alone(proven())
    return replace(made, data=made.world.file.credential.data)


@case
def incomplete_withdrawn_by_the_evidence_only() -> Case:
    """The node lies about the withdrawal."""
    made = after(lambda w: w.issuer.revoked.add(INDEX))
    made.world.issuer.revoked.clear()
    return made


@case
def incomplete_trusted_block_disputed() -> Case:
    made = proven()
    made.world.chain.headers.clear()
    return made


def files() -> dict[str, bytes]:
    """Every file by its path below FOLDER."""
    code = {address: f"0x{text.hex()}" for address, text in FakeChain().code_of.items()}
    written = {"code.json": _json(code), "README.md": _README}
    for name, make in CASES.items():
        for file, data in _case_files(make()).items():
            written[f"{name}/{file}"] = data
    return written


def _case_files(made: Case) -> dict[str, bytes]:
    asked = () if made.offline else (made.world.chain, *made.others)
    readers = [Recorder(chain) for chain in asked]
    data = made.world.data if made.data is None else made.data
    report = verify(
        data,
        readers=readers,
        networks=[made.network],
        checkpoints=made.checkpoints,
        trust=made.trust,
        now=made.now,
        email=made.email,
        file="file",
    )
    given = {
        "now": encode_time(made.now),
        "email": made.email,
        "addresses": [
            {"address": reader.address, "answers": reader.answers} for reader in readers
        ],
    }
    written = {
        "file": data,
        "given.json": _json(given),
        "networks.json": encode_networks([made.network]),
        "report.json": _json(report.to_json()),
        "report.txt": report.to_text().encode(),
    }
    if made.trust is not None:
        written["trust.json"] = encode_trust_list(made.trust)
    if made.checkpoints:
        written["checkpoints.json"] = encode_checkpoints(made.checkpoints)
    return written


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


_README = b"""\
# Reports

One folder for each check. The verifier is given:

* `file`: the credential file,
* `networks.json`, and `trust.json` and `checkpoints.json` where there are such,
* `given.json`: the time `now`, the e-mail address that is asked about (or null), and for each RPC address what a node
  there answers (no address at all: nobody is asked): JSON-RPC method, params, and result or error. `eth_getCode` that is not listed is answered from
  `code.json`; whatever else is not listed is answered by an error.

and must come to `report.json`; `report.txt` is the same report for a person. Of `report.json` the verdict, the code and
outcome of every step, `claims`, `issuer`, `read`, `sources`, `accordingTo`, `tone`, `exitCode` and `test` are normative
(docs/spec/verification.md); headings, titles, details and advice may be worded otherwise.
"""
