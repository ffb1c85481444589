"""Credentials of the caller's organisation: issuing one, finding, delivering, withdrawing."""

from datetime import UTC, date, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, StrictStr
from starlette.responses import Response

from ledger.core.open_badge import CODE
from ledger.services.archives import MEDIA_TYPE, archive_of_credential
from ledger.services.batches import batch_of
from ledger.services.credentials import (
    ListedCredential,
    get_credential,
    list_credentials,
)
from ledger.services.delivery import FileFormat, deliver
from ledger.services.issuing import keep_awards
from ledger.services.roster_issuing import SignedAwards, sign_award
from ledger.services.withdrawal import MAX_REASON, withdraw_credential
from ledger.web.deps import IssuingOnce, Reading, Transaction, WithdrawingOnce
from ledger.web.idempotency import Answer
from ledger.web.problems import refused_fields
from ledger.web.schemas import (
    KEYED,
    ONCE,
    CredentialState,
    DayIn,
    In,
    Moment,
    Out,
    example,
    problems,
)
from ledger.web.strict import API, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Credentials"])

MAX_PAGE: Final = 500

_ID: Final = "3f0c2f0e-5a86-4f0b-9a55-1c9e3b2f7d10"
_CREDENTIAL: Final = {
    "id": _ID,
    "achievement": "py-1",
    "version": "1",
    "name": "Zoë Müller",
    "email": "zoe@example.org",
    "awardedOn": "2026-06-01",
    "issuedAt": "2026-11-25T08:44:00Z",
    "state": "anchored",
    "batch": "e7a9b1c3-2d4f-4a6b-8c0d-1e2f3a4b5c6d",
    "withdrawnAt": None,
    "withdrawalReason": None,
}


class AwardIn(In):
    """One award; the members are the columns of a roster, and the same rules hold."""

    model_config = example(
        {
            "achievement": "py-1",
            "name": "Zoë Müller",
            "email": "zoe@example.org",
            "awardedOn": "2026-06-01",
            "score": "88",
            "evidenceUrl": "https://portfolio.example.org/zoe",
            "narrative": "Built and defended a working project.",
        }
    )

    achievement: Annotated[StrictStr, Field(description="The achievement's code.")]
    name: Annotated[StrictStr, Field(repr=False)]
    email: Annotated[StrictStr, Field(repr=False)]
    awarded_on: DayIn
    score: Annotated[StrictStr, Field(description="0 to 100, as text.")] = ""
    evidence_url: StrictStr = ""
    narrative: StrictStr = ""


class IssuedOut(Out):
    """The credential of an award, and whether it had been issued before."""

    model_config = example({"credential": _ID, "already": False})

    credential: UUID
    already: bool


class CredentialOut(Out):
    """What the ledger knows of a credential; name and e-mail are null once erased."""

    model_config = example(_CREDENTIAL)

    id: UUID
    achievement: str
    version: str
    name: Annotated[str | None, Field(repr=False)]
    email: Annotated[str | None, Field(repr=False)]
    awarded_on: date
    issued_at: Moment
    state: Annotated[
        CredentialState,
        Field(
            description=(
                "waiting: signed, in no batch yet; sealed: in a batch that is not final on"
                " the chain; anchored: final, so the file is durable; withdrawn: taken back."
            )
        ),
    ]
    batch: UUID | None
    withdrawn_at: Moment | None
    withdrawal_reason: str | None


class CredentialsOut(Out):
    """A page of credentials, newest first. `next` is what to send as `after`, null at the end."""

    model_config = example({"credentials": [_CREDENTIAL], "next": _ID})

    credentials: list[CredentialOut]
    next: UUID | None


class PageIn(In):
    """Which page of which credentials."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    after: Annotated[UUID | None, Field(description="`next` of the page before.")] = (
        None
    )
    achievement: Annotated[
        str | None,
        Field(pattern=f"^{CODE.pattern}$", description="The achievement's code."),
    ] = None
    state: CredentialState | None = None


class AnchorOut(Out):
    """A root in a registry, as read at a finalized block."""

    chain_id: str
    registry: str
    block_number: int
    time: Moment


class BatchOut(Out):
    """A sealed tree and this credential's place in it; `anchors` is empty until one is final."""

    model_config = example(
        {
            "batch": "e7a9b1c3-2d4f-4a6b-8c0d-1e2f3a4b5c6d",
            "sealedRoot": "0x" + "5f" * 32,
            "treeSize": 40,
            "leafIndex": 5,
            "sealedAt": "2026-11-25T08:46:00Z",
            "anchors": [
                {
                    "chainId": "eip155:31337",
                    "registry": "0xe38391e4919adfb4280c4308e1b726738dcd09fe",
                    "blockNumber": 12,
                    "time": "2026-11-25T08:46:24Z",
                }
            ],
        }
    )

    batch: UUID
    sealed_root: str
    tree_size: int
    leaf_index: int
    sealed_at: Moment
    anchors: list[AnchorOut]


class WithdrawalIn(In):
    """Why. Whoever checks the credential will ask the school for it."""

    model_config = example({"reason": "Issued to the wrong person; replaced."})

    reason: Annotated[StrictStr, Field(min_length=1, max_length=MAX_REASON)]


class WithdrawalOut(Out):
    """The credential is withdrawn; its status bit is on its way to the chain."""

    model_config = example({"credential": _ID, "withdrawnAt": "2026-11-25T09:02:11Z"})

    credential: UUID
    withdrawn_at: Moment


@router.post(
    "/credentials",
    summary="Issue one credential",
    status_code=201,
    response_model=IssuedOut,
    responses={
        200: {"model": IssuedOut, "description": "It had been issued before"},
        **problems(*ONCE),
    },
)
def post_credential(desk: IssuingOnce, body: AwardIn) -> Response:
    """Issue one credential. The same award again answers the credential that is there."""
    cells = {
        "achievement": body.achievement,
        "name": body.name,
        "email": body.email,
        "awarded_on": body.awarded_on.isoformat(),
        "score": body.score,
        "evidence_url": body.evidence_url,
        "narrative": body.narrative,
    }

    def prepare() -> SignedAwards:
        signed = sign_award(
            desk.edges.database,
            desk.caller,
            cells,
            master=desk.edges.master,
            addresses=desk.edges.addresses,
            now=desk.now,
            entropy=desk.edges.entropy,
        )
        if not isinstance(signed, SignedAwards):
            raise refused_fields(
                (problem.column or "", problem.code, problem.reason)
                for problem in signed
            )
        return signed

    def finish(tx: Transaction, signed: SignedAwards) -> Answer:
        (issued,) = keep_awards(tx, desk.caller, signed.plan, signed.records)
        shown = IssuedOut(credential=issued.credential_id, already=issued.already)
        return Answer(200 if issued.already else 201, shown)

    return desk.once.work_in_two(prepare, finish)


@router.get("/credentials", summary="List credentials", responses=problems(*KEYED, 404))
def get_credentials(desk: Reading, page: Annotated[PageIn, Query()]) -> CredentialsOut:
    """List credentials, newest first, page by page. What is issued meanwhile shifts nothing."""
    with desk.read() as tx:
        found = list_credentials(
            tx,
            desk.caller,
            limit=page.limit,
            after=page.after,
            achievement=page.achievement,
            state=page.state,
        )
    full = len(found) == page.limit
    return CredentialsOut(
        credentials=[_shown(credential) for credential in found],
        next=found[-1].record.id if full else None,
    )


@router.get(
    "/credentials/{credential_id}",
    summary="Show a credential",
    responses=problems(*KEYED, 404),
)
def get_one(desk: Reading, credential_id: UUID) -> CredentialOut:
    """Show one credential."""
    with desk.read() as tx:
        return _shown(get_credential(tx, desk.caller, credential_id))


@router.get(
    "/credentials/{credential_id}/batch",
    summary="Show its batch",
    responses=problems(*KEYED, 404),
)
def get_batch(desk: Reading, credential_id: UUID) -> BatchOut:
    """Show the batch that a credential was sealed into, and where its root is final."""
    with desk.read() as tx:
        place = batch_of(tx, desk.caller, credential_id)
    return BatchOut(
        batch=place.batch.id,
        sealed_root=f"0x{place.batch.sealed_root.hex()}",
        tree_size=place.batch.tree_size,
        leaf_index=place.leaf_index,
        sealed_at=place.batch.sealed_at,
        anchors=[
            AnchorOut(
                chain_id=f"eip155:{anchor.chain_id}",
                registry=anchor.registry,
                block_number=anchor.block_number,
                time=datetime.fromtimestamp(anchor.time, UTC),
            )
            for anchor in place.anchors
        ],
    )


@router.get(
    "/credentials/{credential_id}/file",
    summary="Download its file",
    response_class=Response,
    responses={
        200: {
            "description": "The file that the earner keeps",
            "content": {
                "application/vc+ld+json": {
                    "schema": {"type": "object"},
                    "example": {
                        "type": ["VerifiableCredential", "OpenBadgeCredential"]
                    },
                },
                "image/png": {"schema": {"type": "string", "format": "binary"}},
                "image/svg+xml": {"schema": {"type": "string", "format": "binary"}},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **problems(*KEYED, 404),
    },
)
def get_file(
    desk: Reading,
    credential_id: UUID,
    file_format: Annotated[FileFormat, Query(alias="format")] = FileFormat.JSON,
) -> Response:
    """Give the credential as JSON, baked into its badge as PNG or SVG, or as a certificate.

    The certificate is a PDF/A-3 with the credential attached.

    The header Perdure-Durable is `true` once the file carries the anchor proof: then it
    verifies without this ledger and without the school.
    """
    with desk.read() as tx:
        file = deliver(
            tx,
            desk.caller,
            credential_id,
            file_format,
            addresses=desk.edges.addresses,
        )
    return Response(
        file.data,
        media_type=file.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "Perdure-Durable": "true" if file.durable else "false",
        },
    )


@router.get(
    "/credentials/{credential_id}/archive",
    summary="Download all that its earner holds",
    response_class=Response,
    responses={
        200: {
            "description": "The take-away archive",
            "content": {
                "application/zip": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "PK…",
                }
            },
        },
        **problems(*KEYED, 404, 409),
    },
)
def get_archive(desk: Reading, credential_id: UUID) -> Response:
    """Give everything that your organisation has issued to the earner of this credential.

    Each credential in all its forms, with the verifier as one page, a README and a list of
    SHA-256. The earner is named by one of the credentials, so that no address of a person
    stands in the address of the archive.
    """
    archive = archive_of_credential(
        desk.edges.database,
        desk.caller,
        credential_id,
        addresses=desk.edges.addresses,
        now=desk.now,
    )
    return Response(
        archive.data,
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{archive.name}"'},
    )


@router.post(
    "/credentials/{credential_id}/withdrawal",
    summary="Withdraw it",
    status_code=201,
    response_model=WithdrawalOut,
    responses=problems(*ONCE, 404),
)
def post_withdrawal(
    desk: WithdrawingOnce, credential_id: UUID, body: WithdrawalIn
) -> Response:
    """Withdraw a credential. This is final, and works before it is anchored too.

    Asked again, it is a conflict, unless the chain has refused to record it: then it is signed
    anew, and the first reason stays.
    """

    def work(tx: Transaction) -> Answer:
        done = withdraw_credential(
            tx,
            desk.caller,
            credential_id,
            reason=body.reason,
            master=desk.edges.master,
            now=desk.now,
        )
        shown = WithdrawalOut(credential=credential_id, withdrawn_at=done.withdrawn_at)
        return Answer(201, shown)

    return desk.once.work(work)


def _shown(listed: ListedCredential) -> CredentialOut:
    record = listed.record
    return CredentialOut(
        id=record.id,
        achievement=record.achievement_code,
        version=record.achievement_version,
        name=record.recipient_name,
        email=record.recipient_email,
        awarded_on=record.awarded_on,
        issued_at=record.issued_at,
        state=listed.state,
        batch=record.batch_id,
        withdrawn_at=record.withdrawn_at,
        withdrawal_reason=record.withdrawal_reason,
    )
