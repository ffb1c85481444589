"""The committed artefacts: reproduced from source, deployed where they must be, read by hand."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_hash.auto import keccak

from ledger.core import registries
from ledger.core.registries import Packed
from scripts.bench.gas import (
    NEVER,
    Chain,
    GasError,
    Row,
    as_json,
    call_data,
    deploy,
    fresh_anvil,
    measure,
    registered,
    roots,
    table,
)

ROOT = Path(__file__).resolve().parent.parent.parent
LAYOUT = json.loads((ROOT / "contracts/storage-layout.json").read_bytes())
SIGNING_KEY = bytes.fromhex("aa" * 32)
PROFILE = roots(7, 1)[0]


def artefact(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(
        (ROOT / f"ledger/chain/abi/{name}.json").read_bytes()
    )
    return read


def code(name: str, part: str) -> bytes:
    return bytes.fromhex(artefact(name)[part].removeprefix("0x"))


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with fresh_anvil() as rpc:
        started = Chain.of(rpc)
        for name in ("AnchorRegistry", "IssuerRegistry"):
            deploy(started, name)
        yield started


@pytest.fixture(scope="module")
def school(chain: Chain) -> bytes:
    """An issuer with an open signing key, a revoking key, and index 300 withdrawn."""
    registry = registries.ISSUER_REGISTRY
    identity, _ = registered(chain, registry, 1, 1)
    form = "addKey(bytes32,bytes32,uint8,uint64,uint64,bytes)"
    until = chain.now() + 10_000
    revoker = bytes(12) + bytes.fromhex(chain.accounts[3][2:])
    for key, role, end in ((SIGNING_KEY, 1, until), (revoker, 2, 0)):
        data = call_data(form, identity, key, role, end, NEVER, b"")
        chain.send(registry, data, sender=1)
    bit = call_data("revoke(bytes32,uint256,uint256)", identity, 1, 1 << 44)
    chain.send(registry, bit, sender=3)
    return identity


def ask(chain: Chain, to: str, data: bytes) -> bytes:
    answer = chain.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
    return bytes.fromhex(answer[2:])


def slot(chain: Chain, to: str, position: int) -> int:
    return int(chain.rpc("eth_getStorageAt", to, hex(position), "latest"), 16)


def mapped(position: int, *keys: bytes) -> int:
    """The slot of a value in nested mappings, by hand."""
    for key in keys:
        position = int.from_bytes(keccak(key + position.to_bytes(32, "big")))
    return position


def member(chain: Chain, to: str, position: int, where: Packed) -> int:
    word = slot(chain, to, position + where.slot)
    return (word >> where.shift) & ((1 << where.bits) - 1)


# ------------------------------------------------------------------ artefacts


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of everything that `scripts/contracts` reads, to be damaged."""
    for folder in ("src", "test", "tools"):
        shutil.copytree(ROOT / "contracts" / folder, tmp_path / "contracts" / folder)
    for file in (
        "contracts/foundry.toml",
        "contracts/storage-layout.json",
        "ledger/chain/abi/AnchorRegistry.json",
        "ledger/chain/abi/IssuerRegistry.json",
        "ledger/core/registries.py",
        "scripts/contracts",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, tmp_path / file)
    modules = ROOT / "contracts" / "node_modules"
    (tmp_path / "contracts" / "node_modules").symlink_to(modules)
    return tmp_path


def run(root: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "scripts/contracts"), command],
        capture_output=True,
        text=True,
        check=False,
    )


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_artefacts_are_what_the_sources_give() -> None:
    checked = run(ROOT, "check")

    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        # one more bit of an index would be read: other code, other addresses
        (
            "contracts/src/IssuerRegistry.sol",
            "statusIndex & 255",
            "statusIndex & 254",
            ["IssuerRegistry.json", "registries.py"],
        ),
        # the same fields in another order: other slots
        (
            "contracts/src/AnchorRegistry.sol",
            "uint64 time;\n        uint64 blockNumber;",
            "uint64 blockNumber;\n        uint64 time;",
            ["AnchorRegistry.json", "storage-layout.json", "registries.py"],
        ),
        (
            "contracts/foundry.toml",
            "optimizer_runs = 200",
            "optimizer_runs = 201000",
            ["IssuerRegistry.json", "registries.py"],
        ),
        ("ledger/core/registries.py", '"0x4', '"0x5', []),
        ("contracts/storage-layout.json", '"slot": 1', '"slot": 7', ["storage-layout"]),
    ],
)
def test_check_refuses_what_does_not_fit(
    project: Path, file: str, old: str, new: str, stale: list[str]
) -> None:
    """Each artefact hangs on the sources; the deployer's address alone is not derived."""
    replace(project / file, old, new)

    checked = run(project, "check")

    assert checked.returncode == (1 if stale else 0)
    for name in stale:
        assert name in checked.stderr


@pytest.mark.slow
def test_build_makes_a_changed_project_consistent_again(project: Path) -> None:
    replace(
        project / "contracts/src/IssuerRegistry.sol",
        '"Perdure issuer v1"',
        '"Perdure issuer v2"',
    )

    built = run(project, "build")
    checked = run(project, "check")

    assert built.returncode == 0, built.stderr
    assert "wrote ledger/core/registries.py" in built.stdout
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_a_run_that_finds_no_tests_fails(project: Path) -> None:
    """forge calls a project in which it finds no test a success."""
    for path in (project / "contracts/test").iterdir():
        path.unlink()
    (project / "contracts/test/Hidden.t.sol").write_text(
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.37;\n"
        "/*\n    function test_hidden() public {}\n*/\ncontract HiddenTest {}\n"
    )

    counted = run(project, "snapshot")

    assert "No tests found" in counted.stdout
    assert counted.returncode == 1
    assert "1 tests are written, 0 passed" in counted.stderr


@pytest.mark.parametrize("name", ["AnchorRegistry", "IssuerRegistry"])
def test_code_hash_is_that_of_the_committed_code(name: str) -> None:
    expected = {
        "AnchorRegistry": registries.ANCHOR_REGISTRY_CODE_HASH,
        "IssuerRegistry": registries.ISSUER_REGISTRY_CODE_HASH,
    }[name]

    assert expected == keccak(code(name, "deployedBytecode"))


@pytest.mark.parametrize(
    ("selector", "signature"),
    [
        (registries.ANCHORED_AT_SELECTOR, b"anchoredAt(bytes32)"),
        (registries.CHECK_SELECTOR, b"check(bytes32,bytes32,uint256)"),
        (
            registries.PROFILE_RECORDED_AT_SELECTOR,
            b"profileRecordedAt(bytes32,bytes32)",
        ),
        (registries.ENDORSEMENT_SELECTOR, b"endorsement(bytes32,bytes32,bytes32)"),
    ],
)
def test_selector_is_that_of_the_function(selector: bytes, signature: bytes) -> None:
    assert selector == keccak(signature)[:4]


def constant(kind: str, field: str) -> Packed:
    """ISSUER_CLOSED_AT for Issuer.closedAt."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", f"{kind}_{field}").upper()
    found: Packed = getattr(registries, snake)
    return found


@pytest.mark.parametrize(
    ("contract", "struct", "kind"),
    [
        ("AnchorRegistry", "AnchorRegistry.Anchor", "Anchor"),
        ("IssuerRegistry", "IIssuerRegistry.Issuer", "Issuer"),
        ("IssuerRegistry", "IIssuerRegistry.Key", "Key"),
        ("IssuerRegistry", "IIssuerRegistry.Endorsement", "Endorsement"),
    ],
)
def test_packed_constants_are_those_of_the_frozen_layout(
    contract: str, struct: str, kind: str
) -> None:
    fields = LAYOUT[contract]["structs"][f"struct {struct}"]

    for field in fields:
        expected = Packed(field["slot"], field["offset"] * 8, field["bytes"] * 8)
        assert constant(kind, field["name"]) == expected


def test_slot_constants_are_those_of_the_frozen_layout() -> None:
    found = {
        field["name"]: field["slot"]
        for contract in LAYOUT.values()
        for field in contract["storage"]
    }

    assert found == {
        "_anchors": registries.ANCHORS_SLOT,
        "_issuers": registries.ISSUERS_SLOT,
        "_keys": registries.KEYS_SLOT,
        "_status": registries.STATUS_SLOT,
        "_profiles": registries.PROFILES_SLOT,
        "_endorsements": registries.ENDORSEMENTS_SLOT,
    }


# ------------------------------------------------------------------ on a chain


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("AnchorRegistry", registries.ANCHOR_REGISTRY),
        ("IssuerRegistry", registries.ISSUER_REGISTRY),
    ],
)
def test_create2_address_holds_the_committed_code(
    chain: Chain, name: str, address: str
) -> None:
    """Equal to the compiled runtime code, so nothing in it is set at deployment."""
    found = chain.rpc("eth_getCode", address, "latest")

    assert bytes.fromhex(found[2:]) == code(name, "deployedBytecode")


@pytest.mark.anvil
def test_code_and_address_are_the_same_on_another_chain() -> None:
    with fresh_anvil(chain_id=999_999) as rpc:
        elsewhere = Chain.of(rpc)
        address, _ = deploy(elsewhere, "IssuerRegistry")

    assert elsewhere.chain_id == 999_999
    assert address == registries.ISSUER_REGISTRY


@pytest.mark.anvil
def test_check_answers_an_encoding_made_by_hand(chain: Chain, school: bytes) -> None:
    opened = slot(
        chain,
        registries.ISSUER_REGISTRY,
        mapped(registries.KEYS_SLOT, school, SIGNING_KEY),
    )
    question = registries.CHECK_SELECTOR + school + SIGNING_KEY
    answer = ask(
        chain, registries.ISSUER_REGISTRY, question + (300).to_bytes(32, "big")
    )
    words = [answer[place : place + 32] for place in range(0, len(answer), 32)]
    numbers = [int.from_bytes(word) for word in words]

    assert len(answer) == 10 * 32
    assert numbers[0] > 1_600_000_000  # registeredAt
    assert numbers[1:4] == [0, 0, 0]  # closedAt, closedForGood, successor
    assert words[4] == PROFILE
    assert numbers[5] == opened & (2**40 - 1)  # from
    assert numbers[6] == opened >> 40 & (2**40 - 1) != 0  # until
    assert numbers[7] == 0  # compromisedSince
    assert numbers[8] == registries.SIGNING_ROLE
    assert numbers[9] == 1  # revoked
    other = ask(chain, registries.ISSUER_REGISTRY, question + (299).to_bytes(32, "big"))
    assert other[:-32] == answer[:-32]
    assert int.from_bytes(other[-32:]) == 0


@pytest.mark.anvil
def test_storage_is_where_the_constants_say(chain: Chain, school: bytes) -> None:
    to = registries.ISSUER_REGISTRY
    record = mapped(registries.ISSUERS_SLOT, school)
    key = mapped(registries.KEYS_SLOT, school, SIGNING_KEY)
    commitment = keccak(encode(["address"], [chain.accounts[2]]))

    controller = member(chain, to, record, registries.ISSUER_CONTROLLER)
    assert f"0x{controller:040x}" == chain.accounts[1].lower()
    registered_at = member(chain, to, record, registries.ISSUER_REGISTERED_AT)
    profiles = mapped(registries.PROFILES_SLOT, school, PROFILE)
    assert 0 < registered_at == slot(chain, to, profiles)
    recovery = member(chain, to, record, registries.ISSUER_RECOVERY)
    assert recovery.to_bytes(32) == commitment
    profile = member(chain, to, record, registries.ISSUER_PROFILE)
    assert profile.to_bytes(32) == PROFILE
    assert member(chain, to, key, registries.KEY_FROM) >= registered_at
    assert member(chain, to, key, registries.KEY_ROLE) == registries.SIGNING_ROLE
    word = mapped(registries.STATUS_SLOT, school, (1).to_bytes(32, "big"))
    assert slot(chain, to, word) == 1 << 44


@pytest.mark.anvil
def test_endorsement_is_where_the_constants_say(chain: Chain, school: bytes) -> None:
    to = registries.ISSUER_REGISTRY
    accreditor, _ = registered(chain, to, 4, 2)
    form = "endorse(bytes32,bytes32,bytes32,uint64,uint64,bytes)"
    until = chain.now() + 5000
    data = call_data(form, accreditor, school, PROFILE, until, NEVER, b"")
    chain.send(to, data, sender=4)
    given = mapped(registries.ENDORSEMENTS_SLOT, accreditor, school, PROFILE)

    assert member(chain, to, given, registries.ENDORSEMENT_UNTIL) == until
    assert member(chain, to, given, registries.ENDORSEMENT_WITHDRAWN_SINCE) == 0
    asked = registries.ENDORSEMENT_SELECTOR + accreditor + school + PROFILE
    answer = ask(chain, to, asked)
    assert len(answer) == 3 * 32
    assert int.from_bytes(answer[:32]) == member(
        chain, to, given, registries.ENDORSEMENT_FROM
    )
    asked = registries.PROFILE_RECORDED_AT_SELECTOR + school + PROFILE
    assert int.from_bytes(ask(chain, to, asked)) > 0


@pytest.mark.anvil
def test_anchor_is_where_the_constants_say(chain: Chain) -> None:
    root = roots(500, 1)[0]
    receipt = chain.send(registries.ANCHOR_REGISTRY, root)
    number = int(receipt["blockNumber"], 16)
    position = mapped(registries.ANCHORS_SLOT, root)
    to = registries.ANCHOR_REGISTRY
    time = member(chain, to, position, registries.ANCHOR_TIME)

    assert member(chain, to, position, registries.ANCHOR_BLOCK_NUMBER) == number
    block = chain.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert time == int(block["timestamp"], 16)
    answer = ask(chain, to, registries.ANCHORED_AT_SELECTOR + root)
    assert answer == time.to_bytes(32) + number.to_bytes(32)


@pytest.mark.anvil
def test_a_request_signed_by_eth_account_is_accepted(chain: Chain) -> None:
    """A third implementation of EIP-712, from the constants of the verifier's side."""
    holder = Account.from_key(b"\x07" * 32)
    to = registries.ISSUER_REGISTRY
    commitment = keccak(encode(["address"], [holder.address]))
    form = "(address,bytes32,bytes32,bytes32)"
    arguments = (holder.address, commitment, PROFILE, bytes(32))
    identity = ask(chain, to, call_data(f"idOf{form}", *arguments))
    preimage = keccak(registries.ISSUER_ID_TAG) + chain.chain_id.to_bytes(32)
    assert identity == keccak(preimage + encode(form[1:-1].split(","), arguments))
    chain.send(to, call_data(f"register{form}", *arguments))

    def sign(kind: str, members: str, **message: object) -> bytes:
        domain = {
            "name": registries.EIP712_NAME,
            "version": registries.EIP712_VERSION,
            "chainId": chain.chain_id,
            "verifyingContract": to,
        }
        fields = [
            dict(zip(("type", "name"), member.split(), strict=True))
            for member in members.split(",")
        ]
        return bytes(holder.sign_typed_data(domain, {kind: fields}, message).signature)

    adding = sign(
        "AddKey",
        "bytes32 id,bytes32 key,uint8 role,uint64 until,uint64 deadline",
        id=identity,
        key=SIGNING_KEY,
        role=1,
        until=0,
        deadline=NEVER,
    )
    add = "addKey(bytes32,bytes32,uint8,uint64,uint64,bytes)"
    chain.send(to, call_data(add, identity, SIGNING_KEY, 1, 0, NEVER, adding))
    declaring = sign(
        "CompromiseKey",
        "bytes32 id,bytes32 key,uint64 since,uint64 deadline",
        id=identity,
        key=SIGNING_KEY,
        since=1000,
        deadline=NEVER,
    )
    compromise = "compromiseKey(bytes32,bytes32,uint64,address,uint64,bytes)"
    end = (holder.address, NEVER, declaring)
    chain.send(to, call_data(compromise, identity, SIGNING_KEY, 1000, *end))

    key = mapped(registries.KEYS_SLOT, identity, SIGNING_KEY)
    assert member(chain, to, key, registries.KEY_COMPROMISED_SINCE) == 1000
    forged = call_data(compromise, identity, SIGNING_KEY, 999, *end)
    with pytest.raises(GasError, match="reverted"):
        chain.send(to, forged)


# ------------------------------------------------------------------ gas


@pytest.fixture(scope="module")
def gas() -> dict[str, Row]:
    with fresh_anvil() as rpc:
        rows = measure(rpc)
    return {row.act: row for row in rows}


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("act", "budget"),
    [
        ("anchor, first", 46_500),
        ("anchor, bare 32 bytes", 46_500),
        ("anchorMany, 100", 27_500),
        ("revoke, first in a word, direct", 57_000),
        ("revoke, next in a word, direct", 40_000),
    ],
)
def test_gas_stays_within_its_budget(
    gas: dict[str, Row], act: str, budget: int
) -> None:
    """Whole transactions, per root or credential."""
    assert gas[act].each <= budget


@pytest.mark.anvil
def test_gas_is_reported_for_every_act(
    gas: dict[str, Row], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = list(gas.values())
    with capsys.disabled():
        sys.stdout.write(f"\n{table(rows)}\n")
    shown = json.loads(as_json(rows))

    assert [row["act"] for row in shown] == list(gas)
    functions = [
        entry["name"]
        for name in ("AnchorRegistry", "IssuerRegistry")
        for entry in artefact(name)["abi"]
        if entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
    ]
    assert {act.partition(",")[0] for act in gas} >= set(functions)


# ------------------------------------------------------------------ the specification

SPEC = (ROOT / "docs/spec/contracts.md").read_text()


def test_specification_example_is_right() -> None:
    """Every value of the example, computed here from what the text says of it."""
    controller = bytes.fromhex("70997970c51812dc3a010c7d01b50e0d17dc79c8")
    recovery = bytes.fromhex("3c44cdddb6a900fa2b585dd299e03d12fa4293bc")
    commitment = keccak(bytes(12) + recovery)
    profile = sha256(b"{}").digest()
    chain_id = (31337).to_bytes(32)
    tag = keccak(registries.ISSUER_ID_TAG)
    parts = (tag, chain_id, bytes(12) + controller, commitment, profile, bytes(32))
    identity = keccak(b"".join(parts))
    key = keccak(b"\xed\x01" + b"\x11" * 32)
    root = sha256(b"root").digest()
    domain = keccak(
        keccak(
            b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        )
        + keccak(registries.EIP712_NAME.encode())
        + keccak(registries.EIP712_VERSION.encode())
        + chain_id
        + bytes.fromhex(registries.ISSUER_REGISTRY[2:].rjust(64, "0"))
    )
    kind = b"AddKey(bytes32 id,bytes32 key,uint8 role,uint64 until,uint64 deadline)"
    numbers = b"".join(n.to_bytes(32) for n in (1, 0, 1_800_000_000))
    request = keccak(keccak(kind) + identity + key + numbers)
    positions = (
        mapped(registries.ANCHORS_SLOT, root),
        mapped(registries.ISSUERS_SLOT, identity),
        mapped(registries.KEYS_SLOT, identity, key),
        mapped(registries.STATUS_SLOT, identity, (1).to_bytes(32)),
        mapped(registries.PROFILES_SLOT, identity, profile),
        mapped(registries.ENDORSEMENTS_SLOT, b"\xcc" * 32, identity, profile),
    )

    for value in (commitment, profile, identity, key, root, domain, request):
        assert f"0x{value.hex()}" in SPEC
    for position in positions:
        assert f"0x{position:064x}" in SPEC
    assert f"0x{keccak(bytes.fromhex('1901') + domain + request).hex()}" in SPEC
    question = (registries.CHECK_SELECTOR, identity, key, (300).to_bytes(32))
    lines = "\n      ".join(word.hex() for word in question)
    assert f"{registries.ISSUER_REGISTRY}\ndata  0x{lines}" in SPEC


def test_specification_names_the_addresses_and_code() -> None:
    for address in (registries.ANCHOR_REGISTRY, registries.ISSUER_REGISTRY):
        assert f"`{address}`" in SPEC
    for code_hash in (
        registries.ANCHOR_REGISTRY_CODE_HASH,
        registries.ISSUER_REGISTRY_CODE_HASH,
    ):
        assert f"`0x{code_hash.hex()}`" in SPEC


def test_specification_names_every_view_and_error_with_its_selector() -> None:
    entries = [
        entry
        for name in ("AnchorRegistry", "IssuerRegistry")
        for entry in artefact(name)["abi"]
        if entry["type"] == "error" or entry.get("stateMutability") == "view"
    ]

    for entry in entries:
        if entry["name"] == "UnknownCall":
            continue  # described in prose: nobody has to recognise it
        types = ",".join(member["type"] for member in entry["inputs"])
        selector = keccak(f"{entry['name']}({types})".encode())[:4].hex()
        assert entry["name"] in SPEC
        assert f"`{selector}`" in SPEC, entry["name"]


def test_specification_and_source_name_the_same_requests() -> None:
    source = (ROOT / "contracts/src/IssuerRegistry.sol").read_text()
    pattern = r"^([A-Z]\w+\(\w+ \w+(?:,\w+ \w+)+\))$"
    listed = set(re.findall(pattern, SPEC, re.MULTILINE))
    hashed = set(re.findall(r'keccak256\(\s*"([A-Z]\w+\([^"]*\))"', source))

    assert hashed - listed == {
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    }
    assert len(listed) == 10
    assert listed < hashed
