"""
One JSON-RPC address over HTTP, as web3 speaks it: a request is made once and its answer checked.

An answer has a size and a deadline. Names an address by host and port: its path often is an
access key.
"""

import re
import time
from functools import partial
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ContentDecodingError
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from ledger.core.canonical import Json, parse_object
from ledger.errors import MalformedError, SettingError
from ledger.wire import BoundedAnswer

_CONNECT_SECONDS = 3
#: From a question's first byte to the answer's last, however it dribbles in.
_READ_SECONDS: float = 10
_MAX_ANSWER = 4_000_000
_PIECE = 65_536
#: What is packed can be a thousand times as large as what came.
_AS_IT_IS = "identity"
_MAX_DEPTH = 100
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]}]')

#: All that the transport and web3 raise for a server that is away or talks nonsense.
TRANSPORT: Final = (
    requests.RequestException,
    HTTPError,  # what requests lets through of urllib3's
    Web3Exception,
    MalformedError,
    OSError,
    ValueError,
)


class JsonRpc(HTTPProvider):
    """web3's provider without its retries, and with the checks that it leaves out."""

    name: str
    _url: str
    _session: requests.Session

    @classmethod
    def of(cls, url: str) -> Self:
        """The address. Raises SettingError if it is none."""
        address = urlsplit(url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise SettingError("an RPC address begins with http:// or https://")
        session = requests.Session()
        # No proxy and no password from the environment: the configuration says it all.
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter())
        made = cls(
            url,
            session=session,
            # web3 repeats sends by default: done, but the answer lost, would look like failure.
            exception_retry_configuration=None,
        )
        port = f":{address.port}" if address.port else ""
        made.name = f"{address.hostname}{port}"
        made._url = url
        made._session = session
        return made

    def ask(self, method: str, params: list[Json]) -> dict[str, Json]:
        """One request, one answer to this very request. Raises one of `TRANSPORT`."""
        request = self.encode_rpc_request(RPCEndpoint(method), params)
        raw = self._post(request)
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

    def _post(self, request: bytes) -> bytes:
        # web3's own transport has the whole answer, unpacked, before anybody sees its size.
        with self._session.post(
            self._url,
            data=request,
            headers=self.get_request_headers() | {"Accept-Encoding": _AS_IT_IS},
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as response:
            raw = bytearray()
            for piece in response.iter_content(_PIECE):
                raw += piece
                if len(raw) > _MAX_ANSWER:
                    raise MalformedError(f"an answer of more than {_MAX_ANSWER} bytes")
            response.raise_for_status()
            return bytes(raw)


class _Connection(HTTPConnection):
    """urllib3's, whose answers are bounded, and due so long after the question began."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        until = time.monotonic() + _READ_SECONDS
        self.response_class = partial(  # type: ignore[assignment] # called, no more
            BoundedAnswer, most=_MAX_ANSWER, until=until
        )
        super().request(*args, **kwargs)


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """requests' transport over such connections, which takes answers as they are."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        # Here and not later: of a redirect, even of one that is not followed, requests reads
        # and unpacks everything before it returns.
        if response.headers.get("Content-Encoding", _AS_IT_IS).lower() != _AS_IT_IS:
            response.close()
            raise ContentDecodingError("a packed answer, which was not asked for")
        return response


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
