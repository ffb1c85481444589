"""The application as a whole: what it answers to a school's ordinary day."""

import base64
from uuid import uuid4

import pytest
from sqlalchemy import text

from ledger.core.archive import open_archive
from ledger.core.checkpoint import BlockCheckpoint, parse_checkpoint_proofs
from ledger.core.durable import parse_credential_file
from ledger.core.merkle import InclusionProof
from ledger.keystore.backup import decode_backup
from ledger.services.organisations import operator_of
from ledger.store import batches, chain_txs, chains, checkpoints, issuers, leases
from ledger.store.records import Anchored, Attempt, Batch, ChainTxState
from tests.unit.web.world import ACHIEVEMENT, CHAIN, PASSPHRASE, World

AWARD = {
    "achievement": "py-1",
    "name": "Zoë Müller",
    "email": "zoe@example.org",
    "awardedOn": "2026-06-01",
    "score": "88",
}


def test_a_school_registers_adds_an_achievement_and_issues(world: World) -> None:
    client = world.client(world.newcomer.key)

    registered = client.post(
        "/api/v1/organisation/issuer",
        json={
            "profile": {
                "name": "Newcomer School",
                "url": "https://newcomer.example.org",
            },
            "backupPassphrase": PASSPHRASE,
        },
        headers={"Idempotency-Key": "1"},
    )
    added = client.post(
        "/api/v1/achievements",
        json=[{**ACHIEVEMENT, "code": "sql-1"}],
        headers={"Idempotency-Key": "2"},
    )
    issued = client.post(
        "/api/v1/credentials",
        json={**AWARD, "achievement": "sql-1"},
        headers={"Idempotency-Key": "3"},
    )
    file = client.get(f"/api/v1/credentials/{issued.json()['credential']}/file")

    assert [r.status_code for r in (registered, added, issued, file)] == [
        201,
        201,
        201,
        200,
    ]
    (entry,) = decode_backup(base64.b64decode(registered.json()["backup"]), PASSPHRASE)
    assert "recovery" in entry.secrets
    signed = parse_credential_file(file.content)
    signed.check()
    assert file.headers["content-type"] == "application/vc+ld+json"
    assert file.headers["perdure-durable"] == "false"
    assert file.headers["content-disposition"].startswith(
        'attachment; filename="sql-1-'
    )


def test_the_issuer_record_shows_its_keys_and_that_they_wait(world: World) -> None:
    shown = world.client(world.riverside.reading_key).get("/api/v1/organisation/issuer")

    body = shown.json()
    assert body["issuer"].endswith(world.riverside.issuer)
    assert body["registeredAt"] is None
    assert {key["role"] for key in body["keys"]} == {
        "controller",
        "revoking",
        "signing",
    }


def test_png_svg_and_pdf_carry_the_credential(world: World) -> None:
    client = world.client(world.riverside.key)
    address = f"/api/v1/credentials/{world.riverside.credential}/file"

    plain = client.get(address).content
    png = client.get(address, params={"format": "png"})
    svg = client.get(address, params={"format": "svg"})

    pdf = client.get(address, params={"format": "pdf"})

    assert pdf.headers["content-type"] == "application/pdf"
    assert png.headers["content-type"] == "image/png"
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in svg.headers["content-security-policy"]
    for baked in (png, svg, pdf):
        found = parse_credential_file(baked.content)
        assert plain in (
            getattr(found, "data", None),
            getattr(found, "credential", None),
        )


def test_an_archive_holds_all_of_one_earner_and_names_nobody_outside(
    world: World,
) -> None:
    address = f"/api/v1/credentials/{world.riverside.credential}/archive"
    answer = world.client(world.riverside.reading_key).get(address)
    names = [entry.name for entry in open_archive(answer.content).entries]

    assert answer.headers["content-type"] == "application/zip"
    assert (
        answer.headers["content-disposition"]
        == 'attachment; filename="riverside-credentials.zip"'
    )
    assert [name.rpartition(".")[2] for name in names[:4]] == [
        "json",
        "png",
        "svg",
        "pdf",
    ]
    assert names[-2:] == ["README.txt", "manifest.json"]


def test_an_award_that_breaks_a_rule_names_the_member_and_not_its_value(
    world: World,
) -> None:
    client = world.client(world.riverside.key)

    answer = client.post(
        "/api/v1/credentials",
        json={**AWARD, "awardedOn": "2031-01-01", "email": "zoe-example"},
        headers={"Idempotency-Key": "1"},
    )

    assert answer.status_code == 422
    assert [(p["where"], p["code"]) for p in answer.json()["problems"]] == [
        (["body", "email"], "email"),
        (["body", "awardedOn"], "future"),
    ]
    assert "zoe-example" not in answer.text


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ("achievement", "unknown_achievement"),
        ("name", "too_long"),
        ("email", "email"),
        ("score", "score"),
        ("evidenceUrl", "url"),
        ("narrative", "too_long"),
    ],
)
def test_a_text_beyond_all_bounds_is_a_problem_of_its_member(
    world: World, member: str, code: str
) -> None:
    client = world.client(world.riverside.key)

    answer = client.post(
        "/api/v1/credentials",
        json={**AWARD, member: "a" * 200_000},
        headers={"Idempotency-Key": "1"},
    )

    assert answer.status_code == 422
    problems = [(p["where"], p["code"]) for p in answer.json()["problems"]]
    assert problems == [(["body", member], code)]
    assert len(answer.content) < 1_000


def test_the_same_award_is_answered_with_the_credential_that_is_there(
    world: World,
) -> None:
    client = world.client(world.riverside.key)
    award = {
        "achievement": "py-1",
        "name": world.riverside.name,
        "email": world.riverside.email.upper(),
        "awardedOn": "2026-06-01",
    }

    answer = client.post(
        "/api/v1/credentials", json=award, headers={"Idempotency-Key": "1"}
    )

    assert answer.status_code == 200
    assert answer.json() == {
        "credential": str(world.riverside.credential),
        "already": True,
    }


def test_credentials_are_listed_page_by_page_newest_first(world: World) -> None:
    client = world.client(world.riverside.key)
    ids = []
    for number in range(4):
        world.clock.advance(minutes=1)
        issued = client.post(
            "/api/v1/credentials",
            json={**AWARD, "email": f"zoe{number}@example.org"},
            headers={"Idempotency-Key": str(number)},
        )
        ids.append(issued.json()["credential"])
    expected = [*reversed(ids), str(world.riverside.credential)]

    seen: list[str] = []
    after = None
    while True:
        page = client.get(
            "/api/v1/credentials",
            params={"limit": 2, **({} if after is None else {"after": after})},
        ).json()
        seen += [credential["id"] for credential in page["credentials"]]
        after = page["next"]
        if after is None:
            break

    assert seen == expected


def test_a_withdrawn_credential_says_when_and_why(world: World) -> None:
    client = world.client(world.riverside.key)
    address = f"/api/v1/credentials/{world.riverside.credential}"

    done = client.post(
        f"{address}/withdrawal",
        json={"reason": "Wrong person."},
        headers={"Idempotency-Key": "1"},
    )
    again = client.post(
        f"{address}/withdrawal",
        json={"reason": "Wrong person."},
        headers={"Idempotency-Key": "2"},
    )

    assert done.status_code == 201
    assert again.status_code == 409
    shown = client.get(address).json()
    assert (shown["state"], shown["withdrawalReason"]) == ("withdrawn", "Wrong person.")
    found = client.get("/api/v1/credentials", params={"state": "withdrawn"}).json()
    assert [credential["id"] for credential in found["credentials"]] == [shown["id"]]


def test_a_withdrawal_that_the_chain_refused_is_taken_again(world: World) -> None:
    client = world.client(world.riverside.key)
    address = f"/api/v1/credentials/{world.riverside.credential}/withdrawal"
    first = client.post(
        address, json={"reason": "Wrong person."}, headers={"Idempotency-Key": "1"}
    )
    with world.edges.database.begin() as tx:
        (row,) = chain_txs.about(tx, str(world.riverside.credential))
        sender = "0x" + "aa" * 20
        lease = leases.take(
            tx, row.chain_id, sender, owner="one", seconds=60, now=world.clock.now
        )
        assert lease is not None
        tried = Attempt(bytes(32), row.id, b"\2", 1, 1, world.clock.now)
        chain_txs.begin_attempt(tx, lease, tried, nonce=0, now=world.clock.now)
        chain_txs.advance(
            tx,
            lease,
            row.id,
            ChainTxState.IN_PROGRESS,
            ChainTxState.REVERTED,
            now=world.clock.now,
        )
    world.clock.advance(minutes=1)

    again = client.post(
        address, json={"reason": "Once more."}, headers={"Idempotency-Key": "2"}
    )

    assert again.status_code == 201
    assert again.json() == first.json()
    with world.edges.database.read() as tx:
        rows = chain_txs.about(tx, str(world.riverside.credential))
    assert [row.state.value for row in rows] == ["reverted", "sealed"]


def test_a_roster_is_checked_then_issued_and_bad_rows_come_back(world: World) -> None:
    client = world.client(world.riverside.key)
    roster = (
        "achievement,name,email,awarded_on\n"
        "py-1,Zoë Müller,zoe@example.org,2026-06-01\n"
        "py-9,Ken Ito,ken@example.org,2026-06-01\n"
    ).encode()
    headers = {"Content-Type": "text/csv; charset=utf-8"}

    checked = client.post("/api/v1/rosters/check", content=roster, headers=headers)
    issued = client.post(
        "/api/v1/rosters", content=roster, headers={**headers, "Idempotency-Key": "1"}
    )
    again = client.post(
        "/api/v1/rosters", content=roster, headers={**headers, "Idempotency-Key": "2"}
    )

    assert checked.json()["lines"] == [
        {"line": 2, "credential": None, "already": False}
    ]
    report = issued.json()
    assert (report["issued"], report["already"], report["refused"]) == (1, 0, 1)
    assert report["problems"] == [
        {
            "line": 3,
            "column": "achievement",
            "value": "py-9",
            "code": "unknown_achievement",
            "reason": "the organisation offers no achievement with this code",
        }
    ]
    assert (report["problemCount"], report["problemsLeftOut"]) == (1, 0)
    assert (again.json()["issued"], again.json()["already"]) == (0, 1)


def test_a_roster_that_would_be_refused_is_refused_when_it_is_checked(
    world: World,
) -> None:
    client = world.client(world.riverside.key)
    with world.edges.database.begin() as tx:
        organisation = operator_of(tx, "riverside").organisation
        issuers.mark_registered(tx, organisation.id, 1_800_000_000)
        issuers.mark_closed(tx, organisation.id, 1_900_000_000, block=7)
    roster = b"achievement,name,email,awarded_on\npy-1,A,a@example.org,2026-06-01\n"
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "1"}

    checked = client.post("/api/v1/rosters/check", content=roster, headers=headers)
    issued = client.post("/api/v1/rosters", content=roster, headers=headers)

    assert checked.status_code == issued.status_code == 409
    assert checked.json()["detail"] == issued.json()["detail"]
    assert "is closed" in checked.json()["detail"]


def test_a_small_roster_of_many_problems_has_no_large_answer(world: World) -> None:
    client = world.client(world.riverside.key)
    roster = b"achievement,name,email,awarded_on\n" + b"=,=,=,=\n" * 20_000
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "1"}

    checked = client.post("/api/v1/rosters/check", content=roster, headers=headers)
    issued = client.post("/api/v1/rosters", content=roster, headers=headers)

    report = checked.json()
    assert report == issued.json()
    assert (report["refused"], report["problemCount"]) == (20_000, 80_000)
    assert len(report["problems"]) == 80_000 - report["problemsLeftOut"] == 1_000
    assert len(checked.content) < 200_000


def test_a_roster_as_a_form_is_refused(world: World) -> None:
    client = world.client(world.riverside.key)

    answer = client.post(
        "/api/v1/rosters/check", files={"roster": ("r.csv", b"a,b", "text/csv")}
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "media_type")


def test_a_new_api_key_works_until_it_is_revoked(world: World) -> None:
    client = world.client(world.riverside.key)
    made = client.post(
        "/api/v1/api-keys",
        json={"name": "Mail system", "scopes": ["read"]},
        headers={"Idempotency-Key": "1"},
    ).json()

    before = world.client(made["key"]).get("/api/v1/organisation")
    ended = client.delete(f"/api/v1/api-keys/{made['id']}")
    after = world.client(made["key"]).get("/api/v1/organisation")

    assert before.json()["scopes"] == ["read"]
    assert (ended.status_code, after.status_code) == (204, 401)
    assert made["key"] not in client.get("/api/v1/api-keys").text


def test_an_expired_api_key_is_refused(world: World) -> None:
    made = world.client(world.riverside.key).post(
        "/api/v1/api-keys",
        json={"name": "Guest", "scopes": ["read"], "expiresAt": "2026-11-26T00:00:00Z"},
        headers={"Idempotency-Key": "1"},
    )
    guest = world.client(made.json()["key"])

    before = guest.get("/api/v1/organisation")
    world.clock.advance(days=1)
    after = guest.get("/api/v1/organisation")

    assert (before.status_code, after.status_code) == (200, 401)


def test_a_key_makes_no_key_that_may_do_more(world: World) -> None:
    client = world.client(world.riverside.key)
    made = client.post(
        "/api/v1/api-keys",
        json={"name": "Keys only", "scopes": ["manage"]},
        headers={"Idempotency-Key": "1"},
    )

    answer = world.client(made.json()["key"]).post(
        "/api/v1/api-keys",
        json={"name": "More", "scopes": ["issue"]},
        headers={"Idempotency-Key": "2"},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_status_list_is_signed_cacheable_and_answers_304(world: World) -> None:
    client = world.client()
    address = f"/status/{world.riverside.issuer}/{world.riverside.signing_key}"

    answer = client.get(address)
    same = client.get(address, headers={"If-None-Match": answer.headers["etag"]})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vc+ld+json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.json()["proof"][0]["cryptosuite"] == "eddsa-rdfc-2022"
    assert (same.status_code, same.content) == (304, b"")


def test_checkpoint_proofs_are_public_and_begin_where_one_asks(world: World) -> None:
    point = BlockCheckpoint(CHAIN.chain_id, 7, bytes(32))
    root = InclusionProof(0, 1, ()).sealed_root(point.leaf)
    batch = Batch(uuid4(), CHAIN.chain_id, root, 1, world.clock.now)
    elsewhere = Anchored(10, CHAIN.anchor_registry, 12, 1_764_000_000)
    with world.edges.database.begin() as tx:
        chains.record_home(tx, CHAIN)
        batches.seal_checkpoints(tx, batch)
        checkpoints.state(tx, batch, [point], first=0)
    client = world.client()

    assert client.get("/checkpoint-proofs").json() == {"version": 1, "proofs": []}
    with world.edges.database.begin() as tx:
        batches.record_anchor(tx, batch.id, elsewhere)
    answer = client.get("/checkpoint-proofs?fromBlock=7")
    (proof,) = parse_checkpoint_proofs(answer.content)
    assert (proof.checkpoint, proof.sealed_root) == (point, root)
    assert answer.headers["cache-control"] == "public, max-age=300"
    later = client.get("/checkpoint-proofs?fromBlock=8")
    assert later.json()["proofs"] == []
    assert client.get("/checkpoint-proofs?fromBlock=-1").status_code == 422


def test_the_status_list_of_another_issuers_key_is_not_there(world: World) -> None:
    crossed = f"/status/{world.riverside.issuer}/{world.lakeside.signing_key}"

    answers = [
        world.client().get(address)
        for address in (
            crossed,
            f"/status/{'0' * 64}/z6Mk",
            f"/status/{'0' * 64}/" + "z" * 99,
        )
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_an_achievement_is_a_document_for_programs_and_a_page_for_people(
    world: World,
) -> None:
    address = f"/achievements/{world.riverside.issuer}/py-1/1"

    document = world.client().get(address)
    page = world.client().get(address, headers={"Accept": "text/html,*/*"})

    assert document.json()["id"] == f"https://ledger.example.org{address}"
    assert document.json()["type"] == ["Achievement"]
    assert '<h1 lang="en">Python foundations</h1>' in page.text
    assert "Riverside School" in page.text
    assert (
        world.client().get(f"/achievements/{world.riverside.issuer}/py-1/2").status_code
        == 404
    )


def test_anybody_may_have_a_file_checked(world: World) -> None:
    file = world.client(world.riverside.key).get(
        f"/api/v1/credentials/{world.riverside.credential}/file"
    )

    nothing = world.client().post("/api/v1/verify", content=b"no credential")
    signed = world.client().post("/api/v1/verify", content=file.content)

    assert nothing.json()["verdict"] == "not_a_credential"
    # No network is configured in this world, so the check cannot be finished.
    assert signed.json()["verdict"] == "incomplete"


def test_an_archive_is_no_credential_that_anybody_lacks(world: World) -> None:
    answer = world.client().post("/api/v1/verify", content=b"PK\3\4 and more")

    assert (answer.status_code, answer.json()["code"]) == (415, "media_type")
    assert "one by one: .json, .png, .svg or .pdf" in answer.json()["detail"]


def test_checks_beyond_the_limit_are_put_off(world: World) -> None:
    client = world.client()
    slots = client.app.state.verifier_slots  # type: ignore[attr-defined]
    while slots.acquire(blocking=False):
        pass

    answer = client.post("/api/v1/verify", content=b"x")

    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"] == "5"


def test_backups_beyond_the_limit_are_put_off_and_their_key_stays_free(
    world: World,
) -> None:
    client = world.client(world.newcomer.key)
    slots = client.app.state.backup_slots  # type: ignore[attr-defined]
    wish = {
        "profile": {"name": "Newcomer School", "url": "https://newcomer.example.org"},
        "backupPassphrase": PASSPHRASE,
    }
    closing = {
        "confirm": "riverside",
        "backup": "e30=",
        "passphrase": PASSPHRASE,
        "custodians": [
            {
                "name": "City Archive",
                "recipient": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
            }
        ],
    }
    headers = {"Idempotency-Key": "one"}
    held = 0
    while slots.acquire(blocking=False):
        held += 1

    busy = [
        client.post("/api/v1/organisation/issuer", json=wish, headers=headers),
        world.client(world.riverside.key).post(
            "/api/v1/organisation/issuer/closing", json=closing, headers=headers
        ),
    ]
    for answer in busy:
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer.headers["retry-after"] == "5"
    slots.release(held)

    for _ in range(held + 1):
        again = client.post("/api/v1/organisation/issuer", json=wish, headers=headers)
        assert again.status_code == 201


def test_a_server_lives_without_its_database_and_is_not_ready_then(
    world: World,
) -> None:
    ready = world.client().get("/ready")
    with world.edges.database.begin() as tx:
        tx.change(text("UPDATE perdure_schema SET version_num = '9999'"))
    unready = world.client().get("/ready")
    alive = world.client().get("/health")

    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (unready.status_code, unready.headers["retry-after"]) == (503, "5")
    problem = unready.json()
    assert problem["code"] == "not_ready"
    assert problem["title"] == "The ledger cannot do its work now"
    assert problem["detail"] == "The database has the schema of another release."
