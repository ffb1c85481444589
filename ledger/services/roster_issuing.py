"""Issuing a roster: every good record becomes a credential, every bad one is reported."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.core.canonical import Json
from ledger.keystore.master import MasterKey
from ledger.services.addresses import Addresses
from ledger.services.identity import require_issuing
from ledger.services.issuing import (
    AwardRequest,
    IssuedAward,
    Plan,
    keep_awards,
    plan_awards,
    sign_awards,
)
from ledger.services.organisations import Caller
from ledger.services.rosters import (
    Problem,
    Roster,
    RosterRow,
    latest_today,
    parse_award,
    parse_roster,
)
from ledger.store import achievements, credentials
from ledger.store.database import Database, Transaction
from ledger.store.records import AwardKey, CredentialRecord

#: Records that are signed and then stored together: well below a second of each.
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A good record and its credential; None in a dry run if it is not issued yet."""

    line: int
    credential_id: UUID | None
    already: bool


@dataclass(frozen=True, slots=True)
class RosterReport:
    """What became of a roster; `problems`, `problem_count` and `refused` as of a Roster."""

    lines: tuple[RosterLine, ...]
    problems: tuple[Problem, ...]
    problem_count: int
    refused: int

    @property
    def left_out(self) -> int:
        """Problems that are counted and not told."""
        return self.problem_count - len(self.problems)


def check_roster(
    database: Database, caller: Caller, data: bytes, now: datetime
) -> RosterReport:
    """The dry run: what issuing this roster would do. Writes nothing.

    Raises MalformedError if the file as a whole cannot be read, Refused if there is
    something to issue and the organisation cannot issue, both as `issue_roster` does.
    """
    roster, newest = _read(database, caller, data, now)
    keys = [_key(row, newest) for row in roster.rows]
    with database.read() as tx:
        if roster.rows:
            require_issuing(tx, caller)
        known = dict(credentials.existing_awards(tx, caller.organisation.id, keys))
    seen: set[AwardKey] = set()
    lines = []
    for row, key in zip(roster.rows, keys, strict=True):
        lines.append(RosterLine(row.line, known.get(key), key in known or key in seen))
        seen.add(key)
    return _report(lines, roster)


def issue_roster(  # noqa: PLR0913 - an edge each: keys, addresses, clock, randomness, progress
    database: Database,
    caller: Caller,
    data: bytes,
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
    entropy: Callable[[int], bytes],
    progress: Callable[[int, int], None],
) -> RosterReport:
    """Issue a roster in chunks, each kept whole or not at all. `progress(done, total)` after each.

    Repeating it after a crash, or uploading it again, issues only what is missing. Raises
    MalformedError if the file as a whole cannot be read, Refused if the organisation cannot
    issue.
    """
    roster, newest = _read(database, caller, data, now)
    lines: list[RosterLine] = []
    for issued in issue_in_chunks(
        database,
        caller,
        [_request(row, newest) for row in roster.rows],
        master=master,
        addresses=addresses,
        now=now,
        entropy=entropy,
    ):
        rows = roster.rows[len(lines) : len(lines) + len(issued)]
        lines += (
            RosterLine(row.line, answer.credential_id, answer.already)
            for row, answer in zip(rows, issued, strict=True)
        )
        progress(len(lines), len(roster.rows))
    return _report(lines, roster)


@dataclass(frozen=True, slots=True)
class SignedAwards:
    """Awards that are planned and signed, for `keep_awards`."""

    plan: Plan
    records: Mapping[AwardKey, CredentialRecord]


def sign_award(  # noqa: PLR0913 - an edge each: keys, addresses, clock, randomness
    database: Database,
    caller: Caller,
    cells: Mapping[str, str],
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> SignedAwards | Sequence[Problem]:
    """Sign one award, its texts by the columns of a roster, or tell what is wrong with it.

    Keeps nothing. Raises Refused if the organisation cannot issue.
    """
    newest = _newest(database, caller, [cells.get("achievement", "").strip()])
    award = parse_award(cells, offers=frozenset(newest), today=latest_today(now))
    if award.problems:
        return award.problems
    (row,) = award.rows
    with database.begin() as tx:
        plan = plan_awards(
            tx,
            caller,
            [_request(row, newest)],
            master=master,
            addresses=addresses,
            entropy=entropy,
        )
    return SignedAwards(plan, sign_awards(plan, now=now, entropy=entropy))


def issue_in_chunks(  # noqa: PLR0913 - an edge each: keys, addresses, clock, randomness
    database: Database,
    caller: Caller,
    requests: Sequence[AwardRequest],
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Iterator[Sequence[IssuedAward]]:
    """Issue one credential for each request; answers in order, those of a chunk once it is kept.

    Raises as `issuing.issue` does; what was answered before stays.
    """

    def plan_of(tx: Transaction, chunk: Sequence[AwardRequest]) -> Plan:
        return plan_awards(
            tx, caller, chunk, master=master, addresses=addresses, entropy=entropy
        )

    chunks = [requests[at : at + CHUNK] for at in range(0, len(requests), CHUNK)]
    if not chunks:
        return
    with database.begin() as tx:
        plan = plan_of(tx, chunks[0])
    for following in [*chunks[1:], None]:
        # Most of the time goes here, while the database is free for others.
        signed = sign_awards(plan, now=now, entropy=entropy)
        with database.begin() as tx:
            issued = keep_awards(tx, caller, plan, signed)
            # At once: for a transaction of its own it would wait until others are done.
            if following is not None:
                plan = plan_of(tx, following)
        yield issued


def _read(
    database: Database, caller: Caller, data: bytes, now: datetime
) -> tuple[Roster, Mapping[str, str]]:
    newest = _newest(database, caller)
    return parse_roster(data, offers=frozenset(newest), today=latest_today(now)), newest


def _newest(
    database: Database, caller: Caller, codes: Sequence[str] | None = None
) -> Mapping[str, str]:
    with database.read() as tx:
        return achievements.newest(tx, caller.organisation.id, codes)


def _report(lines: Sequence[RosterLine], roster: Roster) -> RosterReport:
    return RosterReport(
        tuple(lines), roster.problems, roster.problem_count, roster.refused
    )


def _key(row: RosterRow, newest: Mapping[str, str]) -> AwardKey:
    version = newest[row.achievement]
    return AwardKey(row.achievement, version, row.award.email, row.award.awarded_on)


def _request(row: RosterRow, newest: Mapping[str, str]) -> AwardRequest:
    return AwardRequest(row.achievement, newest[row.achievement], row.award)


def report_json(report: RosterReport) -> dict[str, Json]:
    """The report for programs: the same from the command and from the HTTP API."""
    fresh = sum(not line.already for line in report.lines)
    return {
        "issued": fresh,
        "already": len(report.lines) - fresh,
        "refused": report.refused,
        "lines": [
            {
                "line": line.line,
                "credential": None
                if line.credential_id is None
                else str(line.credential_id),
                "already": line.already,
            }
            for line in report.lines
        ],
        "problems": [
            {
                "line": problem.line,
                "column": problem.column,
                "value": problem.value,
                "code": problem.code,
                "reason": problem.reason,
            }
            for problem in report.problems
        ],
        "problemCount": report.problem_count,
        "problemsLeftOut": report.left_out,
    }
