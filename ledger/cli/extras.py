"""Which release is installed, what the bare package leaves out, and how an operator gets it."""

import importlib.metadata
import re
from typing import Final

from ledger.errors import SettingError

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_OURS: Final = frozenset({"ledger", "anchor_worker"})


def version() -> str:
    """The release, as the installed package states it."""
    try:
        return importlib.metadata.version("perdure")
    except importlib.metadata.PackageNotFoundError:
        return "of this source, which is not installed"


def is_left_out(error: ModuleNotFoundError) -> bool:
    """Whether somebody else's package is missing; one of our own modules is a broken install."""
    return (error.name or "").partition(".")[0] not in _OURS | {""}


def advice(extra: str, missing: str) -> str:
    """One line for who runs a command and has not installed what it stands on."""
    return f"this command needs pip install 'perdure[{extra}]' ({missing} is missing)"


def require(extra: str) -> None:
    """For what another process imports. Raises SettingError if the extra is not installed."""
    for requirement in _requirements():
        name, _, condition = requirement.partition(";")
        if re.search(rf"extra == ['\"]{extra}['\"]", condition) is None:
            continue
        found = _NAME.match(name.strip())
        if found is not None and not _is_installed(found[0]):
            raise SettingError(advice(extra, found[0]))


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires("perdure") or []
    except importlib.metadata.PackageNotFoundError:
        return []  # run from its source, which has no list to compare with


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
