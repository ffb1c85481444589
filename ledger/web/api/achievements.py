"""Achievements of the caller's organisation."""

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Body, Query
from pydantic import Field
from starlette.responses import Response

from ledger.core.canonical import Json, parse_object
from ledger.services.achievements import (
    keep_achievements,
    page_of,
    read_achievements,
)
from ledger.web.deps import ManagingOnce, Reading, Transaction
from ledger.web.idempotency import Answer
from ledger.web.schemas import (
    KEYED,
    ONCE,
    AchievementsPageIn,
    Moment,
    Out,
    example,
    problems,
)
from ledger.web.strict import API, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Achievements"])

#: Shown in the documentation.
DOCUMENT: Final[dict[str, Any]] = {
    "code": "py-1",
    "name": "Python foundations",
    "category": "skill",
    "level": "introductory",
    "version": "1",
    "language": "en",
    "description": "Python foundations: taught, practised and assessed.",
    "criteria": "The earner completed 30 hours of guided work and passed every review.",
    "hours": 30,
    "skills": ["Python", "Testing"],
    "alignment": [
        {
            "targetName": "Python",
            "targetUrl": "https://skills.example.org/python",
            "targetFramework": "Example Skills Framework",
        }
    ],
}

#: Achievements of one request: it holds the only place for writing, and takes well below a second.
MOST_AT_ONCE: Final = 1_000

# The format has one reader, in core, and one text, docs/spec/credential.md.
AchievementsIn = Annotated[
    dict[str, Any] | Annotated[list[dict[str, Any]], Field(max_length=MOST_AT_ONCE)],
    Body(
        description=(
            f"One achievement, or a list of at most {MOST_AT_ONCE:,}, as"
            " docs/spec/credential.md says."
        ),
        openapi_examples={
            "one": {"summary": "One achievement", "value": DOCUMENT},
            "several": {
                "summary": "A list",
                "value": [
                    DOCUMENT,
                    {**DOCUMENT, "code": "py-2", "name": "Python in depth"},
                ],
            },
        },
    ),
]


_EXAMPLE: Final[dict[str, Any]] = {
    "achievements": [
        {
            "code": "py-1",
            "version": "1",
            "createdAt": "2026-11-25T08:44:00Z",
            "document": DOCUMENT,
        }
    ]
}


class AchievementOut(Out):
    """One version of an achievement; it never changes."""

    code: str
    version: str
    created_at: Moment
    document: dict[str, Any]


class AchievementsOut(Out):
    """Achievements by code, the oldest version first."""

    model_config = example(_EXAMPLE)

    achievements: list[AchievementOut]


class AchievementPageOut(AchievementsOut):
    """A page of them. `next` is null on the last one."""

    model_config = example(
        {**_EXAMPLE, "next": "py-1/1"},
    )

    next: str | None


@router.post(
    "/achievements",
    summary="Add achievements",
    status_code=201,
    response_model=AchievementsOut,
    responses=problems(*ONCE),
)
def post_achievements(desk: ManagingOnce, body: AchievementsIn) -> Response:
    """Add achievements. A version that exists with other content is refused."""

    def prepare() -> Any:
        return read_achievements(desk.caller, cast("Json", body), desk.now)

    def finish(tx: Transaction, records: Any) -> Answer:
        return Answer(201, _shown(keep_achievements(tx, desk.caller, records)))

    return desk.once.work_in_two(prepare, finish)


@router.get(
    "/achievements", summary="List achievements", responses=problems(*KEYED, 404)
)
def get_achievements(
    desk: Reading, page: Annotated[AchievementsPageIn, Query()]
) -> AchievementPageOut:
    """List every version of every achievement, by code, the oldest version first, page by page."""
    with desk.read() as tx:
        found = page_of(
            tx, desk.caller.organisation.id, limit=page.limit, after=page.place
        )
    return AchievementPageOut(
        achievements=_shown(found.records).achievements,
        next=None if found.next is None else str(found.next),
    )


def _shown(records: Any) -> AchievementsOut:
    return AchievementsOut(
        achievements=[
            AchievementOut(
                code=record.code,
                version=record.version,
                created_at=record.created_at,
                document=parse_object(record.source),
            )
            for record in records
        ]
    )
