"""The product without its shortcuts: pyld, rfc8785 and the strict parser do everything."""

import pytest

from ledger.core import canonical, rdf, signature


def take_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rdf, signature):
        monkeypatch.setattr(module, "canonicalise_by_tables", lambda *_: None)
    monkeypatch.setattr(canonical, "_encode_by_orjson", lambda _: None)
    monkeypatch.setattr(canonical, "_write", lambda _: None)
    monkeypatch.setattr(canonical, "_parse_by_orjson", lambda _: None)
