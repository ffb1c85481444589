"""Verifiers that we did not write read what we issue, and refuse what was tampered with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jsonschema_rs
import pytest

from ledger.core import canonical
from ledger.core.canonical import Json
from tests.outsiders import samples, verifiers
from tests.outsiders.samples import Samples
from tests.outsiders.verifiers import Answer

pytestmark = pytest.mark.slow

SCHEMA = (
    Path(__file__).parents[1]
    / "vectors/published/schema/ob_v3p0_achievementcredential_schema.json"
)
CASES = [
    f"{case}, {form}" for case in samples.awards() for form in ("signed", "durable")
]
Document = dict[str, Json]
MULTIKEY = "https://w3id.org/security/multikey/v1"


def at(document: Document, *path: str | int) -> Document:
    """The object at a path inside a document."""
    value: Json = document
    for step in path:
        if isinstance(step, int):
            assert isinstance(value, list)
            value = value[step]
        else:
            assert isinstance(value, dict)
            value = value[step]
    assert isinstance(value, dict)
    return value


def _letter(document: Document) -> None:
    achievement = at(document, "credentialSubject", "achievement")
    achievement["name"] = f"{achievement['name']}!"


def _person(document: Document) -> None:
    at(document, "credentialSubject", "identifier", 0)["identityHash"] = (
        "sha256$" + "0" * 64
    )


def _status(document: Document) -> None:
    at(document, "credentialStatus")["statusListIndex"] = "7"


def _key(document: Document) -> None:
    at(document, "issuer")["name"] = "Another School"


def _signature(document: Document) -> None:
    proof = at(document, "proof", 0)
    value = str(proof["proofValue"])
    proof["proofValue"] = value[:-1] + ("2" if value[-1] != "2" else "3")


def _nonce(document: Document) -> None:
    proof = at(document, "proof", 0)
    value = str(proof["nonce"])
    proof["nonce"] = value[:-1] + ("A" if value[-1] != "A" else "E")


def _created(document: Document) -> None:
    at(document, "proof", 0)["created"] = "2020-01-01T00:00:00Z"


TAMPERED: dict[str, Callable[[Document], None]] = {
    "a letter of the title": _letter,
    "the person": _person,
    "the status index": _status,
    "the school's name": _key,
    "the signature": _signature,
    "the nonce": _nonce,
    "the date of signing": _created,
}


def tampered_documents(made: Mapping[str, Document]) -> dict[str, Document]:
    changed = {}
    for form in ("signed", "durable"):
        for what, change in TAMPERED.items():
            document = copy.deepcopy(made[f"everything, expiring, {form}"])
            change(document)
            changed[f"{what}, {form}"] = document
    return changed


@pytest.fixture(scope="module")
def made() -> Samples:
    return samples.build()


@pytest.fixture(scope="module")
def documents(made: Samples) -> dict[str, Document]:
    genuine = made.documents()
    return genuine | tampered_documents(genuine)


NODE = ["digital-bazaar.mjs", "dcc.mjs"]


@dataclass(frozen=True, slots=True)
class Said:
    """All that one program said, by case."""

    program: str
    answers: Mapping[str, Answer]


@pytest.fixture(scope="module", params=NODE)
def node_said(
    request: pytest.FixtureRequest,
    made: Samples,
    documents: dict[str, Document],
    tmp_path_factory: pytest.TempPathFactory,
) -> Said:
    """One start of the program answers for all files."""
    folder = tmp_path_factory.mktemp("outsiders")
    files = {case: folder / f"{n}.json" for n, case in enumerate(documents)}
    for case, file in files.items():
        file.write_bytes(canonical.encode(documents[case]))
    status_list = folder / "status.json"
    status_list.write_bytes(canonical.encode(made.status_list))
    offers = {samples.STATUS_LIST: status_list, verifiers.SCHEMA_URL: SCHEMA}
    answers = verifiers.node(request.param, list(files.values()), offers)
    return Said(request.param, {case: answers[file] for case, file in files.items()})


@pytest.fixture(scope="module")
def openvc_answers(made: Samples, documents: dict[str, Document]) -> dict[str, Answer]:
    lists = {samples.STATUS_LIST: made.status_list}
    return {
        case: verifiers.openvc(document, lists) for case, document in documents.items()
    }


@pytest.fixture(scope="module")
def openbadgeslib_answers(documents: dict[str, Document]) -> dict[str, Answer]:
    return {
        case: verifiers.openbadgeslib(document) for case, document in documents.items()
    }


def test_the_samples_show_every_shape(made: Samples) -> None:
    """What the issue names: results, evidence, alignments, a partner, ten scripts, an end."""
    full = made.signed["everything, expiring"].document
    subject = at(full, "credentialSubject")

    assert {"result", "source", "narrative"} <= subject.keys()
    assert {"evidence", "validUntil", "credentialStatus"} <= full.keys()
    assert at(full, "credentialSubject", "achievement")["alignment"] != []
    assert len(samples.NAMES) >= 10
    assert len(CASES) == 2 * len(made.signed) == 2 * len(made.durable)


@pytest.mark.parametrize("case", CASES)
def test_node_verifiers_accept(node_said: Said, case: str) -> None:
    answer = node_said.answers[case]

    assert answer.verified, answer.errors
    assert answer.revoked is case.startswith("withdrawn")
    # Digital Bazaar's asks for no schema; the consortium's does.
    assert answer.schema is (
        None if node_said.program == "digital-bazaar.mjs" else True
    )
    assert answer.errors == ()
    assert answer.asked == ()


@pytest.mark.parametrize("form", ["signed", "durable"])
@pytest.mark.parametrize("what", TAMPERED)
def test_node_verifiers_refuse(node_said: Said, what: str, form: str) -> None:
    answer = node_said.answers[f"{what}, {form}"]

    assert not answer.verified
    assert answer.errors != ()


@pytest.mark.parametrize("case", CASES)
def test_openvc_accepts(openvc_answers: dict[str, Answer], case: str) -> None:
    expected = Answer(verified=True, revoked=case.startswith("withdrawn"))

    assert openvc_answers[case] == expected


@pytest.mark.parametrize("case", CASES)
def test_openbadgeslib_accepts(
    openbadgeslib_answers: dict[str, Answer], case: str
) -> None:
    assert openbadgeslib_answers[case] == Answer(verified=True)


@pytest.mark.parametrize("form", ["signed", "durable"])
@pytest.mark.parametrize("what", TAMPERED)
def test_python_verifiers_refuse(
    openvc_answers: dict[str, Answer],
    openbadgeslib_answers: dict[str, Answer],
    what: str,
    form: str,
) -> None:
    case = f"{what}, {form}"

    assert not openvc_answers[case].verified
    assert not openbadgeslib_answers[case].verified


@pytest.mark.parametrize("case", CASES)
def test_official_schema_finds_nothing(
    documents: dict[str, Document], case: str
) -> None:
    schema = canonical.parse_object(SCHEMA.read_bytes())
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)

    assert [str(error) for error in validator.iter_errors(documents[case])] == []


def test_official_schema_notices(documents: dict[str, Document]) -> None:
    """Else the silence above would mean nothing."""
    schema = canonical.parse_object(SCHEMA.read_bytes())
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    document = copy.deepcopy(documents["plain, signed"])
    del at(document, "credentialSubject", "achievement")["criteria"]
    document["validFrom"] = "yesterday"

    assert len(list(validator.iter_errors(document))) == 2


@pytest.mark.parametrize("program", NODE)
def test_the_bit_decides_and_nothing_else(
    made: Samples, tmp_path: Path, program: str
) -> None:
    """The same credential under a list that withdraws its neighbours only."""
    withdrawn = made.signed["withdrawn"]
    index = withdrawn.status_index
    status_list = samples.status_list([index - 1, index + 1])
    for name, content in {
        "badge.json": withdrawn.data,
        "status.json": canonical.encode(status_list),
    }.items():
        (tmp_path / name).write_bytes(content)
    offers = {
        samples.STATUS_LIST: tmp_path / "status.json",
        verifiers.SCHEMA_URL: SCHEMA,
    }

    answer = verifiers.node(program, [tmp_path / "badge.json"], offers)

    assert answer[tmp_path / "badge.json"].revoked is False
    lists = {samples.STATUS_LIST: status_list}
    assert verifiers.openvc(withdrawn.document, lists).revoked is False


@pytest.mark.parametrize("program", NODE)
def test_a_tampered_status_list_is_refused(
    made: Samples, tmp_path: Path, program: str
) -> None:
    """Nobody can clear a withdrawal by editing the list."""
    withdrawn = made.signed["withdrawn"]
    status_list = copy.deepcopy(made.status_list)
    clear = at(samples.status_list([]), "credentialSubject")["encodedList"]
    at(status_list, "credentialSubject")["encodedList"] = clear
    (tmp_path / "badge.json").write_bytes(withdrawn.data)
    (tmp_path / "status.json").write_bytes(canonical.encode(status_list))
    offers = {
        samples.STATUS_LIST: tmp_path / "status.json",
        verifiers.SCHEMA_URL: SCHEMA,
    }

    answer = verifiers.node(program, [tmp_path / "badge.json"], offers)

    assert answer[tmp_path / "badge.json"].revoked is None
    assert answer[tmp_path / "badge.json"].errors != ()


@pytest.mark.parametrize("program", NODE)
@pytest.mark.parametrize("form", ["signed", "tampered"])
def test_a_school_with_its_own_domain(tmp_path: Path, program: str, form: str) -> None:
    """did:web: the key is found on the school's site, as long as that stands."""
    school = samples.WEB_ISSUER
    code, award = samples.awards()["everything, expiring"]
    document = samples.signed_credential(5, code, award, issuer=school).document
    if form == "tampered":
        document = copy.deepcopy(document)
        _letter(document)
    published = samples.did_document(school)
    key = at(published, "verificationMethod", 0)
    contents: dict[str, tuple[str, Json]] = {
        "status": (samples.STATUS_LIST, samples.status_list([], school)),
        # One asks for the DID and the key in it, the other for the file on the site.
        "did": (school.id, published),
        "key": (school.verification_method, {**key, "@context": MULTIKEY}),
        "site": ("https://riverside.example.org/.well-known/did.json", published),
    }
    offers = {verifiers.SCHEMA_URL: SCHEMA}
    for name, (url, content) in contents.items():
        offers[url] = tmp_path / f"{name}.json"
        offers[url].write_bytes(canonical.encode(content))
    badge = tmp_path / "badge.json"
    badge.write_bytes(canonical.encode(document))

    answer = verifiers.node(program, [badge], offers)[badge]

    assert answer.verified is (form == "signed"), answer.errors
    assert answer.asked == ()
