"""
One JSON-RPC address over HTTP, through web3's transport: a request is made once and its answer checked.

Names an address by host and port: its path often is an access key.
"""

import re
from typing import Final, Self, cast
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from ledger.core.canonical import Json, parse_object
from ledger.errors import MalformedError, SettingError

_CONNECT_SECONDS = 3
_READ_SECONDS = 10
_MAX_ANSWER = 4_000_000
_MAX_DEPTH = 100
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]}]')

#: All that the transport and web3 raise for a server that is away or talks nonsense.
TRANSPORT: Final = (
    requests.RequestException,
    Web3Exception,
    MalformedError,
    OSError,
    ValueError,
)


class JsonRpc(HTTPProvider):
    """web3's provider without its retries, and with the checks that it leaves out."""

    name: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The address. Raises SettingError if it is none."""
        address = urlsplit(url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise SettingError("an RPC address begins with http:// or https://")
        session = requests.Session()
        # No proxy and no password from the environment: the configuration says it all.
        session.trust_env = False
        made = cls(
            url,
            request_kwargs={
                "timeout": (_CONNECT_SECONDS, _READ_SECONDS),
                "allow_redirects": False,
            },
            session=session,
            # web3 repeats sends by default: done, but the answer lost, would look like failure.
            exception_retry_configuration=None,
        )
        port = f":{address.port}" if address.port else ""
        made.name = f"{address.hostname}{port}"
        return made

    def ask(self, method: str, params: list[Json]) -> dict[str, Json]:
        """One request, one answer to this very request. Raises one of `TRANSPORT`."""
        request = self.encode_rpc_request(RPCEndpoint(method), params)
        raw = self._make_request(RPCEndpoint(method), request)
        if len(raw) > _MAX_ANSWER:
            raise MalformedError(f"an answer of {len(raw)} bytes")
        # eth-account's libraries raise Python's recursion limit so far that a deeply nested
        # answer ends the process; what we ask for is a few levels deep.
        if _depth(raw) > _MAX_DEPTH:
            raise MalformedError("an answer of too many levels")
        # Not the ledger's strict reader: nodes quote raw return data in their messages,
        # control characters and all. Every value is checked where it is used.
        answer = cast("Json", self.decode_rpc_response(raw))
        if not isinstance(answer, dict):
            raise MalformedError("an answer that is no object")
        if answer.get("id") != parse_object(request)["id"]:
            raise MalformedError("an answer to another question")
        if ("error" in answer) == ("result" in answer):
            raise MalformedError("neither a result nor an error")
        return answer


def _depth(raw: bytes) -> int:
    """How deeply the brackets of a JSON text are nested."""
    depth = deepest = 0
    for found in _STRING_OR_BRACKET.finditer(raw):
        match found[0]:
            case b"[" | b"{":
                depth += 1
                deepest = max(deepest, depth)
            case b"]" | b"}":
                depth -= 1
            case _:
                pass  # a string: brackets in it nest nothing
    return deepest
