"""A server that sends bytes, whatever HTTP says of them, on a loopback socket."""

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Send = Callable[[socket.socket], object]

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _without_end(piece: bytes, *, before: bytes = b"") -> Send:
    def send(connection: socket.socket) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(piece)

    return send


def _dribbling(piece: bytes, *, before: bytes) -> Send:
    """Faster than any timeout of a socket, and for longer than anybody waits."""

    def send(connection: socket.socket) -> None:
        connection.sendall(before)
        for _ in range(1_000):
            connection.sendall(piece)
            time.sleep(0.02)

    return send


def _once(answer: bytes) -> Send:
    return lambda connection: connection.sendall(answer)


def _whole(body: bytes, *headers: bytes) -> Send:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body]
    return _once(b"\r\n".join(lines))


_BLOCK = b"x" * 65_536

#: Answers that never end, by what they are made of.
ENDLESS: Mapping[str, Send] = {
    "a chunk of -1 bytes": _without_end(_BLOCK, before=CHUNKED + b"-1\r\n"),
    "one chunk": _without_end(_BLOCK, before=CHUNKED + b"7fffffffffffffff\r\n"),
    "chunks": _without_end(b"10000\r\n" + _BLOCK + b"\r\n", before=CHUNKED),
    "chunks of a byte": _without_end(b"1;" + b"e" * 99 + b"\r\nx\r\n", before=CHUNKED),
    "the size of a chunk": _without_end(b"0" * 65_536, before=CHUNKED),
    "trailers": _without_end(b"a: b\r\n" * 9_999, before=CHUNKED + b"0\r\n"),
    "interim answers": _without_end(b"HTTP/1.1 100 Continue\r\na: b\r\n\r\n" * 999),
    "no length": _without_end(_BLOCK, before=b"HTTP/1.1 200 OK\r\n\r\n"),
}

#: Answers that no reader of HTTP can make sense of.
BROKEN: Mapping[str, Send] = {
    "a chunk of -5 bytes": _once(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk of zz bytes": _once(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"),
    "a parameter in two forms": _whole(
        b"{}", b"Content-Type: multipart/mixed; boundary*=a; boundary*0*=b"
    ),
    "a parameter of many digits": _whole(
        b"{}", b"Content-Type: multipart/mixed; boundary*%s=x" % (b"9" * 5_000)
    ),
    "many headers": _whole(b"{}", *[b"a: b"] * 200),
    "a long header": _whole(b"{}", b"a: " + b"b" * 70_000),
    "another protocol": _once(b"SSH-2.0-OpenSSH_9.6\r\n"),
}

#: Answers that come in byte by byte.
DRIBBLING: Mapping[str, Send] = {
    "a header": _dribbling(b"a", before=b"HTTP/1.1 200 OK\r\nX: "),
    "a body": _dribbling(
        b" ", before=b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    ),
    "chunks": _dribbling(b"1\r\n \r\n", before=CHUNKED),
    "trailers": _dribbling(b"a: b\r\n", before=CHUNKED + b"0\r\n"),
    "interim answers": _dribbling(b"HTTP/1.1 100 Continue\r\n\r\n", before=b""),
}


def packed(body: bytes, *, status: bytes = b"200 OK\r\n") -> Send:
    """An answer whose body is packed with gzip; ``status`` goes on after HTTP/1.1."""
    small = gzip.compress(body)
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(small)
    return _once(b"HTTP/1.1 " + status + head + small)


@contextmanager
def raw_server(
    send: Send, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[bytes]]]:
    """Its URL, and the requests it had. It answers each with `send`, then hangs up."""
    asked: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # closed: it is over
                return
            connection.settimeout(5)
            with (
                connection,
                contextlib.suppress(OSError),
                tls.wrap_socket(connection, True) if tls else connection as inner,
            ):
                asked.append(_request(inner))
                send(inner)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            scheme = "https" if tls else "http"
            yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/", asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _request(connection: socket.socket) -> bytes:
    """A request with its body: one that is left unread would reset what is answered."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65_536) or b"\r\n\r\n"
    head, _, body = read.partition(b"\r\n\r\n")
    (length,) = (
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
