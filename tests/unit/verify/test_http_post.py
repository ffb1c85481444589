"""However the other side frames its answer: so many bytes are read, for so long."""

import http.client
import time
import tracemalloc
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from ledger.errors import ChainUnavailable
from ledger.verify.http_post import HttpPost, HttpTarget
from ledger.verify.rpc import RpcReader
from tests.raw_server import BROKEN, CHUNKED, DRIBBLING, ENDLESS, raw_server

MOST = 100_000


def post_to(url: str, *, timeout: float = 20.0) -> HttpPost:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    target = HttpTarget(False, parts.hostname, parts.port, parts.path)
    return HttpPost(target, timeout=timeout, most=MOST)


@pytest.mark.parametrize("endless", ENDLESS)
def test_an_answer_without_end_takes_neither_memory_nor_time(endless: str) -> None:
    with raw_server(ENDLESS[endless]) as (url, _), closing(post_to(url)) as post:
        tracemalloc.start()
        try:
            assert_no_whole_answer(post)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 20 * MOST


def assert_no_whole_answer(post: HttpPost) -> None:
    try:
        reply = post.post(b"{}", {})
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError):
        return
    assert not reply.is_whole
    assert len(reply.body) == MOST


@pytest.mark.parametrize("broken", BROKEN)
def test_framing_that_is_none_is_an_error_of_http(broken: str) -> None:
    with raw_server(BROKEN[broken]) as (url, asked), closing(post_to(url)) as post:
        with pytest.raises(http.client.HTTPException):
            post.post(b"{}", {})

        assert len(asked) == 1


@pytest.mark.parametrize("dribbling", DRIBBLING)
def test_one_deadline_stands_over_the_whole_answer(dribbling: str) -> None:
    with (
        raw_server(DRIBBLING[dribbling]) as (url, _),
        closing(post_to(url, timeout=0.3)) as post,
    ):
        began = time.monotonic()

        with pytest.raises(TimeoutError):
            post.post(b"{}", {})

        assert time.monotonic() - began < 1.5


def test_chunks_of_a_byte_are_an_answer_like_any_other() -> None:
    """Framing may take as much as what it frames, and some more for the head."""
    chunks = b"1\r\nx\r\n" * 10_000
    answer = CHUNKED + chunks + b"0\r\na: b\r\n\r\n"

    with (
        raw_server(lambda connection: connection.sendall(answer)) as (url, _),
        closing(post_to(url)) as post,
    ):
        reply = post.post(b"{}", {})

    assert reply.is_whole
    assert reply.body == b"x" * 10_000


@pytest.mark.parametrize("broken", BROKEN)
def test_a_node_that_frames_nonsense_is_unavailable(broken: str) -> None:
    with (
        raw_server(BROKEN[broken]) as (url, _),
        closing(RpcReader(url)) as reader,
        pytest.raises(ChainUnavailable, match="did not answer"),
    ):
        reader.chain_id()
