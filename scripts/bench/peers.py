"""Other people's engines beside ours, where they install; a row without a bound each."""

import json
import shutil
import subprocess
from pathlib import Path

from ledger.core import rdf
from scripts.bench import school
from scripts.bench.row import Effort, Row, Work
from scripts.bench.timing import interleave

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "outsiders" / "canonize.mjs"


def jsonld_js(effort: Effort) -> Row:
    """jsonld.js on Node, warm, contexts in memory: the same bytes, and the CPU time of each."""
    documents = [school.document(school.offer(n), n) for n in range(20)]
    expected = [rdf.canonicalise(document).decode() for document in documents]
    node = shutil.which("node") or str(ROOT / ".venv" / "bin" / "node")
    question = {
        "contexts": dict(rdf.CONTEXTS),
        "documents": documents,
        "rounds": effort.count(20),
    }
    done = subprocess.run(
        [node, str(SCRIPT)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    if answer["texts"] != expected:
        raise RuntimeError("jsonld.js writes other N-Quads")

    def ours() -> None:
        for document in documents * effort.count(20):
            rdf.canonicalise(document)

    work = Work(ours, len(documents) * effort.count(20))
    seconds = interleave({"ours": work.run}, effort.rounds)["ours"].median
    each = seconds / work.items * 1e6
    return Row(
        name="canonicalise, jsonld.js beside it",
        unit="us",
        ours=round(each, 1),
        baseline=round(answer["microseconds"], 1),
        against="jsonld.js",
        ratio=round(answer["microseconds"] / each, 2),
        note="another process, not interleaved; the same bytes",
    )
