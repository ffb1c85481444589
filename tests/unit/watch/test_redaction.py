"""API keys, e-mail addresses and keys in addresses are blanked wherever they stand."""

import pytest
from hypothesis import given, strategies as st

from ledger.config import EXAMPLES
from ledger.watch.redaction import Redactor, redact

KEY = "canarykey0123456789abcdef"


@given(
    st.from_regex(r"[a-z0-9.+_-]{1,30}@[a-z0-9-]{1,20}\.[a-z]{2,10}", fullmatch=True)
)
def test_addresses_are_blanked_wherever_they_stand(email: str) -> None:
    assert email not in redact(f"for {email}: <{email}>, '{email}'")


def test_api_keys_are_blanked_and_their_prefix_alone_is_not() -> None:
    key = "perdure_" + "7" * 44

    assert redact(f"key {key}.") == "key [redacted]."
    assert redact("perdure_777777 is known by its prefix") == (
        "perdure_777777 is known by its prefix"
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_ours_is_shown_as_it_is(example: str) -> None:
    text = f"It is needed. Example: PERDURE_X={example}"

    assert Redactor(examples=EXAMPLES)(text) == text


@pytest.mark.parametrize("example", [e for e in EXAMPLES if "://" in e])
@pytest.mark.parametrize("more", ["/{}", "?{}", "#{}", "/v2/{}?apikey={}"])
def test_an_address_that_begins_as_an_example_does_is_no_example(
    example: str, more: str
) -> None:
    shown = Redactor(examples=EXAMPLES)(f"at {example}{more.format(KEY, KEY)}")

    assert "sqlite" in example or KEY not in shown


def test_a_secret_that_was_set_is_blanked_in_an_example_too() -> None:
    example = "https://records.example.org/perdure"

    shown = Redactor(["example.org/perdure"], [example])(f"Example: {example}")

    assert "perdure" not in shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://localhost/perdure", "postgresql://localhost/perdure"),
        ("postgresql+psycopg://127.0.0.1:1/led_1:", "postgresql+psycopg://127.0.0.1:1/led_1:"),
        ("postgresql://[::1]:5432/perdure", "postgresql://[::1]:5432/perdure"),
        (f"postgresql://me:{KEY}@db:5432/perdure", "postgresql://db:5432/perdure"),
        ("postgresql://me:***@db/perdure", "postgresql://db/perdure"),
        (f"postgresql://db/perdure?password={KEY}", "postgresql://db/[redacted]"),
        (f"postgresql://me:pass/{KEY}@db/perdure", "postgresql://me:pass/[redacted]"),
        (f"postgresql://me:pass/{KEY}", "postgresql://me:pass/[redacted]"),
        (f"https://rpc.example.org/{KEY}", "https://rpc.example.org/[redacted]"),
        ("https://rpc.example.org/perdure", "https://rpc.example.org/[redacted]"),
    ],
)  # fmt: skip
def test_of_addresses_the_name_of_a_database_alone_is_shown(
    address: str, shown: str
) -> None:
    assert Redactor()(f"cannot use {address} (why)") == f"cannot use {shown} (why)"
