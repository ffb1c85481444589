"""
Other people's engines beside ours, where they install; a row without a bound each.

jsonld.js, openbadgeslib and openvc-core are there for the tests. The others are nobody's
dependency: scripts/bench/others holds their hash-pinned locks and the programs that run them, and
`install` puts them into a folder of their own. Each runs in a process of its own, and what it
makes is compared with ours before anything is timed, as far as its format allows.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from anchor_worker.tree import build, check_tree
from ledger.core import canonical, rdf, signature
from ledger.core.anchor import Anchor, AnchorProof
from ledger.core.canonical import Json
from ledger.core.credential import SignedCredential, sign_credential
from ledger.core.durable import DurableCredential
from ledger.core.merkle import InclusionProof, leaf_hash, node_hash
from scripts import environment
from scripts.bench import school
from scripts.bench.contender import beside, contender
from scripts.bench.row import Effort, Row, Work
from scripts.bench.timing import interleave

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "outsiders" / "canonize.mjs"
OTHERS = ROOT / "scripts" / "bench" / "others"

ANCHOR = Anchor(31337, "0x" + "5e" * 20, 1, 1_790_000_000)
OPEN_BADGES = "/spec/ob/v3p0/"
#: Rounds of JavaScript before anything counts: it is slow until it was compiled.
COMPILED = 3
#: A transaction, as a MerkleProof2019 names where its root stands.
TRANSACTION = "5d" * 32


def install() -> None:
    """Bring the competitors that no test needs. SetupError if they do not install."""
    folder = environment.Folder(ROOT)
    environment.npm_project(folder, str(OTHERS.relative_to(ROOT)))
    python, lock = OTHERS / ".python", OTHERS / "requirements.lock"
    # An environment carries its own path and Python: a moved one is made anew.
    wanted = environment.digest(str(python), sys.version, lock)
    if environment.is_done(python / "installed", wanted):
        return
    environment.say(f"Python packages: {lock.relative_to(ROOT)}")
    environment.run(
        [sys.executable, "-m", "venv", "--clear", python],
        cwd=ROOT,
        hint="Is the venv module installed (Debian: python3-venv)?",
    )
    pip = (python / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    environment.run(
        [*pip, "install", "--quiet", "--require-hashes", "--no-deps", "-r", lock],
        cwd=ROOT,
        hint="The first run needs the Python package registry.",
    )
    environment.mark_done(python / "installed", wanted)


def node() -> str:
    return shutil.which("node") or str(ROOT / ".venv" / "bin" / "node")


def python_of_others() -> str:
    return os.fspath(OTHERS / ".python" / "bin" / "python")


def same(name: str, theirs: object, ours: object) -> None:
    """An engine that was not compared has not been measured."""
    if theirs != ours:
        raise RuntimeError(f"{name} says something else: it cannot be compared")


# ---------------------------------------------------------------- canonical N-Quads


def jsonld_js(effort: Effort) -> Row:
    """jsonld.js on Node, warm, contexts in memory: the same bytes, and the CPU time of each."""
    documents = [school.document(school.offer(n), n) for n in range(20)]
    expected = [rdf.canonicalise(document).decode() for document in documents]
    question = {
        "contexts": dict(rdf.CONTEXTS),
        "documents": documents,
        "rounds": effort.count(20),
    }
    done = subprocess.run(
        [node(), str(SCRIPT)],
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


# ---------------------------------------------------------------- signatures


def open_badge(engine: str, task: str, effort: Effort) -> Row:
    """Sign or verify: the same signature, and what either signs the other verifies."""
    offers = [school.offer(n) for n in range(effort.count(20))]
    documents = [school.document(offered, n) for n, offered in enumerate(offers)]
    signed = [school.signed(offered, n) for n, offered in enumerate(offers)]
    question = {
        "engine": engine,
        "task": task,
        "seed": school.SEED.hex(),
        "method": school.ISSUER.verification_method,
        "created": school.NOW.isoformat(),
        # openbadgeslib carries these itself, openvc-core has to be given them.
        "contexts": {
            url: context for url, context in rdf.CONTEXTS.items() if OPEN_BADGES in url
        },
        "documents": documents,
        "texts": [_with_one_proof(credential, "") for credential in signed],
        "changed": [_with_one_proof(credential, "!") for credential in signed],
    }
    command = [sys.executable, "-m", "scripts.bench.others.open_badges"]
    with contender(engine, command, question) as theirs:
        # The JSON nonce is ours alone; without it, there is one signature only.
        plain = [_sign(document, nonce=False) for document in documents]
        expected = {"proofs": plain, "refused": len(signed)}
        same(engine, theirs.answer, expected)

        def signing() -> None:
            for document in documents:
                sign_credential(
                    document,
                    school.KEY,
                    verification_method=school.ISSUER.verification_method,
                    created=school.NOW,
                )

        def verifying() -> None:
            for credential in signed:
                SignedCredential.from_bytes(credential.data).check()

        work = {"sign": signing, "verify": verifying}[task]
        return beside(
            f"{task} an Open Badge",
            _times(work, len(documents), 20),
            theirs,
            items=len(documents),
            effort=effort,
            note="the same signature; ours with its JSON nonce and closed model",
        )


def _with_one_proof(credential: SignedCredential, more: str) -> str:
    """As they take it: one proof, no array; `more` is added to what was signed."""
    document: dict[str, Any] = credential.document
    proof = document.pop("proof")
    document["name"] = f"{document['name']}{more}"
    return json.dumps({**document, "proof": proof[0]})


def _sign(document: dict[str, Json], *, nonce: bool) -> dict[str, Json]:
    return signature.sign(
        document,
        school.KEY,
        verification_method=school.ISSUER.verification_method,
        created=school.NOW,
        nonce=nonce,
    )


# ---------------------------------------------------------------- proofs of leaves


def pymerkle(effort: Effort) -> Row:
    count = effort.count(10_000)
    entries = [number.to_bytes(8, "big") for number in range(count)]
    command = [python_of_others(), "-m", "scripts.bench.others.pymerkle_paths"]
    with contender("pymerkle", command, {"count": count}) as theirs:
        tree = build([leaf_hash(entry) for entry in entries])
        same("pymerkle", theirs.answer["root"], tree.root.hex())
        for entry, nodes, path in zip(
            entries, theirs.answer["paths"], tree.paths(), strict=True
        ):
            # It gives the leaf along with its path.
            leaf = leaf_hash(entry).hex()
            same("pymerkle", "".join(x for x in nodes if x != leaf), path.hex())

        def ours() -> None:
            for _ in build([leaf_hash(entry) for entry in entries]).paths():
                pass

        return beside(
            f"tree and proofs of {count:,} entries",
            _times(ours, count, 5),
            theirs,
            items=count,
            effort=effort,
            note="the same root and proofs",
        )


def openzeppelin(effort: Effort) -> Row:
    count = effort.count(10_000)
    leaves = [leaf_hash(number.to_bytes(8, "big")) for number in range(count)]
    question = {"leaves": [f"0x{leaf.hex()}" for leaf in leaves]}
    command: list[str | Path] = [node(), OTHERS / "openzeppelin-paths.mjs"]
    with contender("OpenZeppelin", command, question) as theirs:
        roots = {
            f"0x{_climb(leaf, path).hex()}"
            for leaf, path in zip(leaves, theirs.answer["paths"], strict=True)
        }
        same(theirs.name, roots, {theirs.answer["root"]})

        def ours() -> None:
            tree = build(leaves)
            check_tree(tree, b"".join(leaves))
            for _ in tree.paths():
                pass

        return beside(
            f"tree and checked proofs of {count:,} leaves",
            _times(ours, count, 5),
            theirs,
            items=count,
            effort=effort,
            warm_up=COMPILED,
            note="SHA-256 by either; its pairs are sorted, so the roots differ",
        )


def _climb(leaf: bytes, path: list[str]) -> bytes:
    """To the root of a tree of sorted pairs."""
    node = leaf
    for sibling in path:
        node = node_hash(*sorted((node, bytes.fromhex(sibling[2:]))))
    return node


# ---------------------------------------------------------------- anchor proofs


def merkle_proof_2019(registry: str, task: str, effort: Effort) -> Row:
    """The anchor proof of a batch of a million, against the same path as MerkleProof2019."""
    proofs = [_anchor_proof(number) for number in range(10)]
    question = {
        "task": task,
        "proofs": [_as_2019(proof) for proof in proofs],
        "rounds": effort.count(5),
    }
    command: list[str | Path] = (
        [node(), OTHERS / "merkle-proof-2019.mjs"]
        if registry == "npm"
        else [python_of_others(), "-m", "scripts.bench.others.merkle_proof_2019"]
    )
    with contender(f"lds-merkle-proof-2019 ({registry})", command, question) as theirs:
        same(theirs.name, theirs.answer, question["proofs"])
        texts = [canonical.encode(proof.to_json()) for proof in proofs]
        read = [AnchorProof.from_json(canonical.parse(text)) for text in texts]
        same("our own decoder", read, proofs)

        def encoding() -> None:
            for proof in proofs:
                canonical.encode(proof.to_json())

        def decoding() -> None:
            for text in texts:
                AnchorProof.from_json(canonical.parse(text))

        work = {"encode": encoding, "decode": decoding}[task]
        return beside(
            f"{task} an anchor proof",
            _times(work, len(proofs), effort.count(100)),
            theirs,
            items=len(proofs) * effort.count(5),
            effort=effort,
            warm_up=COMPILED if registry == "npm" else 1,
            note=f"the same path of {school.PATH} in both, read again as it was written",
        )


def _anchor_proof(number: int) -> AnchorProof:
    siblings = tuple(hashlib.sha256(b"%d" % at).digest() for at in range(school.PATH))
    inclusion = InclusionProof(number, 2**school.PATH, siblings)
    root = inclusion.sealed_root(leaf_hash(b"%d" % number))
    return AnchorProof(inclusion, root, school.PROFILE, (ANCHOR,))


def _as_2019(proof: AnchorProof) -> dict[str, Json]:
    index = proof.inclusion.leaf_index
    return {
        "path": [
            {"left" if index >> height & 1 else "right": sibling.hex()}
            for height, sibling in enumerate(proof.inclusion.path)
        ],
        "merkleRoot": proof.sealed_root.hex(),
        "targetHash": leaf_hash(b"%d" % index).hex(),
        "anchors": [f"blink:eth:sepolia:{TRANSACTION}"],
    }


# ---------------------------------------------------------------- whole batches


def open_attestation(task: str, effort: Effort) -> Row:
    """Documents into a batch of files, each with its proof; or each of those verified."""
    count = effort.count(200)
    offered = school.offer()
    documents = [school.document(offered, number) for number in range(count)]
    wrapped = [_for_open_attestation(document) for document in documents]
    command: list[str | Path] = [node(), OTHERS / "open-attestation.mjs"]
    question = {"task": task, "documents": wrapped}
    with contender("open-attestation", command, question) as theirs:
        size = sum(theirs.answer.pop("bytes")) // count
        held = {"verified": [True] * count, "changed": [False] * count}
        same(theirs.name, theirs.answer, {"documents": wrapped, **held})

        def wrapping() -> list[bytes]:
            signed = [school.signed(offered, number) for number in range(count)]
            tree = build([credential.leaf for credential in signed])
            return [
                DurableCredential.from_parts(
                    credential,
                    inclusion=InclusionProof.from_bytes(number, count, path),
                    sealed_root=tree.sealed_root,
                    issuer_profile=school.PROFILE,
                    anchors=(ANCHOR,),
                ).encode()
                for number, (credential, path) in enumerate(
                    zip(signed, tree.paths(), strict=True)
                )
            ]

        files = wrapping()

        def verifying() -> None:
            for data in files:
                DurableCredential.from_bytes(data).check()

        work: Callable[[], object] = {"wrap": wrapping, "verify": verifying}[task]
        mean = sum(map(len, files)) // count
        return beside(
            f"{task} a batch of {count}",
            _times(work, count, 1),
            theirs,
            items=count,
            effort=effort,
            warm_up=COMPILED,
            note="ours with a signature each, theirs with none;"
            f" a file has {mean:,} bytes, theirs {size:,}",
        )


def _for_open_attestation(document: dict[str, Json]) -> dict[str, Json]:
    """The same facts in its frame; it takes no @context as data of its second version."""
    store: Json = {"name": school.PROFILE.name, "certificateStore": ANCHOR.registry}
    facts = {name: value for name, value in document.items() if name != "@context"}
    return {"id": document["id"], "issuers": [store], "credential": facts}


def _times(work: Callable[[], object], items: int, often: int) -> Work:
    """So often in a round: what takes microseconds cannot be timed once."""

    def run() -> None:
        for _ in range(often):
            work()

    return Work(run, items * often)


#: Beside ours whenever anything is measured: the project's own lock brings them.
AT_HAND: Mapping[str, Callable[[Effort], Row]] = {
    "jsonld.js": jsonld_js,
    "openbadgeslib sign": partial(open_badge, "openbadgeslib", "sign"),
    "openbadgeslib verify": partial(open_badge, "openbadgeslib", "verify"),
    "openvc-core sign": partial(open_badge, "openvc-core", "sign"),
    "openvc-core verify": partial(open_badge, "openvc-core", "verify"),
}

#: Only when asked for: `install` brings them.
ON_DEMAND: Mapping[str, Callable[[Effort], Row]] = {
    "pymerkle": pymerkle,
    "OpenZeppelin": openzeppelin,
    "MerkleProof2019 encode, PyPI": partial(merkle_proof_2019, "PyPI", "encode"),
    "MerkleProof2019 decode, PyPI": partial(merkle_proof_2019, "PyPI", "decode"),
    "MerkleProof2019 encode, npm": partial(merkle_proof_2019, "npm", "encode"),
    "MerkleProof2019 decode, npm": partial(merkle_proof_2019, "npm", "decode"),
    "open-attestation wrap": partial(open_attestation, "wrap"),
    "open-attestation verify": partial(open_attestation, "verify"),
}
