"""
Reading a chain over Ethereum JSON-RPC, and nothing but reading.

An address may be slow, broken or lying. Slow and broken end here, as ChainUnavailable: the
answer has a size, a shape and a deadline. Whether it is true is not known here; see
ledger.verify.witnesses.
"""

import enum
import http.client
import json
import re
import socket
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ledger.core import canonical
from ledger.core.account import AccountProof
from ledger.core.canonical import Json
from ledger.core.header import BlockHeader, rebuild_header
from ledger.errors import ChainUnavailable, MalformedError, SettingError
from ledger.verify.http_post import HttpPost, HttpTarget

TIMEOUT: Final = 8.0  # seconds, for one whole question
MAX_ANSWER: Final = 2_097_152
#: After so many failures in a row an address is not asked again: a hundred files must not
#: wait a hundred times for a machine that is not there.
MAX_FAILURES: Final = 3

#: What a number of JSON holds exactly: reports name blocks.
_MAX_NUMBER = 2**53 - 1
_QUANTITY = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,15})", re.ASCII)
_DATA = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII | re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_PATH = re.compile(r"[!-~]*", re.ASCII)


class Tag(enum.StrEnum):
    """The two heads of a chain that a verifier reads."""

    FINALIZED = "finalized"  #: cannot be replaced any more
    LATEST = "latest"  #: the newest there is


@dataclass(frozen=True, slots=True)
class Block:
    """A block as a reader names it."""

    number: int
    hash: bytes
    time: int


class ChainReader(Protocol):
    """
    One source of answers about one chain. Every method raises ChainUnavailable.

    Answers may be wrong; they are never missing, and never of the wrong shape. A reader may
    remember its chain id, nothing else.
    """

    @property
    def address(self) -> str:
        """The name that reports show: where the answers come from, without secrets."""
        ...

    def chain_id(self) -> int:
        """Tell the chain id."""
        ...

    def block(self, which: Tag | int) -> Block:
        """Read a block by tag or number; a number is answered with that number."""
        ...

    def code(self, address: str, block: int) -> bytes:
        """Read the code of an account at a block; empty if there is none."""
        ...

    def call(self, to: str, data: bytes, block: int) -> bytes:
        """Call a view at a block."""
        ...


class ProvingReader(ChainReader, Protocol):
    """A ChainReader that also gives state proofs, as far back as it keeps what that takes."""

    def header(self, number: int) -> BlockHeader:
        """Read a block's whole header."""
        ...

    def proof(self, address: str, slots: Sequence[bytes], block: int) -> AccountProof:
        """Read the nodes that prove an account and slots of it at a block."""
        ...


class RpcReader:
    """
    A ProvingReader over HTTP: no redirects, no proxy, no retry of what was answered.

    SettingError if the URL is not a plain http(s) address. Not for several threads.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._target = _target(url)
        self._timeout = timeout
        self._post = HttpPost(self._target, timeout=timeout, most=MAX_ANSWER)
        self._questions = 0
        self._failures = 0
        self._chain_id: int | None = None

    @property
    def address(self) -> str:
        """Scheme, host and port. Providers put the customer's key into the path."""
        target = self._target
        host = f"[{target.host}]" if ":" in target.host else target.host
        scheme, usual = ("https", 443) if target.tls else ("http", 80)
        port = "" if target.port == usual else f":{target.port}"
        return f"{scheme}://{host}{port}"

    def chain_id(self) -> int:
        """Ask eth_chainId, once. Raises ChainUnavailable."""
        if self._chain_id is None:
            self._chain_id = self._quantity(self._ask("eth_chainId"), "chain id")
        return self._chain_id

    def block(self, which: Tag | int) -> Block:
        """Ask eth_getBlockByNumber. Raises ChainUnavailable."""
        asked = hex(which) if isinstance(which, int) else which.value
        answer = self._ask("eth_getBlockByNumber", asked, False)
        if not isinstance(answer, dict):
            raise ChainUnavailable(f"{self.address} does not know the block {asked}")
        block = Block(
            number=self._quantity(answer.get("number"), "block number"),
            hash=self._data(answer.get("hash"), "block hash", size=32),
            time=self._quantity(answer.get("timestamp"), "block time"),
        )
        if block.number > _MAX_NUMBER:
            raise ChainUnavailable(f"{self.address} answered a block beyond 2^53 - 1")
        if isinstance(which, int) and block.number != which:
            raise ChainUnavailable(
                f"{self.address} was asked for block {which} and answered {block.number}"
            )
        return block

    def code(self, address: str, block: int) -> bytes:
        """Ask eth_getCode. Raises ChainUnavailable."""
        return self._data(self._ask("eth_getCode", address, hex(block)), "code")

    def call(self, to: str, data: bytes, block: int) -> bytes:
        """Ask eth_call. Raises ChainUnavailable."""
        question: Json = {"to": to, "data": f"0x{data.hex()}"}
        return self._data(self._ask("eth_call", question, hex(block)), "data")

    def header(self, number: int) -> BlockHeader:
        """Ask for a block and rebuild its header. Raises ChainUnavailable."""
        answer = self._ask("eth_getBlockByNumber", hex(number), False)
        if not isinstance(answer, dict):
            raise ChainUnavailable(f"{self.address} does not know the block {number}")
        named = self._data(answer.get("hash"), "block hash", size=32)
        try:
            header = rebuild_header(answer, named)
        except MalformedError as error:
            raise ChainUnavailable(f"{self.address}: {error}") from error
        if header.number != number:
            raise ChainUnavailable(
                f"{self.address} was asked for block {number} and answered"
                f" {header.number}"
            )
        return header

    def proof(self, address: str, slots: Sequence[bytes], block: int) -> AccountProof:
        """Ask eth_getProof; nothing of the answer is checked yet. Raises ChainUnavailable."""
        asked: list[Json] = [f"0x{slot.hex()}" for slot in slots]
        answer = self._ask("eth_getProof", address, asked, hex(block))
        try:
            return AccountProof.from_rpc(answer, slots)
        except MalformedError as error:
            raise ChainUnavailable(f"{self.address}: {error}") from error

    def close(self) -> None:
        """Let the connection go."""
        self._post.close()

    def _ask(self, method: str, *params: Json) -> Json:
        if self._failures >= MAX_FAILURES:
            raise ChainUnavailable(
                f"{self.address} failed {MAX_FAILURES} times and is not asked again"
            )
        try:
            answer = self._answer(method, list(params))
        except ChainUnavailable:
            self._failures += 1
            self.close()
            raise
        self._failures = 0
        return answer

    def _answer(self, method: str, params: list[Json]) -> Json:
        self._questions += 1
        question = {
            "jsonrpc": "2.0",
            "id": self._questions,
            "method": method,
            "params": params,
        }
        body = self._exchange(json.dumps(question).encode())
        try:
            answer = canonical.parse_object(body, max_bytes=MAX_ANSWER)
        except MalformedError as error:
            raise ChainUnavailable(
                f"{self.address} does not answer as an Ethereum node does: {error}"
            ) from error
        number = answer.get("id")
        if isinstance(number, bool) or number != self._questions:
            raise ChainUnavailable(f"{self.address} answered some other question")
        if "error" in answer:
            raise ChainUnavailable(f"{self.address} refused {method}{_reason(answer)}")
        if answer.get("jsonrpc") != "2.0" or "result" not in answer:
            raise ChainUnavailable(f"{self.address} does not speak JSON-RPC 2.0")
        return answer["result"]

    def _exchange(self, question: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            reply = self._post.post(question, headers)
        except (http.client.HTTPException, OSError) as error:
            raise ChainUnavailable(self._silence(error)) from error
        if reply.status != http.HTTPStatus.OK:
            raise ChainUnavailable(f"{self.address} answered HTTP {reply.status}")
        if not reply.is_whole:
            raise ChainUnavailable(f"{self.address} answered without end")
        return reply.body

    def _silence(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"{self.address} did not answer within {self._timeout:g} seconds"
        reason = getattr(error, "strerror", None) or type(error).__name__
        return f"{self.address} did not answer: {reason}"

    def _quantity(self, value: Json, what: str) -> int:
        if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
            raise ChainUnavailable(f"{self.address} answered no {what}")
        return int(value, 16)

    def _data(self, value: Json, what: str, *, size: int | None = None) -> bytes:
        if not isinstance(value, str) or not _DATA.fullmatch(value):
            raise ChainUnavailable(f"{self.address} answered no {what}")
        data = bytes.fromhex(value[2:])
        if size is not None and len(data) != size:
            raise ChainUnavailable(f"{self.address} answered a {what} of wrong size")
        return data


def _target(url: str) -> HttpTarget:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingError(f"not a web address: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise SettingError("an RPC address starts with http:// or https://")
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise SettingError("an RPC address with a user name or password is not used")
    if not (_HOST.fullmatch(host) or _is_ipv6(host)):
        raise SettingError("an RPC address needs a host name in plain letters")
    if port == 0:
        raise SettingError("an RPC address has no port 0")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _PATH.fullmatch(path):
        raise SettingError("an RPC address consists of printable ASCII characters")
    tls = parts.scheme == "https"
    return HttpTarget(tls, host, port or (443 if tls else 80), path)


def _is_ipv6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host)
    except OSError:
        return False
    return True


def _reason(answer: dict[str, Json]) -> str:
    error = answer["error"]
    if not isinstance(error, dict):
        return ""
    code, message = error.get("code"), error.get("message")
    text = f" ({code})" if type(code) is int else ""
    return f"{text}: {message[:120]}" if isinstance(message, str) else text
