"""
What goes in and out as JSON: members in camelCase, unknown ones refused, no silent conversion.

In and Out are apart, so that nothing can be set by sending what was answered.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from ledger.core.open_badge import CODE
from ledger.services.achievements import MAX_PAGE, AchievementPlace
from ledger.store import records
from ledger.web.problems import MEDIA_TYPE


class In(BaseModel):
    """What may be sent: these members and no others."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)


class Out(BaseModel):
    """What is answered."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        frozen=True,
    )


def example(value: Any) -> ConfigDict:
    """Give a model the example that its documentation shows."""
    return ConfigDict(json_schema_extra={"examples": [value]})


def every_model(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Every model made from a base, at any depth."""
    for model in base.__subclasses__():
        yield model
        yield from every_model(model)


def _text_only(value: object) -> object:
    # Pydantic would also take a number of seconds.
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "a string is expected")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        # Where it was written the year is 1 or 9999; in UTC, which is stored, it is neither.
        raise PydanticCustomError(
            "datetime_out_of_range",
            "a moment of the years 1 to 9999 in UTC is expected",
        ) from None


#: ISO 8601; going in, from JSON text alone, and within what UTC can say.
DayIn = Annotated[date, BeforeValidator(_text_only)]
MomentIn = Annotated[
    AwareDatetime, BeforeValidator(_text_only), AfterValidator(_in_utc)
]
Moment: TypeAlias = AwareDatetime

#: Endpoints may name it, without reaching into the store.
CredentialState: TypeAlias = records.CredentialState


class AchievementsPageIn(In):
    """Which page of the achievements."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE
    after: Annotated[
        str | None,
        Field(
            pattern=f"^{CODE.pattern}/{CODE.pattern}$",
            description="`next` of the page before.",
        ),
    ] = None

    @property
    def place(self) -> AchievementPlace | None:
        """Behind which version it begins; None for the first page."""
        return None if self.after is None else AchievementPlace.from_text(self.after)


class Problem(Out):
    """A problem, RFC 9457. `id` is what to quote when asking the operator."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    id: str


def _problem(status: int, code: str, title: str, detail: str) -> dict[str, Any]:
    example = {
        "type": f"/docs#problem-{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "id": "0d2c7a6e-3f5b-4a55-9b0e-6f1d2c3b4a59",
    }
    return {
        "description": title,
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": example,
            }
        },
    }


_UNAUTHENTICATED: Final = _problem(
    401, "unauthenticated", "Unauthorized", "The API key is not valid."
)
_FORBIDDEN: Final = _problem(
    403,
    "forbidden",
    "Forbidden",
    "this API key may not do that: it lacks the scope issue.",
)
_NOT_FOUND: Final = _problem(
    404,
    "not_found",
    "There is no such thing",
    "this organisation has no such credential",
)
_CONFLICT: Final = _problem(
    409, "conflict", "Somebody was there first", "this credential is withdrawn already"
)
_GONE: Final = _problem(
    410,
    "gone",
    "It is kept no longer",
    "the events behind this cursor are kept no longer: ...",
)
_INVALID: Final = _problem(
    422,
    "invalid",
    "Some fields are not valid",
    "See `problems`: where in the request, and which rule it breaks.",
)
_BAD_REQUEST: Final = _problem(
    400,
    "idempotency_key_missing",
    "A header is missing",
    "Send the header Idempotency-Key ...",
)

#: Of `/ready`.
UNREADY: Final = _problem(
    503,
    "not_ready",
    "The ledger cannot do its work now",
    "The database does not answer.",
)

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Document the problems a route may answer with, beside 422."""
    known: Mapping[int, dict[str, Any]] = {
        400: _BAD_REQUEST,
        401: _UNAUTHENTICATED,
        403: _FORBIDDEN,
        404: _NOT_FOUND,
        409: _CONFLICT,
        410: _GONE,
    }
    return {422: _INVALID, **{status: known[status] for status in statuses}}


#: Of a route that needs an API key.
KEYED: Final = (401, 403)
#: Of a route that writes, once for each Idempotency-Key.
ONCE: Final = (400, 401, 403, 409)


def from_seconds(seconds: int | None) -> datetime | None:
    """A block's time as a moment."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
