"""The files of tests/vectors/reports: a file, what the chain answers, and the report expected."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.core import registries
from ledger.core.canonical import Json, encode_time
from ledger.core.issuer import IssuerReference
from ledger.core.keys import SigningKey
from ledger.errors import ChainUnavailable
from ledger.verify.networks import Network, encode_networks
from ledger.verify.rpc import RpcReader, Tag
from ledger.verify.trust import Trusted, TrustList, encode_trust_list
from ledger.verify.verification import verify
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
from tests.unit.verify.fakes import NETWORK, FakeChain, answer_of

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


def files() -> dict[str, bytes]:
    """Every file by its path below FOLDER."""
    code = {address: f"0x{text.hex()}" for address, text in FakeChain().code_of.items()}
    written = {"code.json": _json(code), "README.md": _README}
    for name, make in CASES.items():
        for file, data in _case_files(make()).items():
            written[f"{name}/{file}"] = data
    return written


def _case_files(made: Case) -> dict[str, bytes]:
    readers = [Recorder(chain) for chain in (made.world.chain, *made.others)]
    data = made.world.data if made.data is None else made.data
    report = verify(
        data,
        readers=readers,
        networks=[made.network],
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
    return written


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


_README = b"""\
# Reports

One folder for each check. The verifier is given:

* `file`: the credential file,
* `networks.json`, and `trust.json` where there is one,
* `given.json`: the time `now`, the e-mail address that is asked about (or null), and for each RPC address what a node
  there answers: JSON-RPC method, params, and result or error. `eth_getCode` that is not listed is answered from
  `code.json`; whatever else is not listed is answered by an error.

and must come to `report.json`; `report.txt` is the same report for a person. Of `report.json` the verdict, the code and
outcome of every step, `claims`, `issuer`, `read`, `sources`, `accordingTo`, `tone`, `exitCode` and `test` are normative
(docs/spec/verification.md); headings, titles, details and advice may be worded otherwise.
"""
