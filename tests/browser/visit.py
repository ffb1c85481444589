"""verifier.html open in Chromium, watched: what it asks, what it complains of, what it shows."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    FilePayload,
    Page,
    Request,
    Route,
    expect,
)

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
REPORTS = VECTORS / "reports"
AXE = ROOT / "ledger/verify/page/node_modules/axe-core/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice")
CODE: Mapping[str, str] = json.loads((REPORTS / "code.json").read_bytes())

# Without them Chromium looks up hosts of its maker at every start.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)


#: Sets the clock without touching timers or the measuring of time.
CLOCK = """
(() => {
  const Real = Date, now = Real.parse("%s");
  globalThis.Date = class extends Real {
    constructor(...given) { if (given.length) super(...given); else super(now); }
    static now() { return now; }
  };
})();
"""
DROP = """
([files]) => {
  const transfer = new DataTransfer();
  for (const { name, base64 } of files) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  const event = (type) =>
    new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
  const target = document.getElementById("drop");
  target.dispatchEvent(event("dragenter"));
  target.dispatchEvent(event("dragover"));
  target.dispatchEvent(event("drop"));
}
"""

Answer = Callable[[dict[str, Any]], Mapping[str, Any]]


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


@dataclass
class Visit:
    """One visit to the page. `judge` fails for anything that must not have happened."""

    context: BrowserContext
    page: Page
    #: Who answers at an address that was entered; everybody else is a stranger.
    nodes: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    home: str = ""
    #: What a host of the page answers, instead of a real one.
    hosted: bytes | None = None

    @classmethod
    def pay(
        cls,
        context: BrowserContext,
        url: str,
        now: datetime | None,
        hosted: bytes | None = None,
    ) -> "Visit":
        """Open the page in a context that nobody else uses."""
        visit = cls(context, context.new_page(), home=url, hosted=hosted)
        if now is not None:
            visit.page.add_init_script(CLOCK % now.isoformat())
        visit.page.on("console", visit._hear)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        context.on("request", visit._see)
        context.on("requestfailed", visit._unsee)
        context.route(lambda address: address.startswith("http"), visit._answer)
        visit.page.goto(url)
        return visit

    def again(self, now: datetime | None) -> None:
        """Open the page anew; what was entered and given is gone with the old one."""
        self.nodes.clear()
        self.asked.clear()
        self.page.goto("about:blank")
        self.page.goto(self.home)
        if now is not None:
            self.page.evaluate(CLOCK % now.isoformat())

    def judge(self) -> None:
        assert self.strangers == [], "asked somebody whom nobody entered"
        assert self.complaints == []

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _see(self, request: Request) -> None:
        own = request.url.partition("#")[0] == self.home.partition("#")[0]
        if own or request.url.startswith(("data:", "blob:", "about:")):
            return
        known = request.url.rstrip("/") in self.nodes
        (self.asked if known else self.strangers).append(request.url)

    def _unsee(self, request: Request) -> None:
        # Told of before the policy is asked; nothing has left the page.
        if request.failure == "csp":
            self.strangers.remove(request.url)

    def _answer(self, route: Route) -> None:
        node = self.nodes.get(route.request.url.rstrip("/"))
        if node is None:
            if route.request.url.partition("#")[0] != self.home.partition("#")[0]:
                route.abort()
            elif self.hosted is None:
                route.continue_()
            else:
                route.fulfill(body=self.hosted, content_type="text/html")
            return
        question = json.loads(route.request.post_data or "")
        answer = {"jsonrpc": "2.0", "id": question["id"], **node(question)}
        route.fulfill(
            body=json.dumps(answer),
            content_type="application/json",
            headers={"Access-Control-Allow-Origin": "*"},
        )

    # ------------------------------------------------------------ what a person does

    def enter(self, field: str, value: str) -> None:
        """Type into a setting, unfolding it if it is folded."""
        box = self.page.locator(f"#{field}")
        if not box.is_visible():
            self.page.locator("#more > summary").click()
        box.fill(value)

    def load(self, field: str, data: bytes, name: str = "settings.json") -> None:
        """Choose a file of settings."""
        self.page.locator(f"#{field}").set_input_files(payload(name, data))

    def give(self, *files: tuple[str, bytes]) -> None:
        """Choose files to check, and wait until they are."""
        self.page.locator("#files").set_input_files(
            [payload(name, data) for name, data in files]
        )
        self.wait()

    def wait(self) -> None:
        """Until there is a verdict, or a word on why there is none."""
        expect(self.page.locator("#result .verdict:not(.busy)").first).to_be_visible()

    # ------------------------------------------------------------ what a person sees

    @property
    def heading(self) -> str:
        return self.page.locator("#result .heading").first.inner_text()

    @property
    def box(self) -> str:
        """The words of the verdict box."""
        return self.page.locator("#result .verdict").first.inner_text()

    def report(self) -> dict[str, Any]:
        """The report on one file, as the page gives it away."""
        text = self.page.locator("#result pre").last.text_content()
        document = json.loads(text or "")
        (report,) = document["files"]
        assert document["exitCode"] == report["exitCode"]
        assert isinstance(report, dict)
        return report

    def shown_steps(self) -> list[dict[str, str]]:
        """Word, title and further sentences of each step, from the screen."""
        found: list[dict[str, str]] = self.page.locator(
            "#result .steps li"
        ).evaluate_all(
            """items => items.map(item => ({
                 outcome: item.className,
                 code: item.dataset.code,
                 word: item.querySelector(".word").innerText,
                 title: item.querySelector("strong").innerText,
                 rest: [...item.querySelectorAll(".detail")].map(e => e.textContent).join("|"),
               }))"""
        )
        return found

    def axe(self) -> list[str]:
        """What axe finds wrong, in words."""
        if not self.page.evaluate("'axe' in globalThis"):
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})",
            list(RULES),
        )
        assert len(found["passes"]) > 20, "axe looked at nothing"
        return [
            f"{entry['id']}: {[node['target'] for node in entry['nodes']]}"
            for entry in found["violations"]
        ]

    def sideways(self) -> int:
        """By how many pixels the page is wider than the window."""
        wide: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide


def answering(answers: Sequence[Mapping[str, Any]]) -> Answer:
    """A node that knows what a vector lists, and the registries' code."""

    def answer(question: dict[str, Any]) -> Mapping[str, Any]:
        method, params = question["method"], question["params"]
        for entry in answers:
            if (entry["method"], entry["params"]) == (method, params):
                kind = "error" if "error" in entry else "result"
                return {kind: entry[kind]}
        if method == "eth_getCode":
            return {"result": CODE[params[0]]}
        message = "the vector has no answer to this"
        return {"error": {"code": -32601, "message": message}}

    return answer


@dataclass(frozen=True)
class Case:
    """A folder of tests/vectors/reports."""

    name: str

    @property
    def folder(self) -> Path:
        return REPORTS / self.name

    @property
    def file(self) -> bytes:
        return (self.folder / "file").read_bytes()

    @property
    def given(self) -> dict[str, Any]:
        given: dict[str, Any] = json.loads((self.folder / "given.json").read_bytes())
        return given

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.given["now"])

    @property
    def expected(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes())
        return report

    def configure(self, visit: Visit) -> None:
        """Enter everything that the vector gives besides the file."""
        addresses = self.given["addresses"]
        for entry in addresses:
            visit.nodes[entry["address"]] = answering(entry["answers"])
        visit.enter("addresses", "\n".join(entry["address"] for entry in addresses))
        visit.enter("email", self.given["email"] or "")
        for field_, name in (
            ("networks", "networks.json"),
            ("trust", "trust.json"),
            ("checkpoints", "checkpoints.json"),
        ):
            path = self.folder / name
            if path.exists():
                visit.load(field_, path.read_bytes(), name)


CASES = tuple(Case(path.name) for path in sorted(REPORTS.iterdir()) if path.is_dir())
