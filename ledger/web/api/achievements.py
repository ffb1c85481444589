"""Achievements of the caller's organisation."""

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Body
from starlette.responses import Response

from ledger.core.canonical import Json, parse_object
from ledger.services.achievements import add_achievements, list_achievements
from ledger.web.deps import ManagingOnce, Reading, Transaction
from ledger.web.idempotency import Answer
from ledger.web.schemas import KEYED, ONCE, Moment, Out, example, problems
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

# The format has one reader, in core, and one text, docs/spec/credential.md.
AchievementsIn = Annotated[
    dict[str, Any] | list[dict[str, Any]],
    Body(
        description="One achievement, or a list of them, as docs/spec/credential.md says.",
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


class AchievementOut(Out):
    """One version of an achievement; it never changes."""

    code: str
    version: str
    created_at: Moment
    document: dict[str, Any]


class AchievementsOut(Out):
    """Achievements by code, the oldest version first."""

    model_config = example(
        {
            "achievements": [
                {
                    "code": "py-1",
                    "version": "1",
                    "createdAt": "2026-11-25T08:44:00Z",
                    "document": DOCUMENT,
                }
            ]
        }
    )

    achievements: list[AchievementOut]


@router.post(
    "/achievements",
    summary="Add achievements",
    status_code=201,
    response_model=AchievementsOut,
    responses=problems(*ONCE),
)
def post_achievements(desk: ManagingOnce, body: AchievementsIn) -> Response:
    """Add achievements. A version that exists with other content is refused."""

    def work(tx: Transaction) -> Answer:
        added = add_achievements(tx, desk.caller, cast("Json", body), desk.now)
        return Answer(201, _shown(added))

    return desk.once.work(work)


@router.get("/achievements", summary="List achievements", responses=problems(*KEYED))
def get_achievements(desk: Reading) -> AchievementsOut:
    """List every version of every achievement."""
    with desk.read() as tx:
        return _shown(list_achievements(tx, desk.caller))


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
