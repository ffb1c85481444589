"""
The report of a verification: seven steps in fixed order, one verdict from a closed list.

Normative text with every code: docs/spec/verification.md. A step is *passed*, *failed*, a
*note*, or *could not check*, which is never good news and never bad news. What a code means
stands in FINDINGS, what a verdict means in WORDINGS, and `decide` alone gets from the one to
the other.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final

from ledger.core.canonical import Json, encode_time
from ledger.core.evidence import Fault
from ledger.verify import witnesses
from ledger.verify.documents import hides
from ledger.verify.networks import Network
from ledger.verify.rpc import Block


class StepName(enum.StrEnum):
    """The steps, in the order in which they are reported."""

    FILE = "file"
    CONTENT = "content"
    ISSUER = "issuer"
    RECORD = "record"
    WITHDRAWAL = "withdrawal"
    DATES = "dates"
    PERSON = "person"


class Outcome(enum.StrEnum):
    """What came of a step."""

    PASSED = "passed"
    FAILED = "failed"
    NOTE = "note"  #: true, and something to know
    COULD_NOT_CHECK = "could_not_check"  #: nobody's fault that we know of
    NOT_CHECKED = "not_checked"  #: an earlier step stopped the check


class Verdict(enum.StrEnum):
    """The closed list, in order of precedence."""

    NOT_A_CREDENTIAL = "not_a_credential"
    CHANGED = "changed"
    CONTRADICTED = "contradicted"
    WITHDRAWN = "withdrawn"
    INCOMPLETE = "incomplete"
    UNKNOWN_ISSUER = "unknown_issuer"
    NOT_RECORDED = "not_recorded"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    GENUINE_AS_OF = "genuine_as_of"
    GENUINE = "genuine"


class Tone(enum.StrEnum):
    """The colour of a verdict; never the only thing that tells it."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Wording:
    """How a verdict is told. The exit code is that of a check of this file alone."""

    heading: str
    tone: Tone
    exit_code: int
    next: str


WORDINGS: Final[Mapping[Verdict, Wording]] = MappingProxyType(
    {
        Verdict.NOT_A_CREDENTIAL: Wording(
            "This is not a credential file",
            Tone.BLUE,
            1,
            "Ask the holder for the badge file or its link;"
            " a screenshot or print-out carries no proof.",
        ),
        Verdict.CHANGED: Wording(
            "Do not rely on this file", Tone.RED, 1, "Ask the holder for the original."
        ),
        Verdict.CONTRADICTED: Wording(
            "Do not rely on this credential",
            Tone.RED,
            1,
            "See the failed step; ask the issuer.",
        ),
        Verdict.WITHDRAWN: Wording(
            "Withdrawn by the issuer",
            Tone.RED,
            1,
            "Ask the holder whether it was replaced.",
        ),
        Verdict.INCOMPLETE: Wording(
            "We could not finish the check",
            Tone.BLUE,
            2,
            "Try again, or choose another network address.",
        ),
        Verdict.UNKNOWN_ISSUER: Wording(
            "Genuine file, unknown issuer",
            Tone.AMBER,
            3,
            "Confirm the issuer with a source you trust.",
        ),
        Verdict.NOT_RECORDED: Wording(
            "Signed, not yet on the blockchain",
            Tone.AMBER,
            3,
            "Usually recorded within the hour; check again.",
        ),
        Verdict.EXPIRED: Wording(
            "Genuine, but expired", Tone.AMBER, 3, "Ask whether it was renewed."
        ),
        Verdict.NOT_YET_VALID: Wording(
            "Genuine, not valid yet", Tone.AMBER, 3, "Check again when it has started."
        ),
        Verdict.GENUINE_AS_OF: Wording(
            "Genuine as of the block that was read",
            Tone.AMBER,
            3,
            "Nothing later could be seen; refresh the file with any network address.",
        ),
        Verdict.GENUINE: Wording(
            "Genuine and current",
            Tone.GREEN,
            0,
            "Keep this file: it can be checked without us.",
        ),
    }
)

#: For several files the worst counts, worst first.
EXIT_ORDER: Final = (1, 2, 3, 0)
_CAUTION = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What a code says: the outcome, the title of the step, and what to do about it."""

    outcome: Outcome
    title: str
    next: str = ""


_PASSED, _FAILED, _NOTE = Outcome.PASSED, Outcome.FAILED, Outcome.NOTE

_UNREAD: Final[Mapping[StepName, str]] = {
    StepName.ISSUER: "We could not read the issuer register",
    StepName.RECORD: "We could not reach the blockchain, so we cannot say",
    StepName.WITHDRAWAL: "We could not check for withdrawal",
}
#: Why a chain could not be read, and what helps.
_REASONS: Final[Mapping[str, str]] = {
    witnesses.UNREACHABLE: "Try again, or choose another network address.",
    witnesses.UNKNOWN_NETWORK: "If you accept this chain, name it in a networks file.",
    witnesses.NO_ADDRESS: "Give the address of a node of this chain.",
    witnesses.OTHER_CHAIN: "Choose another network address.",
    witnesses.NO_REGISTRY: "Choose another network address.",
    witnesses.DISAGREEMENT: "Check again; if it stays so, find out which one is wrong.",
    witnesses.BEHIND: "Check this computer's clock, or choose another network address.",
    witnesses.EVIDENCE_BROKEN: "Give the address of a node of this chain.",
    witnesses.EVIDENCE_UNTRUSTED: "Get the hash of that block from a source you trust,"
    " or give the address of a node.",
    witnesses.EVIDENCE_OTHER_CHAIN: "Get a block hash of the issuer's own chain.",
}
#: Steps that cannot fail to be read for a reason.
_NEVER: Final = frozenset(
    {
        # What is final stays so, however old the newest block is.
        (StepName.ISSUER, witnesses.BEHIND),
        (StepName.RECORD, witnesses.BEHIND),
        # There it is a failure, and says which.
        (StepName.RECORD, witnesses.EVIDENCE_BROKEN),
    }
)
_BAD_EVIDENCE = "The evidence in the file does not hold"
_OTHER_FILE = (
    "Ask the holder for the original file, or refresh this one from a network address."
)


def _findings() -> dict[str, Finding]:
    findings = {
        "file.readable": Finding(_PASSED, "The file is a credential we can read"),
        "file.not_a_credential": Finding(_FAILED, "This is not a credential file"),
        "file.other_kind": Finding(_FAILED, "This is a file of another kind"),
        "file.unreadable": Finding(
            Outcome.COULD_NOT_CHECK, "We could not read the file", "Try again."
        ),
        "content.unchanged": Finding(_PASSED, "Nothing in it has been changed"),
        "content.changed": Finding(_FAILED, "The content has been changed"),
        "content.malformed": Finding(
            _FAILED, "The content is not what an issuer can have signed"
        ),
        "issuer.trusted": Finding(_PASSED, "We know who issued it"),
        "issuer.endorsed": Finding(_PASSED, "We know who issued it"),
        "issuer.unknown": Finding(_NOTE, "We do not know this issuer"),
        "issuer.not_final": Finding(
            _NOTE, "What the register says of the issuer is not final yet"
        ),
        "issuer.other_registry": Finding(
            _FAILED, "The named issuer stands in no register that counts"
        ),
        "issuer.not_registered": Finding(_FAILED, "There is no such issuer"),
        "issuer.key_unknown": Finding(_FAILED, "The signer is not the named issuer"),
        "issuer.key_too_early": Finding(
            _FAILED, "The key was not the issuer's on that day"
        ),
        "issuer.key_ended": Finding(
            _FAILED, "The key was not the issuer's on that day"
        ),
        "issuer.key_compromised": Finding(
            _FAILED, "The key was in other hands on that day"
        ),
        "issuer.closed": Finding(_FAILED, "The issuer had closed by that day"),
        "issuer.profile_unknown": Finding(
            _FAILED, "The description of the issuer is not the recorded one"
        ),
        "record.final": Finding(_PASSED, "It is recorded on the blockchain"),
        "record.none": Finding(_NOTE, "Not on the blockchain yet"),
        "record.not_final": Finding(_NOTE, "Recorded, not final yet"),
        "record.not_found": Finding(_FAILED, "The blockchain record does not fit"),
        "record.mismatch": Finding(_FAILED, "The blockchain record does not fit"),
        "record.other_registry": Finding(_FAILED, "The blockchain record does not fit"),
        "withdrawal.none": Finding(_PASSED, "The issuer has not withdrawn it"),
        "withdrawal.as_of": Finding(
            _NOTE, "Not withdrawn then; what came later cannot be seen offline"
        ),
        "withdrawal.withdrawn": Finding(_FAILED, "The issuer has withdrawn it"),
        "withdrawal.no_issuer": Finding(
            Outcome.COULD_NOT_CHECK, _UNREAD[StepName.WITHDRAWAL]
        ),
        "dates.current": Finding(_PASSED, "It is in date"),
        "dates.expired": Finding(_NOTE, "It is out of date"),
        "dates.not_yet_valid": Finding(_NOTE, "It has not started yet"),
        "person.matches": Finding(
            _PASSED, "The e-mail you entered is the one it was issued to"
        ),
        "person.other": Finding(_FAILED, "That e-mail is not the one it was issued to"),
        "person.not_asked": Finding(
            _NOTE, "Whether it was issued to the person before you was not asked"
        ),
    }
    for fault in (
        "malformed",
        *Fault,
        "too_old",
        "mismatch",
        "other_block",
    ):
        findings[f"record.evidence_{fault}"] = Finding(
            _FAILED, _BAD_EVIDENCE, _OTHER_FILE
        )
    for step, title in _UNREAD.items():
        for reason, advice in _REASONS.items():
            if (step, reason) in _NEVER:
                continue
            findings[f"{step}.{reason}"] = Finding(
                Outcome.COULD_NOT_CHECK, title, advice
            )
    for step in StepName:
        findings[f"{step}.not_checked"] = Finding(
            Outcome.NOT_CHECKED, step.capitalize()
        )
    return findings


#: Every code there is.
FINDINGS: Final[Mapping[str, Finding]] = MappingProxyType(_findings())


@dataclass(frozen=True, slots=True)
class Step:
    """One step and its one code; the code decides outcome and title."""

    code: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in FINDINGS:
            raise RuntimeError(f"no finding is called {self.code}")

    @property
    def name(self) -> StepName:
        """Which step this is."""
        return StepName(self.code.partition(".")[0])

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        return FINDINGS[self.code].outcome

    @property
    def title(self) -> str:
        """One line that is true of this outcome."""
        return FINDINGS[self.code].title

    @property
    def next(self) -> str:
        """What to do about it; empty if there is nothing of its own to do."""
        return FINDINGS[self.code].next

    def to_json(self) -> dict[str, Json]:
        """Write the step."""
        return {
            "step": self.name.value,
            "outcome": self.outcome.value,
            "code": self.code,
            "title": self.title,
            "detail": self.detail or None,
            "next": self.next or None,
        }


def stopped_after(*steps: Step) -> tuple[Step, ...]:
    """Complete a report that ends early: what follows was not checked."""
    done = {step.name for step in steps}
    rest = (Step(f"{name}.not_checked") for name in StepName if name not in done)
    return (*steps, *rest)


def decide(steps: Sequence[Step]) -> tuple[Verdict, Step | None]:
    """Compute the verdict, and the step that made it: the first rule that applies."""
    for verdict, applies in _RULES:
        for step in steps:
            if applies(step):
                return verdict, step
    return Verdict.GENUINE, None


def _failed(*names: StepName) -> Callable[[Step], bool]:
    return lambda step: step.outcome is _FAILED and step.name in names


def _noted(*names: StepName) -> Callable[[Step], bool]:
    return lambda step: step.outcome is _NOTE and step.name in names


def _found(code: str) -> Callable[[Step], bool]:
    return lambda step: step.code == code


_RULES: Final[tuple[tuple[Verdict, Callable[[Step], bool]], ...]] = (
    (Verdict.NOT_A_CREDENTIAL, _failed(StepName.FILE)),
    (Verdict.CHANGED, _failed(StepName.CONTENT)),
    (
        Verdict.CONTRADICTED,
        _failed(StepName.ISSUER, StepName.RECORD, StepName.DATES, StepName.PERSON),
    ),
    (Verdict.WITHDRAWN, _failed(StepName.WITHDRAWAL)),
    (
        Verdict.INCOMPLETE,
        lambda step: step.outcome in {Outcome.COULD_NOT_CHECK, Outcome.NOT_CHECKED},
    ),
    (Verdict.UNKNOWN_ISSUER, _found("issuer.unknown")),
    (Verdict.NOT_RECORDED, _noted(StepName.ISSUER, StepName.RECORD)),
    (Verdict.EXPIRED, _found("dates.expired")),
    (Verdict.NOT_YET_VALID, _found("dates.not_yet_valid")),
    (Verdict.GENUINE_AS_OF, _noted(StepName.WITHDRAWAL)),
)


def exit_code(codes: Iterable[int]) -> int:
    """The exit code of several checks: the worst, in the order 1, 2, 3, 0."""
    return min(codes, key=EXIT_ORDER.index, default=0)


@dataclass(frozen=True, slots=True)
class Claims:
    """What the signed file says. True only in so far as its issuer tells the truth."""

    id: str
    achievement: str
    version: str | None
    recipient: str | None
    issuer: str
    issuer_id: str
    creator: str | None
    source: str | None
    awarded: date
    valid_from: datetime
    valid_until: datetime | None

    def to_json(self) -> dict[str, Json]:
        """Write the claims; what the file leaves out is null."""
        return {
            "id": self.id,
            "achievement": self.achievement,
            "version": self.version,
            "recipient": self.recipient,
            "issuer": self.issuer,
            "issuerId": self.issuer_id,
            "creator": self.creator,
            "source": self.source,
            "awarded": self.awarded.isoformat(),
            "validFrom": encode_time(self.valid_from),
            "validUntil": encode_time(self.valid_until) if self.valid_until else None,
        }


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """
    A block that answers were read at, named with its chain: forks share their past.

    `head` is "finalized" or "latest" at a node, "evidence" in the file.
    """

    head: str
    chain: str
    block: Block

    @property
    def name(self) -> str:
        """The block's hash after its chain's CAIP-2 name."""
        return f"{self.chain}:0x{self.block.hash.hex()}"

    def to_json(self) -> dict[str, Json]:
        """Write the block."""
        return {
            "head": self.head,
            "number": self.block.number,
            "block": self.name,
            "time": moment(self.block.time),
        }


@dataclass(frozen=True, slots=True)
class KnownIssuer:
    """Who the issuer is, by a source that the verifier trusts."""

    name: str
    by: str  #: the trust list or the accreditor


_SIGNS: Final[Mapping[Outcome, str]] = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✕",
    Outcome.NOTE: "!",
    Outcome.COULD_NOT_CHECK: "?",
    Outcome.NOT_CHECKED: "–",  # noqa: RUF001 - a dash, and meant as one
}
# Verdicts that say nothing about the chain do not name who told it.
_NOT_READ = {Verdict.NOT_A_CREDENTIAL, Verdict.CHANGED, Verdict.INCOMPLETE}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one check found. Claims are None unless the content is unchanged."""

    file: str
    steps: tuple[Step, ...]
    claims: Claims | None = None
    issuer: KnownIssuer | None = None
    network: Network | None = None
    read: tuple[ReadBlock, ...] = ()
    sources: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if tuple(step.name for step in self.steps) != tuple(StepName):
            raise RuntimeError("a report has all steps in their order")

    @property
    def verdict(self) -> Verdict:
        """The one verdict."""
        return decide(self.steps)[0]

    @property
    def test(self) -> bool:
        """Tell whether all this happened on a network for tests."""
        return self.network is not None and self.network.test

    @property
    def heading(self) -> str:
        """The verdict in words, and who is the only one to say so."""
        heading = WORDINGS[self.verdict].heading
        if self.verdict is Verdict.GENUINE_AS_OF:
            heading = f"Genuine as of {', '.join(map(_day, self.read))}"
        if self.test:
            heading = f"TEST: {heading}"
        if self.according_to is not None:
            heading = f"{heading}, according to {self.according_to}"
        return heading

    @property
    def according_to(self) -> str | None:
        """The one address that the verdict rests on; None if there are several or none."""
        alone = len(self.sources) == 1 and self.verdict not in _NOT_READ
        return self.sources[0] if alone else None

    @property
    def tone(self) -> Tone:
        """The verdict's colour; nothing on a test network is green."""
        tone = WORDINGS[self.verdict].tone
        return Tone.AMBER if self.test and tone is Tone.GREEN else tone

    @property
    def exit_code(self) -> int:
        """The exit code of checking this file alone."""
        code = WORDINGS[self.verdict].exit_code
        return _CAUTION if self.test and code == 0 else code

    @property
    def next(self) -> str:
        """What to do now."""
        verdict, step = decide(self.steps)
        if self.test and verdict is Verdict.GENUINE:
            return "This is a network for tests: outside of it nobody can rely on it."
        own = step.next if step is not None else ""
        return own or WORDINGS[verdict].next

    def to_json(self) -> dict[str, Json]:
        """Write the report as docs/spec/verification.md has it."""
        known = self.issuer
        network = self.network
        return {
            "file": self.file,
            "verdict": self.verdict.value,
            "heading": self.heading,
            "tone": self.tone.value,
            "exitCode": self.exit_code,
            "test": self.test,
            "next": self.next,
            "steps": [step.to_json() for step in self.steps],
            "claims": self.claims.to_json() if self.claims else None,
            "issuer": {"name": known.name, "by": known.by} if known else None,
            "network": network.caip2 if network else None,
            "read": [block.to_json() for block in self.read],
            "sources": list(self.sources),
            "accordingTo": self.according_to,
            "remarks": list(self.remarks),
        }

    def to_text(self) -> str:
        """Write the report for a person: the verdict first, what to do next last."""
        lines = [f"{self.file}: {self.heading}", ""]
        lines += self._claims_text()
        for step in self.steps:
            lines.append(f"  {_SIGNS[step.outcome]} {step.title}")
            if step.detail:
                lines.append(f"      {step.detail}")
        lines.append("")
        lines += [f"  {remark}" for remark in self.remarks]
        lines += [
            f"  Read at {read.head} block {read.block.number}"
            f" of {moment(read.block.time)}, {read.name}"
            for read in self.read
        ]
        if self.sources:
            lines.append(f"  Read from {' and '.join(self.sources)}")
        lines.append(f"  Next: {self.next}")
        return "".join(f"{printable(line)}\n" for line in lines)

    def _claims_text(self) -> list[str]:
        claims = self.claims
        if claims is None:
            return []
        version = f" (version {claims.version})" if claims.version else ""
        person = f" to {claims.recipient}" if claims.recipient else ""
        lines = [
            f"  The file says: {claims.achievement}{version}, awarded{person}"
            f" on {claims.awarded.isoformat()} by {claims.issuer}"
        ]
        if claims.creator is not None:
            lines.append(f"  The file says: created by {claims.creator}")
        if claims.source is not None:
            lines.append(f"  The file says: assessed by {claims.source}")
        return [*lines, ""]


def _day(read: ReadBlock) -> str:
    return moment(read.block.time).partition("T")[0]


def sentence(error: Exception) -> str:
    """An error's message with a full stop."""
    return f"{str(error).rstrip('.')}."


def moment(seconds: int) -> str:
    """Write a chain's time as RFC 3339; beyond the year 9999 as the number it is."""
    try:
        return encode_time(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


def printable(line: str) -> str:
    """Keep a terminal safe: what could move the cursor or reorder text becomes its number."""
    return "".join(
        f"<U+{ord(character):04X}>" if hides(character) else character
        for character in line
    )
