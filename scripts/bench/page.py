"""How long the verifier's page takes from the drop of a file to its first verdict.

    scripts/bench/page [--times 5] [--json]

In Chromium, from `file://`, in a page that has checked nothing before; with a node on this
machine where the case has one. Milliseconds, medians; the exit status is 1 if one is above 300.
"""

import argparse
import json
import shutil
import statistics
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from scripts import verifier_page
from tests.browser.nodes import served
from tests.browser.visit import DROP, QUIET, Answer, Case, Visit, answering

MOST: Final = 300.0  # milliseconds
#: Offline with a checkpoint, offline of a closed issuer, and three that ask a node.
CASES: Final = (
    *("genuine-as-of", "genuine-offline-of-a-closed-issuer"),
    *("genuine", "genuine-with-evidence", "genuine-by-endorsement"),
)

# Waits until what was shown has been painted, and answers when it was shown.
_SHOWN: Final = """
() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => {
  const at = name => performance.getEntriesByName(name).at(-1).startTime;
  resolve(at("verdict") - at("given"));
})))
"""


def first_verdicts(browser: Browser, url: str, name: str, times: int) -> list[float]:
    """Milliseconds from the drop to the verdict, each time in a new page.

    Raises RuntimeError if the verdict is not the one that is expected, AssertionError if the page
    complained or asked a stranger.
    """
    case = Case(name)
    with ExitStack() as stack:
        nodes = {
            stack.enter_context(served(answer)): answer
            for answer in (
                answering(entry["answers"]) for entry in case.given["addresses"]
            )
        }
        return [_first_verdict(browser, url, case, nodes) for _ in range(times)]


def _first_verdict(
    browser: Browser, url: str, case: Case, nodes: Mapping[str, Answer]
) -> float:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    try:
        visit = Visit.pay(context, url, case.now)
        case.configure(visit)
        visit.nodes.update(nodes)
        # Straight to the node: a request that is looked into takes its time.
        context.unroute_all()
        visit.enter("addresses", "\n".join(nodes))
        listed = [
            {"name": "badge.json", "base64": b64encode(case.file).decode("ascii")}
        ]
        visit.page.evaluate(DROP, [listed])
        visit.wait()
        taken: float = visit.page.evaluate(_SHOWN)
        said = visit.report()["verdict"]
    finally:
        context.close()
    visit.judge()
    if said != case.expected["verdict"]:
        raise RuntimeError(f"the page says {said}, not {case.expected['verdict']}")
    return taken


@contextmanager
def _chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("chromium is not installed; run: scripts/setup --tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


def measure_all(times: int) -> Mapping[str, Sequence[float]]:
    """Milliseconds of every case, in the page as its sources are."""
    with TemporaryDirectory() as folder, _chromium() as browser:
        verifier_page.build(verifier_page.ROOT, Path(folder))
        url = (Path(folder) / "index.html").as_uri()
        return {name: first_verdicts(browser, url, name, times) for name in CASES}


def judge(medians: Mapping[str, float]) -> int:
    """The exit status: 1 if one is above the bound."""
    return int(any(each > MOST for each in medians.values()))


def main(
    arguments: Sequence[str],
    measure: Callable[[int], Mapping[str, Sequence[float]]] = measure_all,
) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--times", type=int, default=5, help="pages for each case")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = parser.parse_args(arguments)
    taken = measure(given.times)
    medians = {name: statistics.median(each) for name, each in taken.items()}
    console = Console()
    if given.json:
        rounded = {name: round(each, 1) for name, each in medians.items()}
        console.out(json.dumps({"milliseconds": rounded, "bound": MOST}))
    else:
        table = Table("case", "first verdict, ms", "from", "to", "at most")
        for name, each in taken.items():
            figures = (medians[name], min(each), max(each), MOST)
            table.add_row(name, *(f"{figure:.0f}" for figure in figures))
        console.print(table)
    return judge(medians)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
