"""How a process ends that its unit starts again."""

import logging

import pytest
import typer

from ledger.cli.services import service, watched_at
from ledger.errors import (
    ChainUnavailable,
    Conflict,
    KeystoreError,
    SettingError,
    StoreError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingError("it does not do"), 78),
        (KeystoreError("it does not do"), 78),
        (Conflict("it does not do"), 78),
        (ChainUnavailable("it does not do"), 69),
        (StoreError("it does not do"), 69),
        (ZeroDivisionError("it does not do"), 70),
    ],
)
def test_an_error_is_logged_and_has_a_code_that_the_unit_goes_by(
    error: Exception, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    @service
    def run() -> int:
        raise error

    assert run() == code
    (line,) = caplog.records
    assert (line.levelno, "it does not do" in caplog.text) == (logging.CRITICAL, True)


def test_the_command_lines_own_errors_and_a_clean_end_pass() -> None:
    @service
    def run(address: str) -> int:
        watched_at(address)
        return 0

    assert run("127.0.0.1:9464") == 0
    with pytest.raises(typer.BadParameter, match=r"--metrics-address: .*9464"):
        run(":9464")
