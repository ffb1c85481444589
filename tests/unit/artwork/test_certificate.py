"""A certificate: a page in any script, never a box for a letter, and the credential inside it."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings, strategies as st
from pypdf import PdfReader

from ledger.artwork.badge import CATEGORIES, LEVELS, BadgeSpec
from ledger.artwork.certificate import CertificateSpec, certificate_pdf
from ledger.artwork.fonts import font_order, is_east_asian, is_right_to_left
from ledger.core.pdf import attached_credential

SPEC = CertificateSpec(
    credential='{"name":"Zoë 楊 "}'.encode(),
    id="urn:uuid:0b0e8f1e-6f5c-4d7a-9a51-2f3c8f6a7b10",
    badge=BadgeSpec(
        "Python foundations", "Riverside Code School", "skill", "introductory"
    ),
    issuer="Riverside Code School",
    recipient="Amina Okafor",
    description="The earner writes small programs.",
    language="en",
    awarded_on=date(2026, 5, 1),
    valid_until=date(2029, 5, 1),
    address="https://credentials.example.org/c/1DDZ-BJAD-DH4X",
    code="1DDZ-BJAD-DH4X",
    skills=("Python", "Testing"),
    hours=30,
    score="88",
    record="Recorded on eip155:1 in block 23,104,518 at 2026-05-01T14:02:35Z.",
)


def tight(text: str) -> str:
    """Letters set apart are words to people and single letters to programs."""
    return text.replace(" ", "")


def words(pdf: bytes) -> str:
    """The text of a page, as another program reads it."""
    reader = PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    return " ".join(reader.pages[0].extract_text().split())


# ---------------------------------------------------------------- what it says


def test_the_page_says_who_what_when_and_where_to_check() -> None:
    page = words(certificate_pdf(SPEC).pdf)

    for expected in (
        "Riverside Code School",
        "SKILL RECOGNITION · INTRODUCTORY",
        "Python foundations",
        "is awarded to",
        "Amina Okafor",
        "The earner writes small programs.",
        "Testing",
        "1 May 2026",
        "1 May 2029",
        "30",
        "88 %",
        "1DDZ-BJAD-DH4X",
        "credentials.example.org/c",
        "Recorded on eip155:1 in block 23,104,518",
        SPEC.id,
        "This page proves nothing; the credential attached to it does.",
    ):
        assert tight(expected) in tight(page)


def test_what_there_is_not_is_not_there() -> None:
    bare = replace(
        SPEC,
        recipient=None,
        valid_until=None,
        skills=(),
        hours=None,
        score=None,
        record=None,
        description="",
    )
    page = words(certificate_pdf(bare).pdf)

    assert "the holder of the attached credential" in page
    assert "does not expire" in page
    assert "Not on a blockchain yet" in page
    assert "Hours" not in page
    assert "Score" not in page


def test_partner_withdrawal_and_test_network_are_told() -> None:
    told = replace(
        SPEC, partner="Hillside Trust", withdrawn_on=date(2026, 6, 2), test=True
    )
    page = words(certificate_pdf(told).pdf)

    assert "Hillside Trust" in page
    assert "Withdrawn by the issuer on 2 June 2026" in page
    assert tight("TEST NETWORK: PROVES NOTHING") in tight(page)


def test_every_category_and_level_has_its_page() -> None:
    pages = {
        certificate_pdf(
            replace(SPEC, badge=replace(SPEC.badge, category=category, level=level))
        ).pdf
        for category in CATEGORIES
        for level in LEVELS
    }

    assert len(pages) == 15


# ---------------------------------------------------------------- the file


def test_the_credential_is_attached_byte_for_byte() -> None:
    pdf = certificate_pdf(SPEC).pdf

    assert attached_credential(pdf) == SPEC.credential
    assert PdfReader(io.BytesIO(pdf)).attachments == {
        "credential.json": [SPEC.credential]
    }


def test_it_is_an_archival_and_an_accessible_pdf_and_says_so() -> None:
    pdf = certificate_pdf(SPEC).pdf
    reader = PdfReader(io.BytesIO(pdf))

    assert b"<pdfaid:part>3</pdfaid:part>" in pdf
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in pdf
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert str(reader.root_object["/Lang"]) == "en"
    assert b"/MarkInfo<</Marked true" in pdf
    assert reader.metadata is not None
    assert reader.metadata.title == "Python foundations, certificate"
    assert b"/AFRelationship/Source" in pdf


def test_pictures_have_words_for_those_who_do_not_see_them() -> None:
    pdf = certificate_pdf(SPEC).pdf

    assert b"(Badge: Python foundations, introductory)" in pdf
    assert b"(QR code: https://credentials.example.org/c/1DDZ-BJAD-DH4X)" in pdf


LONG_ADDRESS = f"https://{'a-long-name.' * 8}example.org/school/c/{SPEC.code}"


@pytest.mark.parametrize(
    ("address", "dots_per_inch"),
    [
        (SPEC.address, 60),
        (SPEC.address, 90),
        (SPEC.address, 150),
        (LONG_ADDRESS, 90),
        (LONG_ADDRESS, 150),
    ],
)
def test_a_scanner_reads_where_to_check(address: str, dots_per_inch: int) -> None:
    pdf = certificate_pdf(replace(SPEC, address=address)).pdf
    with pypdfium2.PdfDocument(pdf) as opened:
        drawn = opened[0].render(scale=dots_per_inch / 72, grayscale=True)
        dots = memoryview(bytes(drawn.buffer)).cast("B", (drawn.height, drawn.stride))

    assert [found.text for found in zxingcpp.read_barcodes(dots)] == [address]


def test_all_fonts_are_in_the_file() -> None:
    pdf = certificate_pdf(replace(SPEC, recipient="李伟 محمد")).pdf
    fonts = re.findall(rb"/FontDescriptor", pdf)

    assert len(fonts) > 3
    assert pdf.count(b"/FontFile") >= 3


def test_the_same_bytes_from_every_thread() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: certificate_pdf(SPEC).pdf, range(8)))

    assert len(made) == 1


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    [
        "Zażółć Gęślą Jaźń",
        "Nguyễn Thị Ánh Žižková",
        "Ελένη Παπαδοπούλου",
        "Анастасия Ўткирова",
        "محمد العربي بن يوسف",
        "مهدی نیک‌پی",
        "שירה כהן־לוי",
        "李伟",
        "𠮷野家",
        "山田 太郎",
        "やまだ タロウ",
        "김지은",
        "สมหญิง ใจดี",
        "अनन्या शर्मा",
        "অনন্যা সেন",
        "தமிழ் செல்வன்",
        "తెలుగు",
        "ಕನ್ನಡ",
        "മലയാളം",
        "ਪੰਜਾਬੀ",
        "ગુજરાતી",
        "සිංහල",
        "မြန်မာ",
        "ខ្មែរ",
        "ລາວ",
        "አማርኛ",
        "ქართული",
        "Հայերեն",
        "ᏣᎳᎩ",
        "ᠮᠣᠩᠭᠣᠯ",
        "ދިވެހި",
        "Zoë 😀",
        "O'Brien-Łukasz III.",
    ],
)
def test_names_are_printed_in_their_own_letters(name: str) -> None:
    made = certificate_pdf(replace(SPEC, recipient=name))

    assert made.left_out == ()
    assert "stands in the attached file" not in words(made.pdf)


@pytest.mark.parametrize("name", ["བོད་ཡིག", "Ada 𒀀", "\U0010fffd"])
def test_a_name_that_no_font_has_is_not_printed_as_boxes(name: str) -> None:
    made = certificate_pdf(replace(SPEC, recipient=name, skills=("བོད", "Git")))
    page = words(made.pdf)

    assert made.left_out == ("the name", "the skill 1")
    assert "(the name stands in the attached file)" in page
    assert "no font here has the letters: the name, the skill 1." in page
    assert "Git" in page


@pytest.mark.parametrize(
    "name",
    ['#panic("x")', "*bold* _it_ $x$ `raw` <label> @ref = heading", "// x", "\\u{41}"],
)
def test_markup_in_a_name_is_printed_as_it_stands(name: str) -> None:
    page = words(certificate_pdf(replace(SPEC, recipient=name)).pdf)

    assert tight(name) in tight(page)


@pytest.mark.parametrize(
    "name", ["W" * 200, "Ab " * 66 + "Ab", "i" * 200, "山" * 200, "م" * 200]
)
def test_the_longest_names_stay_on_the_page(name: str) -> None:
    long = replace(
        SPEC,
        recipient=name,
        issuer=name,
        badge=replace(SPEC.badge, title=name),
        description=name * 5,
        skills=tuple(f"{name[:40]}{n}" for n in range(20)),
        partner=name,
    )

    assert certificate_pdf(long).left_out == ()
    assert len(PdfReader(io.BytesIO(certificate_pdf(long).pdf)).pages) == 1


@pytest.mark.parametrize("blank", [" ", "\u3000", "\u200b", "\u00a0\u2060"])
def test_what_cannot_be_seen_is_said_to_be_in_the_file(blank: str) -> None:
    spec = replace(
        SPEC,
        recipient=blank,
        partner=blank,
        issuer=blank,
        badge=replace(SPEC.badge, title="\u200b"),
        skills=(blank,),
    )
    page = tight(words(certificate_pdf(spec).pdf))

    for what in ("the name", "the title", "the issuer", "the partner", "the skill 1"):
        assert tight(f"({what} stands in the attached file)") in page


@given(
    st.text(
        st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=30, deadline=None)
def test_no_name_breaks_the_page(name: str) -> None:
    made = certificate_pdf(replace(SPEC, recipient=name))

    assert attached_credential(made.pdf) == SPEC.credential
    assert set(made.left_out) <= {"the name"}


# ---------------------------------------------------------------- fonts


@pytest.mark.parametrize(
    ("language", "text", "family"),
    [
        ("en", "李伟", "Kurinto Sans SC"),
        ("zh-TW", "李伟", "Kurinto Sans TC"),
        ("zh-Hant-HK", "李伟", "Kurinto Sans TC"),
        ("ja", "山田", "Kurinto Sans JP"),
        ("en", "山田タロウ", "Kurinto Sans JP"),
        ("zh", "김지은", "Kurinto Sans KR"),
    ],
)
def test_han_is_drawn_as_its_readers_write_it(
    language: str, text: str, family: str
) -> None:
    order = font_order(language, text)
    east_asian = [name for name in order if re.search("Kurinto Sans ..$", name)]

    assert order[0] == "Libertinus Serif"
    assert east_asian[0] == family
    assert len(east_asian) == 4


def test_where_a_line_starts() -> None:
    assert is_right_to_left("محمد (Mo)")
    assert is_right_to_left("123 שירה")
    assert not is_right_to_left("Mo (محمد)")
    assert not is_right_to_left("12")


def test_east_asian_letters_are_known() -> None:
    assert is_east_asian("Yamada 山田")
    assert not is_east_asian("Ямада")


def test_a_fault_of_the_page_is_no_missing_letter() -> None:
    with pytest.raises(RuntimeError, match="certificate urn:uuid"):
        certificate_pdf(
            replace(SPEC, badge=replace(SPEC.badge), language="en", code="བ")
        )
