import logging
import sys
import threading
import warnings
from datetime import timedelta

import pytest

from anchor_worker import __main__ as program
from anchor_worker.__main__ import (
    UNFORESEEN,
    USAGE,
    _overrides,
    _parser,
    _progress,
    main,
)
from anchor_worker.policy import Overrides
from ledger.store.records import ChainTxState, WorkerReport

DEFAULTS = _parser().parse_args([])


def test_without_options_the_stored_policy_rules() -> None:
    assert _overrides(DEFAULTS) == Overrides()
    assert not DEFAULTS.once


def test_options_override_the_policy_for_this_process() -> None:
    given = _parser().parse_args(
        [
            "--once",
            "--batch-size",
            "7",
            "--batch-age",
            "0.5",
            "--max-fee-gwei",
            "1.5",
            "--bump-after",
            "3",
            "--resend-after",
            "9",
        ]
    )

    assert _overrides(given) == Overrides(
        batch_age=timedelta(seconds=0.5),
        batch_size=7,
        max_fee=1_500_000_000,
        bump_after=3,
        resend_after=timedelta(seconds=9),
        at_once=True,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--batch-size", "0"],
        ["--batch-size", "1.5"],
        ["--batch-age", "-1"],
        ["--batch-age", "nan"],
        ["--poll", "0"],
        ["--max-fee-gwei", "nan"],
        ["--max-fee-gwei", "0"],
        ["--max-fee-gwei", "0.5"],
        ["--max-fee-gwei", "200000"],
        ["--bump-after", "0"],
        ["--resend-after", "x"],
        ["--max-fee-gwei", "much"],
        ["--metrics-address", ":9464"],
        ["--metrics-address", "localhost:9464"],
        ["--unknown"],
        ["extra"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_64_and_says_why(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args(arguments)
    assert ended.value.code == USAGE
    said = capsys.readouterr().err
    assert "perdure worker: " in said
    assert "anchor_worker" not in said
    if len(arguments) > 1:
        assert f"argument {arguments[0]}: " in said
    if len(arguments) > 1 and arguments[0] != "--metrics-address":
        assert f"given '{arguments[1]}', expected " in said


def test_a_bound_is_a_number_that_can_be_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["--checkpoint-age", "-1"])
    assert "a number from 0 to 2592000\n" in capsys.readouterr().err


def test_help_names_settings_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["--help"])
    text = " ".join(capsys.readouterr().out.split())

    for word in (
        "usage: perdure worker",
        "PERDURE_DATABASE_URL",
        "64 wrong",
        "69 the database or no node",
        "70 something nobody foresaw",
        "78 config",
        "--once",
        "override the policy",
    ):
        assert word in text


REPORT = WorkerReport(
    waiting=4,
    held_back=0,
    oldest_waiting=None,
    chain_txs=dict.fromkeys(ChainTxState, 1),
)


def test_a_person_at_a_terminal_sees_a_bar_and_a_log_file_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    for hooked, hook in (
        (sys, "excepthook"),
        (threading, "excepthook"),
        (warnings, "showwarning"),
    ):
        monkeypatch.setattr(hooked, hook, getattr(hooked, hook))
    try:
        with _progress([]) as observe:
            assert observe is None
        assert capsys.readouterr().err == ""

        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "120")
        with _progress([]) as observe:
            assert observe is not None
            observe(31337, REPORT)
            sys.stderr.flush()
        shown = capsys.readouterr().err
    finally:
        root.handlers, root.level = handlers, level
    assert "1/7" in shown
    assert "4 credentials wait" in shown


def test_what_nobody_foresaw_is_started_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own exit code for it is 1: the one that keeps a service manager from starting again."""

    def run(*_: object) -> int:
        raise MemoryError

    monkeypatch.setattr(program, "_run", run)
    monkeypatch.setattr("anchor_worker.__main__.signal.signal", lambda *_: None)
    monkeypatch.setattr("anchor_worker.__main__.resource.setrlimit", lambda *_: None)

    assert main([]) == UNFORESEEN == 70
    assert "ended by what nobody foresaw" in capsys.readouterr().err
