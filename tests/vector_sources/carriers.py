"""
The files of tests/vectors/carriers: certificates and archives as real programs write them.

Taken once, since other versions of those programs write other bytes. To take them anew, with
qpdf, mutool, gs, pdftocairo, pdftoppm, zip and 7z at hand:

    python -m tests.vector_sources.carriers
"""

import io
import json
import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pypdf

from ledger.artwork.badge import BadgeSpec
from ledger.artwork.certificate import CertificateSpec, certificate_pdf
from ledger.core.archive import write_archive
from ledger.core.short_code import ShortCode
from tests.vector_sources import baked
from tests.vector_sources.durable import ALONE, SEVENTH

FOLDER: Final = Path(__file__).parents[1] / "vectors" / "carriers"

_CREDENTIAL = ALONE.encode()
_OTHER = SEVENTH.encode()
_CODE = ShortCode.of(ALONE.credential.id)
_OTHER_KIND = "not an Open Badge whose issuer stands in an issuer register"
_OPEN_BADGE_2 = b"""{
  "@context": "https://w3id.org/openbadges/v2",
  "type": "Assertion",
  "id": "https://school.example/assertions/1",
  "recipient": {"type": "email", "identity": "ada@example.org", "hashed": false},
  "badge": "https://school.example/badges/git",
  "verification": {"type": "hosted"},
  "issuedOn": "2019-06-30T00:00:00Z"
}
"""
_PUBLISHED = (
    Path(__file__).parents[1] / "vectors/published/derived/ob3-vector-signed.json"
)
_NO_FILE = "holds no file that could be one"


def certificate() -> bytes:
    """The certificate of one durable credential."""
    return certificate_pdf(
        CertificateSpec(
            credential=_CREDENTIAL,
            id=ALONE.credential.id.urn,
            badge=BadgeSpec("Git", "Riverside Code School", "skill", "introductory"),
            issuer="Riverside Code School",
            recipient=ALONE.credential.recipient_name,
            description="",
            language="en",
            awarded_on=date(2026, 5, 1),
            valid_until=None,
            address=f"https://riverside.example/c/{_CODE.text}",
            code=_CODE.text,
        )
    ).pdf


def files() -> tuple[dict[str, bytes], dict[str, dict[str, object]]]:
    """Every file, and what the manifest says of it."""
    made: dict[str, bytes] = {}
    manifest: dict[str, dict[str, object]] = {"valid": {}, "invalid": {}}
    with TemporaryDirectory() as folder:
        desk = _Desk(Path(folder))
        for name, data, by in desk.valid():
            made[f"valid/{name}"] = data
            manifest["valid"][f"valid/{name}"] = {"by": by}
        for name, data, says in desk.invalid():
            made[f"invalid/{name}"] = data
            manifest["invalid"][f"invalid/{name}"] = {"says": says}
    return made, manifest


class _Desk:
    """A folder in which other people's programs work."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pdf = certificate()

    def valid(self) -> list[tuple[str, bytes, str]]:
        """Name, bytes, and who wrote it."""
        pack = self._folder / "pack"
        pack.mkdir()
        for name, data in self._carriers().items():
            (pack / name).write_bytes(data)
        return [
            ("certificate.pdf", self._pdf, "the ledger"),
            self._saved("qpdf", "qpdf", "{in}", "{out}"),
            self._saved(
                "qpdf-object-streams",
                "qpdf",
                "--object-streams=generate",
                "--recompress-flate",
                "{in}",
                "{out}",
            ),
            self._saved("qpdf-plain", "qpdf", "--qdf", "{in}", "{out}"),
            self._saved("qpdf-linearized", "qpdf", "--linearize", "{in}", "{out}"),
            self._saved("mutool", "mutool", "clean", "-gggg", "{in}", "{out}"),
            ("by-pypdf.pdf", self._by_pypdf(), _version("pypdf")),
            ("take-away.zip", write_archive(self._carriers().items()), "the ledger"),
            self._saved(
                "ghostscript", "gs", "-q", "-sDEVICE=pdfwrite", "-o", "{out}", "{in}"
            ),
            self._packed("zip", "zip", "-q", "-X", "{out}"),
            self._packed("zip-stored", "zip", "-q", "-0", "{out}"),
            self._packed("7z", "7z", "a", "-tzip", "-bd", "{out}"),
            ("by-zipfile.zip", self._by_zipfile(), "Python's zipfile"),
        ]

    def invalid(self) -> list[tuple[str, bytes, str]]:
        """Name, bytes, and words of the answer."""
        lost = "no credential attached"
        return [
            (
                "encrypted.pdf",
                self._pdf_by(
                    "qpdf", "--encrypt", "a", "b", "256", "--", "{in}", "{out}"
                ),
                "protected by a password",
            ),
            (
                "printed-by-cairo.pdf",
                self._pdf_by("pdftocairo", "-pdf", "{in}", "{out}"),
                lost,
            ),
            (
                "attachment-removed.pdf",
                self._pdf_by(
                    "qpdf", "--remove-attachment=credential.json", "{in}", "{out}"
                ),
                lost,
            ),
            ("two-credentials.pdf", self._with_another(), "more than one credential"),
            ("attachment-without-end.pdf", _without_end(), "cut off"),
            ("attachment-in-another.pdf", _in_another(), "cut off"),
            ("cut-off.pdf", self._pdf[: len(self._pdf) // 4], lost),
            ("screenshot.png", self._picture("-png", "png"), "no credential"),
            (
                "screenshot.jpg",
                self._picture("-jpeg", "jpg"),
                "a photo or a screenshot",
            ),
            (
                "encrypted.zip",
                self._zip_by("zip", "-q", "-P", "a", "{out}"),
                "password",
            ),
            (
                "encrypted-by-7z.zip",
                self._zip_by("7z", "a", "-tzip", "-bd", "-pa", "-mem=AES256", "{out}"),
                "password",
            ),
            (
                "lzma.zip",
                self._zip_by("7z", "a", "-tzip", "-bd", "-mm=LZMA", "{out}"),
                "packed in a way that is not read",
            ),
            ("open-badge-2.json", _OPEN_BADGE_2, _OTHER_KIND),
            ("open-badge-2.png", _open_badge_2_png(), "no credential"),
            ("of-another-system.json", _PUBLISHED.read_bytes(), _OTHER_KIND),
            (
                "deeply-nested.json",
                b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
                "deep",
            ),
            ("web-page.html", b"<!doctype html><title>Badge</title>", "well-formed"),
            ("empty.json", b"", "JSON"),
            ("no-credential.zip", write_archive([("README.txt", b"")]), _NO_FILE),
            ("empty.zip", write_archive([]), _NO_FILE),
            ("bomb.zip", _bomb(), "packed too tightly"),
            (
                "out-of-the-folder.zip",
                _zip(("../x.json", _CREDENTIAL)),
                "leads out of it",
            ),
            ("same-name-twice.zip", _twice(), "two files of one name"),
            (
                "archive-in-the-archive.zip",
                _zip(("inner.zip", write_archive([("x.json", _CREDENTIAL)]))),
                "An archive inside an archive is not opened.",
            ),
        ]

    def _carriers(self) -> dict[str, bytes]:
        return {
            "git.json": _CREDENTIAL,
            "git.png": baked.valid()["alone.png"][0],
            "git.svg": baked.valid()["alone.svg"][0],
            "README.txt": b"Keep this.\n",
        }

    def _pdf_by(self, *command: str) -> bytes:
        given, target = self._folder / "in.pdf", self._folder / "out.pdf"
        given.write_bytes(self._pdf)
        _run(command, {"{in}": given, "{out}": target}, self._folder)
        data = target.read_bytes()
        target.unlink()
        return data

    def _saved(self, name: str, *command: str) -> tuple[str, bytes, str]:
        return f"by-{name}.pdf", self._pdf_by(*command), _version(command[0])

    def _zip_by(self, *command: str) -> bytes:
        target = self._folder / "out.zip"
        names = sorted(self._carriers())
        _run((*command, *names), {"{out}": target}, self._folder / "pack")
        data = target.read_bytes()
        target.unlink()
        return data

    def _packed(self, name: str, *command: str) -> tuple[str, bytes, str]:
        return f"by-{name}.zip", self._zip_by(*command), _version(command[0])

    def _by_zipfile(self) -> bytes:
        return _zip(*self._carriers().items())

    def _by_pypdf(self) -> bytes:
        writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(self._pdf)))
        written = io.BytesIO()
        writer.write(written)
        return written.getvalue()

    def _with_another(self) -> bytes:
        other = self._folder / "other.json"
        other.write_bytes(_OTHER)
        return self._pdf_by(
            "qpdf", "--add-attachment", str(other), "--", "{in}", "{out}"
        )

    def _picture(self, kind: str, suffix: str) -> bytes:
        given = self._folder / "in.pdf"
        given.write_bytes(self._pdf)
        command = ("pdftoppm", kind, "-r", "40", "-singlefile", "{in}", "{out}")
        _run(command, {"{in}": given, "{out}": self._folder / "picture"}, self._folder)
        return (self._folder / f"picture.{suffix}").read_bytes()


def _run(command: tuple[str, ...], places: dict[str, Path], folder: Path) -> None:
    words = [str(places.get(word, word)) for word in command]
    subprocess.run(words, check=True, capture_output=True, cwd=folder, timeout=60)


def _version(program: str) -> str:
    if program == "pypdf":
        return f"pypdf {pypdf.__version__}"
    ask: dict[str, Callable[[], tuple[str, ...]]] = {
        "qpdf": lambda: ("qpdf", "--version"),
        "gs": lambda: ("gs", "--help"),
        "mutool": lambda: ("mutool", "-v"),
        "zip": lambda: ("zip", "-v"),
        "7z": lambda: ("7z",),
    }
    said = subprocess.run(ask[program](), capture_output=True, check=False, timeout=60)
    lines = (said.stdout + said.stderr).decode(errors="replace").splitlines()
    named = [line for line in lines if any(digit.isdigit() for digit in line)]
    wanted = [line for line in named if "This is Zip" in line] or named
    return wanted[0].split("(")[0].split(" [")[0].strip().removeprefix("This is ")


def _zip(*entries: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _attached(content: bytes, dictionary: bytes = b"") -> bytes:
    head = b"7 0 obj\n<</Type/EmbeddedFile%s>>\nstream\n" % dictionary
    return head + content + b"\nendstream\nendobj\n"


def _without_end() -> bytes:
    """Two plain attachments, of which one has no end before the other begins."""
    first, _, _ = _attached(_CREDENTIAL).partition(b"\nendstream")
    return b"%PDF-1.7\n" + first + b"\n" + _attached(_CREDENTIAL) + b"%%EOF\n"


def _in_another() -> bytes:
    """A deflated attachment that holds another one, unpacked, behind the credential."""
    packed = zlib.compress(_CREDENTIAL + _attached(_CREDENTIAL), level=0)
    return b"%PDF-1.7\n" + _attached(packed, b"/Filter/FlateDecode") + b"%%EOF\n"


def _open_badge_2_png() -> bytes:
    """Baked as Open Badges 2.0 has it: another keyword."""
    text = baked.chunk(b"iTXt", b"openbadges\0\0\0\0\0" + _OPEN_BADGE_2)
    return baked.HEADER + text + baked.REST


def _bomb() -> bytes:
    """Some thousand times as large inside."""
    return _zip(("bomb.json", b" " * 8_000_000))


def _twice() -> bytes:
    return _zip(("x.json", _CREDENTIAL), ("y.json", b"{}")).replace(
        b"y.json", b"x.json"
    )


def main() -> None:
    """Write every file anew."""
    made, manifest = files()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, data in made.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "manifest.json").write_text(text)


if __name__ == "__main__":
    main()
