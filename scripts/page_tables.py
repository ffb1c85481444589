"""Write ledger/verify/page/src/generated from the Python verifier: what both must know alike.

    python -m scripts.page_tables            write the files
    python -m scripts.page_tables --check    fail if one of them is not what it would write

Wordings, the closed model, registries and networks are stated once, in Python. The name
characters of XML are those of the parser that reads an SVG there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from ledger.core import open_badge, registries
from ledger.core.canonical import encode
from ledger.core.open_badge import CREDENTIAL, Array, Either, Fixed, Kind, Object, Text
from ledger.core.rdf import CREDENTIAL_CONTEXTS
from ledger.core.registries import Packed
from ledger.verify.networks import BUILT_IN, Network
from ledger.verify.report import EXIT_ORDER, FINDINGS, WORDINGS, StepName

FOLDER: Final = (
    Path(__file__).resolve().parent.parent / "ledger/verify/page/src/generated"
)

_HEAD = "// Written by scripts/page_tables.py from {source}; not to be edited.\n"
_WIDTH = 116


def report() -> str:
    """Steps, findings and verdicts."""
    findings = {
        code: {
            "outcome": finding.outcome.value,
            "title": finding.title,
            "next": finding.next,
        }
        for code, finding in FINDINGS.items()
    }
    wordings = {
        verdict.value: {
            "heading": wording.heading,
            "tone": wording.tone.value,
            "exitCode": wording.exit_code,
            "next": wording.next,
        }
        for verdict, wording in WORDINGS.items()
    }
    return _module(
        "ledger.verify.report",
        STEPS=[name.value for name in StepName],
        FINDINGS=findings,
        WORDINGS=wordings,
        EXIT_ORDER=list(EXIT_ORDER),
    )


def closed_model() -> str:
    """The closed model of a credential, with the words for its tests of strings."""
    names: dict[str, None] = {}
    model = _kind(CREDENTIAL, names)
    types = "\n".join(f"  | {json.dumps(name, ensure_ascii=False)}" for name in names)
    return (
        _HEAD.format(source="ledger.core.open_badge")
        + '\nimport type { Kind } from "../verify/open_badge";\n'
        + f"\nexport type TextName =\n{types};\n"
        + f"\nexport const MAX_CREDENTIAL_BYTES = {open_badge.MAX_CREDENTIAL_BYTES};\n"
        + _constant("CREDENTIAL_CONTEXTS", list(CREDENTIAL_CONTEXTS))
        + _constant("CREDENTIAL", model, type_="Kind")
    )


def contracts() -> str:
    """Addresses, code hashes, selectors and storage of the two registries."""
    constants: dict[str, Any] = {}
    packed: dict[str, Packed] = {}
    for name, value in vars(registries).items():
        if not name.isupper() or name.startswith(("CREATE2_", "EIP712_", "ISSUER_ID")):
            continue
        if isinstance(value, Packed):
            packed[name] = value
        else:
            constants[name] = value.hex() if isinstance(value, bytes) else value
    words = {
        name: {"shift": place.shift, "bits": place.bits}
        for name, place in packed.items()
        if place.slot == 0
    }
    return (
        _HEAD.format(source="ledger.core.registries")
        + "\n/** Where a struct member sits in its first slot: bits from the low end. */\n"
        + "export interface Packed {\n  readonly shift: number;\n  readonly bits: number;\n}\n"
        + "".join(_constant(name, value) for name, value in constants.items())
        + "".join(
            _constant(name, value, type_="Packed") for name, value in words.items()
        )
    )


def networks() -> str:
    """The networks that are accepted without any file."""
    return _module("ledger.verify.networks", NETWORKS=[_network(n) for n in BUILT_IN])


def xml_names() -> str:
    """Which characters an XML name may begin with, and have: pairs of first and last."""
    starts = _ranges(lambda character: _is_xml(f"<{character}/>"))
    others = _ranges(lambda character: _is_xml(f"<a{character}a/>"))
    return (
        _HEAD.format(source="XML 1.0, fourth edition, as expat has it")
        + _numbers("NAME_STARTS", starts)
        + _numbers("NAME_CHARACTERS", others)
    )


FILES: Final[Mapping[str, Callable[[], str]]] = {
    "report.ts": report,
    "open_badge.ts": closed_model,
    "registries.ts": contracts,
    "networks.ts": networks,
    "xml_names.ts": xml_names,
}


def _kind(kind: Kind, names: dict[str, None]) -> dict[str, Any]:
    match kind:
        case Text():
            names[kind.says] = None
            return {"text": kind.says}
        case Fixed():
            return {"fixed": encode(kind.value).decode()}
        case Array():
            return {
                "list": _kind(kind.of, names),
                "least": kind.least,
                "most": kind.most,
                "says": kind.says,
            }
        case Object():
            return {
                "object": kind.says,
                "required": _members(kind.required, names),
                "optional": _members(kind.optional, names),
            }
        case Either():
            choices = {str(name): choice for name, choice in kind.choices.items()}
            return {
                "by": kind.by,
                "choices": _members(choices, names),
                "says": kind.says,
            }
        case _:
            raise TypeError(f"the closed model has a kind that is not known: {kind}")


def _members(members: Mapping[str, Kind], names: dict[str, None]) -> dict[str, Any]:
    return {name: _kind(kind, names) for name, kind in members.items()}


def _network(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "chainId": network.chain_id,
        "genesisHash": network.genesis_hash.hex(),
        "anchorRegistry": network.anchor_registry,
        "issuerRegistry": network.issuer_registry,
        "test": network.test,
    }


def _is_xml(text: str) -> bool:
    parser = expat.ParserCreate("utf-8", "}")
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError:
        return False
    return True


def _ranges(accepts: Callable[[str], bool]) -> Iterator[int]:
    """First and last of each run; beyond U+FFFF there is no name character."""
    begin: int | None = None
    for code in range(0x10000):
        is_one = accepts(chr(code))
        if is_one and begin is None:
            begin = code
        elif not is_one and begin is not None:
            yield from (begin, code - 1)
            begin = None


def _module(source: str, **constants: Any) -> str:
    return _HEAD.format(source=source) + "".join(
        _constant(name, value) for name, value in constants.items()
    )


def _constant(name: str, value: Any, *, type_: str | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    if type_ is not None:
        return f"\nexport const {name}: {type_} = {text};\n"
    suffix = " as const" if isinstance(value, (dict, list)) else ""
    return f"\nexport const {name} = {text}{suffix};\n"


def _numbers(name: str, numbers: Iterator[int]) -> str:
    lines, line = [], " "
    for number in numbers:
        word = f" {number},"
        if len(line) + len(word) > _WIDTH:
            lines.append(line)
            line = " "
        line += word
    rows = "\n".join([*lines, line])
    return f"\nexport const {name}: readonly number[] = [\n{rows}\n];\n"


def main(arguments: Sequence[str]) -> int:
    """Write the files, or compare them; 1 if one of them differs, 64 for wrong usage."""
    if list(arguments) not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 64
    stale = []
    for name, write in FILES.items():
        path, text = FOLDER / name, write()
        if arguments:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is stale; run python -m scripts.page_tables", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
