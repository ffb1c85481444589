"""The product without its shortcuts: pyld, rfc8785 and the strict parser do everything."""

import pytest

from ledger.core import canonical, offer, rdf, signature


def take_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (rdf, "canonicalise_by_tables"),
        (rdf, "form_of"),
        (offer, "form_of"),
        (signature, "form_of_options"),
        (canonical, "_encode_by_orjson"),
        (canonical, "_write"),
        (canonical, "_parse_by_orjson"),
    ):
        monkeypatch.setattr(module, name, lambda *_: None)
