"""A signing server as its own process: `eth_signTransaction`, honest or not, by path.

    python -m tests.signing_server ADDRESS_FILE

The path chooses: / signs as Web3Signer does, /clef as Clef does, /change/FIELD another value of
a field, and the other paths what their names say.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address

KEY = bytes.fromhex("44" * 32)
OTHER = bytes.fromhex("45" * 32)
_NUMBERS = ("gas", "maxPriorityFeePerGas", "maxFeePerGas", "value", "nonce", "chainId")


def sign(
    asked: dict[str, Any], key: bytes = KEY, changes: Mapping[str, Any] | None = None
) -> str:
    fields = {name: int(asked[name], 16) for name in _NUMBERS}
    transaction = {
        "type": 2,
        "to": to_checksum_address(asked["to"]),
        "data": asked["data"],
        **fields,
        **(changes or {}),
    }
    signed = Account.sign_transaction(transaction, key)
    return "0x" + bytes(signed.raw_transaction).hex()


def _changed(asked: dict[str, Any], field: str) -> str:
    other = {
        "to": "0x" + "11" * 20,
        "data": asked["data"] + "00",
        "accessList": [{"address": "0x" + "11" * 20, "storageKeys": []}],
    }
    value = other[field] if field in other else int(asked[field], 16) + 1
    return sign(asked, changes={field: value})


#: What the last word of the path makes of the question: members of the answer.
ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "clef": lambda asked: {"result": {"raw": sign(asked), "tx": {}}},
    "other-key": lambda asked: {"result": sign(asked, OTHER)},
    "refuse": lambda _: {
        "error": {"code": -32000, "message": "Signer not found\x1b[2J"}
    },
    "null": lambda _: {"result": None},
    "junk": lambda _: {"result": "0x02c0ffee"},
    "not-hex": lambda _: {"result": "0xzz"},
    "other-answer": lambda asked: {"id": -1, "result": sign(asked)},
}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (asked,) = question["params"]
        path = self.path.partition("?")[0].strip("/")
        if path == "html":
            self._send(b"<html>502 Bad Gateway</html>")
            return
        if path == "silent":
            time.sleep(30)
            return
        if path.startswith("change/"):
            answer = {"result": _changed(asked, path.removeprefix("change/"))}
        elif path in ANSWERS:
            answer = ANSWERS[path](asked)
        else:
            answer = {"result": sign(asked)}
        whole = {"jsonrpc": "2.0", "id": question["id"], **answer}
        self._send(json.dumps(whole).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Say nothing."""


@contextmanager
def signing_server(folder: Path) -> "Iterator[tuple[str, subprocess.Popen[bytes]]]":
    """The server as a process of its own: its address, and the process."""
    told = folder / "signing-server"
    process = subprocess.Popen([sys.executable, "-m", "tests.signing_server", told])
    try:
        deadline = time.monotonic() + 20
        while not (told.exists() and told.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield told.read_text(), process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        Path(sys.argv[1]).write_text(f"http://127.0.0.1:{server.server_address[1]}")
        server.serve_forever()
