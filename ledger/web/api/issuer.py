"""The issuer record of the caller's organisation: making it, and how far it has come."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, StrictStr
from starlette.responses import Response

from ledger.core.issuer import IssuerProfile
from ledger.keystore.backup import MIN_PASSPHRASE
from ledger.services.identity import describe_issuer
from ledger.services.registration import register_issuer
from ledger.web.deps import ManagingOnce, Reading, Transaction
from ledger.web.idempotency import Answer
from ledger.web.schemas import (
    KEYED,
    ONCE,
    In,
    Moment,
    Out,
    example,
    from_seconds,
    problems,
)
from ledger.web.slots import backup_slot
from ledger.web.strict import API, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Issuer"])

_REFERENCE = (
    "eip155:31337:0x11348bc99bf41694b4717f6c7d06fd5c1fc2660b:"
    "0x9f1c0a5d3b7e48f26a1d0c9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a3928170605f"
)
_PROFILE = {
    "name": "Riverside Code School",
    "url": "https://riverside.example.org",
    "email": "registrar@riverside.example.org",
    "description": "A twelve-week full-stack programme, in person and remote.",
    "country": "PT",
}
_KEY = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


class RegistrationIn(In):
    """The public profile, and the passphrase that the backup is encrypted under."""

    model_config = example(
        {
            "profile": _PROFILE,
            "backupPassphrase": "seven quiet rivers under glass",
        }
    )

    profile: Annotated[
        dict[str, Any], Field(description="`name` and `url`, and what else is known.")
    ]
    backup_passphrase: Annotated[
        StrictStr, Field(min_length=MIN_PASSPHRASE, max_length=1000, repr=False)
    ]


class RegistrationOut(Out):
    """A new issuer. The backup holds its recovery key, which exists nowhere else: keep it."""

    model_config = example(
        {
            "issuer": _REFERENCE,
            "did": f"did:key:{_KEY}",
            "backup": "eyJjaXBoZXIiOnsibmFtZSI6IkFFUy0yNTYtR0NNIiwi…",
        }
    )

    issuer: str
    did: str
    backup: Annotated[
        str,
        Field(
            description="The encrypted backup file, base64. It is shown this once.",
            repr=False,
        ),
    ]


class IssuerKeyOut(Out):
    """A public key of an issuer; `openedAt` is null until its recording is final on chain.

    The controller is an account, recorded by the registration itself.
    """

    role: str
    key: str
    opened_at: Moment | None


class IssuerOut(Out):
    """An issuer record; `registeredAt` is null until it is final on chain."""

    model_config = example(
        {
            "issuer": _REFERENCE,
            "profile": _PROFILE,
            "registeredAt": "2026-11-25T08:50:12Z",
            "closedAt": None,
            "keys": [
                {
                    "role": "signing",
                    "key": _KEY,
                    "openedAt": "2026-11-25T08:50:24Z",
                }
            ],
        }
    )

    issuer: str
    profile: dict[str, Any]
    registered_at: Moment | None
    closed_at: Moment | None
    keys: list[IssuerKeyOut]


@router.post(
    "/organisation/issuer",
    summary="Register the issuer",
    status_code=201,
    response_model=RegistrationOut,
    responses=problems(*ONCE),
)
def register(request: Request, desk: ManagingOnce, body: RegistrationIn) -> Response:
    """Make the organisation's keys and have its issuer record put on the chain.

    The answer carries the backup with the recovery key. Store it outside this ledger before
    anything else; the same Idempotency-Key gives it again if the answer was lost.
    """
    profile = IssuerProfile.from_json(body.profile)

    def work(tx: Transaction) -> Answer:
        backups: list[bytes] = []
        made = register_issuer(
            tx,
            desk.caller,
            profile,
            desk.edges.chain,
            master=desk.edges.master,
            passphrase=body.backup_passphrase,
            write_backup=backups.append,
            now=desk.now,
            entropy=desk.edges.entropy,
        )
        (backup,) = backups
        shown = RegistrationOut(
            issuer=made.reference.text,
            did=made.signing_did,
            backup=base64.b64encode(backup).decode("ascii"),
        )
        return Answer(201, shown)

    with backup_slot(request):
        return desk.once.work(work)


@router.get(
    "/organisation/issuer",
    summary="Show the issuer record",
    responses=problems(*KEYED, 409),
)
def get_issuer(desk: Reading) -> IssuerOut:
    """Show the issuer record, its profile, and since when its keys are open."""
    with desk.read() as tx:
        shown = describe_issuer(tx, desk.caller)
    return IssuerOut(
        issuer=shown.reference.text,
        profile=shown.profile.to_json(),
        registered_at=from_seconds(shown.registered_at),
        closed_at=from_seconds(shown.closed_at),
        keys=[
            IssuerKeyOut(
                role=key.role.value, key=key.public, opened_at=from_seconds(key.opened)
            )
            for key in shown.keys
        ],
    )
