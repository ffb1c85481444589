"""
A certificate as PDF/A-3 and PDF/UA-1: one page for people, and the credential attached to it.

The page is made from the attached credential and says nothing else. Of a name in letters that
no font at hand has, no boxes are drawn: the page says that it stands in the attached file.
"""

import io
import json
import re
from calendar import month_name
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import segno
from typst import TypstError

from ledger.artwork.badge import LEVELS, BadgeSpec, badge_svg
from ledger.artwork.fonts import (
    compiler,
    font_order,
    is_east_asian,
    is_right_to_left,
)

MAX_SKILLS: Final = 12
MAX_DESCRIPTION: Final = 420

if TYPE_CHECKING:
    from typst import PDFStandard

_TEMPLATE: Final = files("ledger.artwork").joinpath("certificate.typ").read_bytes()
_STANDARDS: Final[list["PDFStandard"]] = ["a-3b", "ua-1"]
_KINDS: Final = {
    "skill": "Skill recognition",
    "certificate-programme": "Certificate programme",
    "specialization": "Specialization",
    "certification": "Certification",
    "special-recognition": "Special recognition",
}
_LONG_WORD: Final = 24
_LONG_SITE: Final = 36
# What a line may not hold; a signed credential has none of it.
_NOT_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]+")
# Nothing is drawn for these, and PDF/A wants something drawn for all.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_LETTERS: Final = b"""
#let data = json(bytes(sys.inputs.data))
#set document(title: "letters")
#set text(font: data.fonts)
#data.text
"""


@dataclass(frozen=True, slots=True)
class CertificateSpec:
    """What a certificate says, and the credential that proves it."""

    credential: bytes = field(repr=False)
    id: str
    badge: BadgeSpec
    issuer: str
    recipient: str | None = field(repr=False)
    description: str
    language: str
    awarded_on: date
    valid_until: date | None
    address: str
    code: str
    skills: Sequence[str] = ()
    hours: int | None = None
    score: str | None = field(default=None, repr=False)
    partner: str | None = None
    record: str | None = None
    withdrawn_on: date | None = None
    test: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, and what of it could not be printed for want of letters."""

    pdf: bytes = field(repr=False)
    left_out: tuple[str, ...]


def certificate_pdf(spec: CertificateSpec) -> Certificate:
    """Print a certificate. The same spec gives the same bytes."""
    fonts = font_order(spec.language, "".join(_texts(spec).values()))
    try:
        return Certificate(_print(spec, fonts, left_out=()), ())
    except TypstError as error:
        # PDF/A has no boxes for missing letters; anything else is a fault of ours.
        left_out = _undrawable(spec, fonts)
        if not left_out:
            raise RuntimeError(f"certificate {spec.id}: {error.message}") from error
    return Certificate(_print(spec, fonts, left_out=left_out), left_out)


def _texts(spec: CertificateSpec) -> dict[str, str]:
    """What people wrote, by what it is."""
    texts = {
        "the issuer": spec.issuer,
        "the title": spec.badge.title,
        "the name": spec.recipient or "",
        "the description": _shortened(spec.description),
        "the partner": spec.partner or "",
    }
    for skill in spec.skills[:MAX_SKILLS]:
        texts[f"the skill {len(texts) - 4}"] = skill
    return {what: _line(text) for what, text in texts.items()}


def _print(
    spec: CertificateSpec, fonts: Sequence[str], left_out: Sequence[str]
) -> bytes:
    texts = _texts(spec)
    shown = {
        # A text of nothing that can be seen is not drawn either.
        what: _said(
            f"({what} stands in the attached file)"
            if what in left_out or not text
            else text
        )
        for what, text in texts.items()
    }
    data = {
        "fonts": fonts,
        "level": LEVELS.index(spec.badge.level) + 1,
        "document-title": _line(f"{spec.badge.title}, certificate"),
        "document-author": _line(spec.issuer),
        "date": [spec.awarded_on.year, spec.awarded_on.month, spec.awarded_on.day],
        "kind": f"{_KINDS[spec.badge.category]}  ·  {spec.badge.level}",
        "issuer": shown["the issuer"],
        "title": shown["the title"],
        "sentence": "is awarded to",
        "recipient": shown["the name"] if spec.recipient else None,
        "no-recipient": "the holder of the attached credential",
        "description": shown["the description"] if texts["the description"] else None,
        "skills": [
            said
            for what, said in shown.items()
            if what.startswith("the skill") and what not in left_out
        ],
        "badge-alt": _line(f"Badge: {spec.badge.title}, {spec.badge.level}"),
        "facts": _facts(spec, shown["the partner"] if spec.partner else None),
        "withdrawn": spec.withdrawn_on
        and f"Withdrawn by the issuer on {_day(spec.withdrawn_on)}",
        "qr-alt": f"QR code: {spec.address}",
        "code": spec.code,
        "site": _site(spec),
        "proof": _proof(spec, left_out),
        "test": spec.test,
    }
    inputs = {
        "data": json.dumps(data),
        "badge": badge_svg(spec.badge).decode(),
        "qr": _qr(spec.address),
        "credential": spec.credential.decode(),
    }
    return _compile(_TEMPLATE, inputs)


def _facts(spec: CertificateSpec, partner: object) -> list[dict[str, object]]:
    until = spec.valid_until
    facts = [
        ("Awarded", _said(_day(spec.awarded_on))),
        ("Valid until", _said(_day(until) if until else "does not expire")),
    ]
    if spec.hours:
        facts.append(("Hours", _said(f"{spec.hours:,}")))
    if spec.score is not None:
        facts.append(("Score", _said(f"{spec.score} %")))
    shown: list[dict[str, object]] = [
        {"label": label, "value": value} for label, value in facts
    ]
    if partner is not None:
        shown.append({"label": "Assessed by", "value": partner})
    return shown


def _proof(spec: CertificateSpec, left_out: Sequence[str]) -> list[str]:
    lines = [
        "This page proves nothing; the credential attached to it does. Drop this file on any"
        " copy of verifier.html, or run: perdure verify FILE.pdf",
        f"Signed with Ed25519. {spec.record or 'Not on a blockchain yet: fetch this file again later.'}",
        spec.id,
    ]
    if left_out:
        lines.append(
            f"Not printed, since no font here has the letters: {', '.join(left_out)}."
        )
    return lines


def _said(text: str) -> dict[str, str | bool]:
    return {
        "text": " ".join(map(_breakable, _line(text).split())),
        "rtl": is_right_to_left(text),
        # The bold of the East Asian fonts is not bold in all letters.
        "plain": is_east_asian(text),
    }


def _line(text: str) -> str:
    return " ".join(_INVISIBLE.sub("", _NOT_A_LINE.sub(" ", text)).split())


def _breakable(word: str) -> str:
    if len(word) <= _LONG_WORD:
        return word
    step = _LONG_WORD // 2
    return "\u200b".join(word[at : at + step] for at in range(0, len(word), step))


def _shortened(text: str) -> str:
    if len(text) <= MAX_DESCRIPTION:
        return text
    return text[:MAX_DESCRIPTION].rpartition(" ")[0] + " …"


def _site(spec: CertificateSpec) -> dict[str, str | bool]:
    """Where to type the code; a long name has places to break, a short one can be copied."""
    site = re.sub("^https?://", "", spec.address).removesuffix(spec.code).rstrip("/")
    if len(site) > _LONG_SITE:
        site = re.sub(r"([./-])", "\\1\u200b", site)
    return {"text": site, "rtl": False, "plain": False}


def _day(day: date) -> str:
    return f"{day.day} {month_name[day.month]} {day.year}"


def _qr(address: str) -> str:
    drawn = io.BytesIO()
    # A quarter of it may be lost to folds and stamps.
    segno.make_qr(address, error="q").save(drawn, kind="svg", border=1, xmldecl=False)
    return drawn.getvalue().decode()


def _undrawable(spec: CertificateSpec, fonts: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        what for what, text in _texts(spec).items() if not _drawable(text, fonts)
    )


def _drawable(text: str, fonts: Sequence[str]) -> bool:
    data = {"data": json.dumps({"fonts": fonts, "text": text})}
    try:
        _compile(_LETTERS, data)
    except TypstError:
        return False
    return True


def _compile(source: bytes, inputs: Mapping[str, str]) -> bytes:
    made = compiler().compile(
        source, format="pdf", sys_inputs=dict(inputs), pdf_standards=list(_STANDARDS)
    )
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one file")
    return made
