"""What the store gives and takes of events: frozen values, like those of `records`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID


class EventKind(StrEnum):
    """What an event tells: of one credential, or of a batch and then of each of its members."""

    ISSUED = "issued"  #: signed and handed out
    RELEASED = "released"  #: an imported one, shown from now on
    SEALED = "sealed"  #: in a batch
    ANCHORED = "anchored"  #: the batch's root is in a block that may still go away
    FINAL = "final"  #: the batch's root is final on that chain
    REORGANISED = "reorganised"  #: that block is gone; the anchor is on its way again
    WITHDRAWN = "withdrawn"  #: the school took it back; the revocation is on its way
    REVOKED = "revoked"  #: the revocation is final on the chain
    UNREVOKED = "unrevoked"  #: that block is gone; the revocation is on its way again


@dataclass(frozen=True, slots=True, order=True)
class EventCursor:
    """A place in the log of events: behind the `index`-th that the row at `position` tells.

    Index 0 is what is told of a batch itself, 1 its first leaf; `END` is behind them all.
    """

    END: ClassVar[int] = 9_999_999_999

    position: int
    index: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is told: of a credential, or of a batch if `credential_id` is None.

    `key` is the same whenever this event is told again. `block_time` is in seconds.
    """

    key: UUID
    cursor: EventCursor
    kind: EventKind
    at: datetime
    organisation: str | None
    credential_id: UUID | None
    achievement: str | None
    version: str | None
    batch_id: UUID | None
    chain_id: int | None
    block_number: int | None
    block_time: int | None

    @property
    def subject(self) -> UUID:
        """The credential or batch that it is about: the events of one are told in order."""
        subject = self.credential_id or self.batch_id
        assert subject is not None  # noqa: S101 - the table has a CHECK
        return subject


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events in order, and the place from which to go on."""

    events: Sequence[Event]
    next: EventCursor


@dataclass(frozen=True, slots=True)
class EventAudience:
    """An organisation's part of a batch: between which leaves it lies."""

    organisation_id: UUID
    first_leaf: int
    last_leaf: int


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that the receiver refused, or that waits behind such a one of its subject.

    `status` is the HTTP status of the last refusal, None for one that only waits.
    """

    key: UUID
    cursor: EventCursor
    subject: UUID
    body: bytes = field(repr=False)
    status: int | None
    tries: int
    next_try: datetime
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class EventBacklog:
    """What is not delivered yet: how many events, since when, and how many are parked."""

    count: int
    oldest: datetime | None
    parked: int
