"""The `perdure` command: parses, wires one use case, prints its result.

Results go to stdout (JSON with --json), progress and errors to stderr. Exit codes: 0 done,
1 refused, 2 could not finish, 64 wrong usage, 78 a setting is missing or wrong, or a package that
the bare install leaves out; `verify` and `roster issue` have their own, in their help texts. Imports
stand inside the commands so that `perdure verify` needs neither database, web server nor web3.
"""

from ledger.cli import (
    closing,
    credentials,
    events,
    importing,
    issuing,
    organisations,
    policies,
    running,
    setting_up,
)
from ledger.cli.app import app, main

__all__ = [
    "app",
    "closing",
    "credentials",
    "events",
    "importing",
    "issuing",
    "main",
    "organisations",
    "policies",
    "running",
    "setting_up",
]
