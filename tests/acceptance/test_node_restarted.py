"""Row M1 of the fault matrix: a node that is started again has the chain and lost its pool."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.test_faults import wait
from tests.acceptance.test_worker import SENDER, Ledger
from tests.anvil import Anvil

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]


@pytest.fixture
def start_again(
    tmp_path: Path, start_anvil: Callable[..., Anvil]
) -> Callable[[int], Anvil]:
    """Start a node on a port (0: any), with the chain that the last one left."""
    state = tmp_path / "chain.json"
    return lambda port: start_anvil(
        *("--state", str(state), "--preserve-historical-states"), port=port
    )


def test_a_node_that_is_started_again_is_given_the_same_bytes(
    tmp_path: Path, sqlite_url: str, start_again: Callable[[int], Anvil]
) -> None:
    node = start_again(0)
    node.deploy()
    node.fund(SENDER)
    with ExitStack() as stack:
        scene = Ledger(tmp_path, sqlite_url, node, stack)
        node.rpc("evm_setAutomine", False)
        worker = scene.start("--once", "--resend-after", "1")
        scene.issue(3)
        wait("it has sent", lambda: '"sent"' in scene.log())
        (before,) = node.rpc("txpool_content")["pending"].values()

        node.stop()
        wait("the worker notices", lambda: "unavailable" in scene.log())
        scene.anvil = start_again(urlsplit(node.url).port or 0)
        scene.anvil.rpc("evm_setAutomine", False)
        wait("it sends again", lambda: _pool(scene) == {SENDER: before})

        assert scene.finish(worker) == [0]
        scene.check(anchors=1)


def _pool(scene: Ledger) -> object:
    return scene.anvil.rpc("txpool_content")["pending"]
