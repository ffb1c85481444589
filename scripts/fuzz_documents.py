"""Documents to try canonicalisers on: examples, generated ones, and damage of every kind."""

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ledger.core.rdf import CREDENTIAL_CONTEXTS, STATUS_LIST_CONTEXTS

VECTORS = Path(__file__).resolve().parent.parent / "tests" / "vectors"
CLR_CONTEXT = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"

Document: TypeAlias = dict[str, Any]

#: What escapes, sorts or encodes in a way of its own, and the edges of every range of UTF-8.
LETTERS = (
    "a", "Z", "0", "1", " ", "_", "-", "/", "<", ">", ":", "#", "@", "'", '"', "\\", "\\u", "\\b",
    "\n", "\r", "\t", "\b", "\f", "\x00", "\x1f", "\x7f", "\x80", "\x85", "\xa0", "é", "e\u0301",
    "\u07ff", "\u0800", "\u2028", "\u2029", "\ud7ff", "\ud800", "\udfff", "\ue000", "\ufb33",
    "\ufdd0", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0001f600", "\U0010ffff",
    "ß", "İ", "ffi", "ك", "中", "1.5", ":1.0", "null", "_:b0", "^^<x>", " .\n", "_:c14n0", "_:a", "%s", "%",
    "urn:blank0:0000", "urn:blank1:0001", "_:blank0000",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 3, 9007199254740991, -9007199254740991, 9007199254740992, -9007199254740992,
    2**63, 2**64, 10**30, 0.0, -0.0, 1.0, -1.0, 3.0, 0.1, 7.5, 2.5, 1e-3, 9.99e-4, 1e-5, 1e-6,
    9.9e-7, 1e-7, 5e-324, 2.2250738585072014e-308, 1e15, 1e16, 1e20, 1e21, 1e22, 1.7976931348623157e308,
    9007199254740991.0, 9007199254740992.0, 4503599627370495.5, 0.30000000000000004, 333333333.3333333,
    12345.678901234567, 1 / 3, float("inf"), float("-inf"), float("nan"), 1e300, 123456789012345678,
)  # fmt: skip

ODD: tuple[Any, ...] = (
    None, True, False, "", "x", "https://example.org/z", "did:key:z6Mk", "ext:Foo", "ob:image", "a b",
    "bell \x07", "del \x7f", "\ud800", "\uffff", "_:b0", "_:c14n0", "#frag", "../x", "//host/x", "?q",
    "Result", "assertionMethod", "urn:", "urn:x", "http://[", "http:", "https:///", "HTTP://EXAMPLE.org",
    "urn:a\u2028b", "https://a.example/\u3000", "xsd:string", "xsd", "id", "type", "@id", "@type", "@none", "@json", "@vocab", [], {}, ["a", "a"],
    ["a", ["b"]], [None], [[]], [{}], {"id": "https://example.org/only"}, {"id": "_:b0", "name": "n"},
    {"id": "_:b0", "type": ["Profile"], "name": "n"}, {"type": ["Profile"]}, {"type": []}, {"type": "Profile"},
    {"type": ["Profile", "Profile"]}, {"type": ["Nothing"]}, {"type": ["https://example.org/T"]},
    {"@id": "urn:x:y"}, {"@type": "Profile"}, {"@value": "v"}, {"@value": "v", "@language": "en"},
    {"@value": 1, "@type": "xsd:string"}, {"@list": ["a"]}, {"@set": ["a"]}, {"@graph": [{"name": "n"}]},
    {"@reverse": {"name": {"id": "urn:x:y"}}}, {"@vocab": "https://example.org/v#"}, {"@index": "i"},
    {"@context": {"name": "https://example.org/n"}, "name": "n"}, {"@context": None, "name": "n"},
    {"@context": [], "type": ["Profile"], "name": "n"}, {"@context": "https://example.org/c", "name": "n"},
    {"type": ["Result"], "value": "1"}, {"id": "urn:a:b", "type": ["Profile"], "name": "n"},
    {"type": ["Result"], "value": ["1", "1"]}, {"type": ["Achievement", "Profile"], "name": "n"},
)  # fmt: skip
NAMES = (
    "name", "image", "url", "creditsEarned", "creditsAvailable", "tag", "id", "type", "narrative", "related",
    "proof", "endorsement", "evidence", "result", "identifier", "criteria", "undeclared", "@graph", "@context",
    "@id", "@type", "@value", "@reverse", "@nest", "@included", "proofPurpose", "assertionMethod", "nonce",
    "https://purl.imsglobal.org/spec/vc/ob/vocab.html#Achievement", "https://schema.org/name", "xsd:string",
    "ob:name", "_:name", "", " ", "name ", "Name", "\U0001f600", "\ufb33", "verifiableCredential",
)  # fmt: skip


def text(rnd: random.Random, most: int = 8) -> str:
    """A text of hostile letters, or of any characters that there are."""
    count = rnd.randrange(most)
    if rnd.random() < 0.8:
        return "".join(rnd.choice(LETTERS) for _ in range(count))
    return "".join(chr(rnd.randrange(0x110000)) for _ in range(count))


def number(rnd: random.Random) -> int | float:
    """A number at an edge, or anywhere."""
    match rnd.randrange(4):
        case 0:
            return rnd.choice(NUMBERS)
        case 1:
            return rnd.randrange(-(2**54), 2**54)
        case 2:
            return rnd.random() * 10.0 ** rnd.randrange(-25, 25)
        case _:
            return round(rnd.uniform(-1000, 1000), rnd.randrange(4))


def value(rnd: random.Random, depth: int = 0) -> Any:
    """Any JSON value, and some that are none."""
    match rnd.randrange(9 if depth < 5 else 6):
        case 0:
            return rnd.choice([True, False, None])
        case 1 | 2:
            return number(rnd)
        case 3 | 4 | 5:
            return text(rnd)
        case 6:
            return [value(rnd, depth + 1) for _ in range(rnd.randrange(4))]
        case _:
            return {
                text(rnd, 4): value(rnd, depth + 1) for _ in range(rnd.randrange(5))
            }


def json_text(rnd: random.Random) -> bytes:
    """A text that is JSON or nearly: spelled in any way, names twice, cut, or a byte changed."""
    made = value(rnd)
    how = rnd.randrange(6)
    written = json.dumps(
        made,
        ensure_ascii=how == 0,
        separators=(",", ":") if how else None,
        sort_keys=how > 2,
    ).encode("utf-8", "surrogatepass")
    if rnd.random() < 0.3 and written:
        place = rnd.randrange(len(written))
        odd = rnd.choice(
            [
                b"",
                b" ",
                b"0",
                b"-",
                b"e1",
                b".0",
                b"\\",
                b'"',
                b"]",
                b"\xff",
                b"\xef\xbf\xbf",
            ]
        )
        written = written[:place] + odd + written[place + rnd.randrange(2) :]
    if rnd.random() < 0.2:
        written = b'{"a":' + written + b',"a":' + written + b"}"
    return written


def examples() -> list[Document]:
    """The examples of 1EdTech and W3C, our own vectors, and the options of their signatures."""
    found: list[Document] = []
    for folder in ("published", "credentials/valid"):
        for path in sorted((VECTORS / folder).rglob("*.json")):
            read = json.loads(path.read_bytes())
            if (
                isinstance(read, dict)
                and "@context" in read
                and "/contexts/" not in str(path)
            ):
                found += _parts(read)
    return found


def _parts(document: Document) -> Iterator[Document]:
    """A document without its proofs, and the options of each."""
    proofs = document.get("proof", [])
    yield {name: member for name, member in document.items() if name != "proof"}
    for proof in proofs if isinstance(proofs, list) else [proofs]:
        options = {
            name: member for name, member in proof.items() if name != "proofValue"
        }
        yield {**options, "@context": document["@context"]}


def credential(rnd: random.Random) -> Document:
    """A sound Open Badges 3.0 credential of any size."""
    school = {
        "id": _did(rnd),
        "type": ["Profile"],
        "name": _line(rnd),
        "url": _url(rnd),
    }
    document: Document = {
        "@context": list(CREDENTIAL_CONTEXTS),
        "id": _urn(rnd),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": _line(rnd),
        "issuer": school | _some(rnd, email=_line, otherIdentifier=_identifiers),
        "validFrom": "2026-11-22T00:00:00Z",
        "credentialSubject": _subject(rnd, school),
        **_some(
            rnd, awardedDate=lambda _: "2026-11-22T00:00:00Z", credentialStatus=_status
        ),
        **_some(rnd, evidence=_evidence, description=_line, credentialSchema=_schema),
    }
    return document


def clr(rnd: random.Random) -> Document:
    """A Comprehensive Learner Record, in its own contexts or in ours."""
    inner = [credential(rnd) for _ in range(rnd.randrange(1, 3))]
    for each in inner:
        del each["@context"]
    urls = [CREDENTIAL_CONTEXTS[0], CLR_CONTEXT, *CREDENTIAL_CONTEXTS[1:]]
    return {
        "@context": rnd.choice([urls, list(CREDENTIAL_CONTEXTS)]),
        "id": _urn(rnd),
        "type": ["VerifiableCredential", "ClrCredential"],
        "name": _line(rnd),
        "issuer": {"id": _did(rnd), "type": ["Profile"], "name": _line(rnd)},
        "validFrom": "2026-11-22T00:00:00Z",
        "credentialSubject": {
            "id": _urn(rnd),
            "type": ["ClrSubject"],
            "verifiableCredential": inner,
        },
    }


def status_list(rnd: random.Random) -> Document:
    """A bitstring status list."""
    url = _url(rnd)
    return {
        "@context": list(STATUS_LIST_CONTEXTS),
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": _did(rnd),
        "validFrom": "2026-11-25T00:00:00Z",
        **_some(rnd, validUntil=lambda _: "2027-11-25T00:00:00Z", name=_line),
        "credentialSubject": {
            "id": url + "#list",
            "type": "BitstringStatusList",
            "statusPurpose": rnd.choice(["revocation", "suspension"]),
            "encodedList": f"uH4sI{rnd.getrandbits(200):x}",
        },
    }


def document(rnd: random.Random, known: Sequence[Document]) -> Document:
    """One of everything: generated or known, sound, rewritten, damaged or re-keyed."""
    made = rnd.choice([credential, credential, status_list, clr, _of(known)])(rnd)
    if rnd.random() < 0.4:
        made = rewritten(made, rnd)
    harm = rnd.random()
    if harm < 0.3:
        return damaged(made, rnd)
    if harm < 0.4:
        return rekeyed(made, rnd)
    return doubled(made, rnd) if harm < 0.5 else made


def _of(known: Sequence[Document]) -> Callable[[random.Random], Document]:
    return lambda rnd: copy.deepcopy(rnd.choice(known))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside of a value, and to itself."""
    yield path
    steps: Any = ()
    if isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    for step, child in steps:
        yield from places(child, (*path, step))


def texts(document: Document) -> list[tuple[tuple[Any, ...], str]]:
    """The way to each text of a document, and the text; not of contexts and types."""
    found = []
    for way in places(document):
        spot: Any = document
        for step in way:
            spot = spot[step]
        if isinstance(spot, str) and not {"@context", "type"} & set(way):
            found.append((way, spot))
    return found


def with_texts(
    document: Document, ways: Sequence[tuple[Any, ...]], texts: Sequence[str]
) -> Document:
    """The document with other texts in these places."""
    out = copy.deepcopy(document)
    for (*path, last), each in zip(ways, texts, strict=True):
        spot: Any = out
        for step in path:
            spot = spot[step]
        spot[last] = each
    return out


def other_text(rnd: random.Random, known: Sequence[str]) -> str:
    """Another text of the document, or any: a line, an IRI, hostile letters."""
    match rnd.randrange(5):
        case 0 | 1:
            return rnd.choice(known)
        case 2:
            return _line(rnd)
        case 3:
            return rnd.choice((_url, _urn, _did))(rnd)
        case _:
            return text(rnd)


def rewritten(document: Document, rnd: random.Random) -> Document:
    """Other texts and numbers in the same places."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: member if name in {"@context", "type"} else walk(member)
                for name, member in value.items()
            }
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, int | float):
            return number(rnd)
        if (
            isinstance(value, str)
            and not value.startswith(("http", "urn", "did"))
            and rnd.random() < 0.5
        ):
            return text(rnd) if rnd.random() < 0.2 else _line(rnd)
        return value

    result: Document = walk(document)
    return result


def damaged(document: Document, rnd: random.Random) -> Document:
    """Something removed, replaced, repeated or added, in up to three places."""
    out = copy.deepcopy(document)
    for _ in range(rnd.randrange(1, 4)):
        ways = [way for way in places(out) if way]
        if not ways:
            break
        *path, last = rnd.choice(ways)
        spot: Any = out
        for step in path:
            spot = spot[step]
        odd = copy.deepcopy(rnd.choice(ODD)) if rnd.random() < 0.8 else number(rnd)
        match rnd.randrange(3):
            case 0:
                del spot[last]
            case 1:
                spot[last] = odd
            case _ if isinstance(spot, list):
                spot.append(copy.deepcopy(spot[last]))
            case _:
                spot[rnd.choice(NAMES)] = odd
    return out


def rekeyed(document: Document, rnd: random.Random) -> Document:
    """Members under another name: of another member, a keyword, an IRI, or nothing's."""
    out = copy.deepcopy(document)
    found = list(nodes(out))
    node = rnd.choice(found)
    if node:
        name = rnd.choice(list(node))
        node[rnd.choice([*NAMES, "@" + name, name.upper(), name + " "])] = node.pop(
            name
        )
    return out


def doubled(document: Document, rnd: random.Random) -> Document:
    """A part of the document once more, somewhere else: nodes alike, or described twice."""
    out = copy.deepcopy(document)
    found = list(nodes(out))
    what, where = rnd.choice(found), rnd.choice(found)
    if rnd.random() < 0.5:
        what = {name: member for name, member in what.items() if name != "id"}
    name = rnd.choice([*where, "related", "result", "evidence", "alignment"])
    old = where.get(name, [])
    where[name] = [*(old if isinstance(old, list) else [old]), copy.deepcopy(what)]
    return out


def nodes(value: Any) -> Iterator[Document]:
    """Every object inside of a value, and itself."""
    if isinstance(value, dict):
        yield value
    members = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for member in members:
            yield from nodes(member)


def _subject(rnd: random.Random, school: Document) -> Document:
    iri = _url(rnd)
    return {
        "type": ["AchievementSubject"],
        "achievement": _achievement(rnd, iri, school),
        **_some(
            rnd,
            id=_did,
            identifier=_identities,
            narrative=_line,
            source=lambda _: dict(school),
        ),
        **_some(
            rnd, result=lambda r: _results(r, iri), creditsEarned=_credits, role=_line
        ),
    }


def _achievement(rnd: random.Random, iri: str, school: Document) -> Document:
    return {
        "id": iri,
        "type": ["Achievement"],
        "achievementType": rnd.choice(
            ["Certificate", "Competency", "Award", "ext:Thing"]
        ),
        "name": _line(rnd),
        "description": _line(rnd),
        "criteria": {"narrative": _line(rnd)} | _some(rnd, id=_url),
        **_some(
            rnd,
            creator=lambda _: dict(school),
            humanCode=_line,
            inLanguage=lambda _: "en",
        ),
        **_some(rnd, version=_line, tag=_tags, image=_image, alignment=_alignments),
        **_some(
            rnd,
            resultDescription=lambda r: _descriptions(r, iri),
            creditsAvailable=_credits,
        ),
    }


def _some(rnd: random.Random, **makers: Callable[[random.Random], Any]) -> Document:
    return {name: make(rnd) for name, make in makers.items() if rnd.random() < 0.6}


def _line(rnd: random.Random) -> str:
    """Text that the parser accepts, of every block of Unicode."""
    drawn = text(rnd, 10)
    return "".join(
        letter
        for letter in drawn
        if letter in "\n\r\t"
        or not (
            letter < " "
            or letter in "\x7f\ufffe\uffff"
            or "\ud800" <= letter <= "\udfff"
        )
    )


def _url(rnd: random.Random) -> str:
    return f"https://{rnd.choice(['example.org', 'a.example'])}/{rnd.randrange(6)}"


def _urn(rnd: random.Random) -> str:
    return f"urn:uuid:00000000-0000-4000-8000-{rnd.getrandbits(44):012x}"


def _did(rnd: random.Random) -> str:
    return rnd.choice(["did:web:example.org", f"did:key:z6Mk{rnd.randrange(4)}"])


def _credits(rnd: random.Random) -> int | float:
    return number(rnd) if rnd.random() < 0.2 else rnd.randrange(99)


def _tags(rnd: random.Random) -> list[str]:
    return [_line(rnd) for _ in range(rnd.randrange(1, 4))]


def _image(rnd: random.Random) -> Document:
    return {"id": _url(rnd), "type": "Image"} | _some(rnd, caption=_line)


def _alignments(rnd: random.Random) -> list[Document]:
    return [
        {"type": ["Alignment"], "targetName": _line(rnd), "targetUrl": _url(rnd)}
        | _some(rnd, targetFramework=_line, targetCode=_line)
        for _ in range(rnd.randrange(1, 4))
    ]


def _descriptions(rnd: random.Random, iri: str) -> list[Document]:
    return [
        {
            "id": f"{iri}#score",
            "type": ["ResultDescription"],
            "name": _line(rnd),
            "resultType": "Percent",
        }
        | _some(rnd, valueMin=lambda _: "0", valueMax=lambda _: "100")
    ]


def _results(rnd: random.Random, iri: str) -> list[Document]:
    return [
        {
            "type": ["Result"],
            "resultDescription": f"{iri}#score",
            "value": str(rnd.randrange(3)),
        }
        for _ in range(rnd.randrange(1, 4))
    ]


def _identities(rnd: random.Random) -> list[Document]:
    return [
        {
            "type": "IdentityObject",
            "hashed": rnd.random() < 0.5,
            "identityHash": _line(rnd),
            "identityType": rnd.choice(["emailAddress", "name"]),
        }
        | _some(rnd, salt=_line)
        for _ in range(rnd.randrange(1, 3))
    ]


def _identifiers(rnd: random.Random) -> list[Document]:
    return [
        {
            "type": "IdentifierEntry",
            "identifierType": "ext:IssuerRegistry",
            "identifier": f"eip155:1:0x{rnd.randrange(9):040x}",
        }
    ]


def _status(rnd: random.Random) -> Document:
    url, index = _url(rnd), str(rnd.randrange(9))
    return {
        "id": f"{url}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": index,
        "statusListCredential": url,
    }


def _evidence(rnd: random.Random) -> list[Document]:
    return [
        {"id": _url(rnd), "type": ["Evidence"]} | _some(rnd, name=_line)
        for _ in range(rnd.randrange(1, 3))
    ]


def _schema(rnd: random.Random) -> list[Document]:
    return [{"id": _url(rnd), "type": "1EdTechJsonSchemaValidator2019"}]
