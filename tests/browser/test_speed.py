"""The first verdict stands within 300 ms of the drop, in a page that has checked nothing before."""

import statistics
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import pytest

from tests.browser.nodes import served
from tests.browser.visit import DROP, Answer, Case, Visit, answering

pytestmark = [pytest.mark.slow, pytest.mark.alone]

MOST = 300.0  # milliseconds
TIMES = 5
#: The machine may be busy with something else; it is not for ever.
ROUNDS = 3

#: Waits until what was shown has been painted, and answers when that was.
PAINTED = """
() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => {
  const at = name => performance.getEntriesByName(name).at(-1).startTime;
  resolve({ shown: at("verdict") - at("given"), painted: performance.now() - at("given") });
})))
"""


def first_verdict(visit: Visit, data: bytes) -> float:
    """Milliseconds from the drop to the verdict."""
    listed = [{"name": "badge.json", "base64": b64encode(data).decode()}]
    visit.page.evaluate(DROP, [listed])
    visit.wait()
    shown: float = visit.page.evaluate(PAINTED)["shown"]
    return shown


@pytest.mark.parametrize(
    "name",
    [
        *("genuine-as-of", "genuine-offline-of-a-closed-issuer"),
        *("genuine", "genuine-with-evidence", "genuine-by-endorsement"),
    ],
)
def test_the_first_verdict_comes_within_300_ms(
    name: str,
    open_page: Callable[..., Visit],
    capsys: pytest.CaptureFixture[str],
    pytestconfig: pytest.Config,
) -> None:
    case = Case(name)
    medians = []
    with ExitStack() as stack:
        nodes = {
            stack.enter_context(served(answer)): answer
            for answer in (
                answering(entry["answers"]) for entry in case.given["addresses"]
            )
        }
        for _ in range(ROUNDS):
            taken = [_first_verdict_of(case, nodes, open_page) for _ in range(TIMES)]
            medians.append(statistics.median(taken))
            with capsys.disabled():
                pytestconfig.get_terminal_writer().line(
                    f"\n  {name}: first verdict {medians[-1]:.0f} ms after the drop"
                    f" (median of {TIMES}, {min(taken):.0f} to {max(taken):.0f})"
                )
            if medians[-1] <= MOST:
                break

    assert min(medians) <= MOST


def _first_verdict_of(
    case: Case, nodes: Mapping[str, Answer], open_page: Callable[..., Visit]
) -> float:
    visit = open_page(case.now, fresh=True)
    case.configure(visit)
    visit.nodes.update(nodes)
    # Straight to the node: a request that a test looks into takes its time.
    visit.context.unroute_all()
    visit.enter("addresses", "\n".join(nodes))
    taken = first_verdict(visit, case.file)
    assert visit.report()["verdict"] == case.expected["verdict"]
    visit.context.close()
    return taken
