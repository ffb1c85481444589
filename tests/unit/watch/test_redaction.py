"""API keys and e-mail addresses are blanked wherever they stand."""

from hypothesis import given, strategies as st

from ledger.watch.redaction import redact


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
