"""The restore drill of docs/operating.md with a ledger on two chains, as an operator types it."""

import operator
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.anvil import Anvil
from tests.gate import Gate, gate
from tests.integration.cli.commands import HOME, OTHER, Command, account
from tests.integration.cli.test_closing import withdraw
from tests.integration.cli.test_recovery import Drill, module
from tests.integration.cli.test_several_chains import Desk

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(180),
]

RECOVER = ("anchor_worker.recover_command", "--json", "--issued-at-most", "50")


@contextmanager
def works(desk: Desk) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Run a worker for as long as the block runs; what is called waits until something is so."""
    with desk.worker() as worker:
        yield desk.until
        desk.until(lambda: rests(desk))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0, desk.log.read_text()


def rests(desk: Desk) -> bool:
    """Whether everything that was asked for is final, on each chain."""
    chains = desk.perdure("status", "--json").json["chains"]
    return all(
        not count
        for each in chains
        for state, count in each["transactions"].items()
        if state != "final"
    )


def test_the_restore_drill_on_two_chains(
    school: Command,
    chain: Anvil,
    second: Anvil,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk(school, tmp_path, chain, second)
    drill = Drill(school, chain, tmp_path, account(tmp_path))

    def count(anvil: Anvil) -> int:
        return len(drill.mined(anvil))

    with gate(second.url) as door:
        monkeypatch.setenv("PERDURE_OTHER_CHAINS", f"eip155:{OTHER}={door.url}")
        with works(desk) as until:
            ada = desk.issue("ada")
            until(lambda: desk.chains(ada) == [HOME, OTHER])
        ben = desk.issue("ben")
        drill.copy("perdure.db", "copy.db")

        # What the copy will not know: anchors on each chain, checkpoints, a withdrawal.
        assert withdraw(school, ada).code == 0
        with works(desk) as until:
            until(lambda: desk.chains(ben) == [HOME, OTHER])
            cleo = desk.issue("cleo")
            until(lambda: desk.chains(cleo) == [HOME, OTHER])
        files = [str(desk.file(cleo))]
        withdrawn = str(desk.file(ada))
        before = count(chain), count(second)
        drill.restore()

        noticed = school("doctor", "--json").json["findings"]
        assert [each["code"] for each in noticed] == ["sender.ahead"] * 2
        check_it_catches_up_chain_by_chain(door)
        with works(desk) as until:
            dora = desk.issue("dora")
            until(lambda: desk.chains(ben) == [HOME, OTHER])
            until(lambda: desk.chains(dora) == [HOME, OTHER])
            until(lambda: desk.block(ben) in desk.stated())
        doctor = school("doctor", "--json")
        assert (doctor.code, doctor.json["silent"]) == (0, []), doctor
    drill.check()
    drill.check(second, chain_id=OTHER)
    assert all(map(operator.gt, (count(chain), count(second)), before))
    files += [str(desk.file(ben)), str(desk.file(dora))]
    assert drill.verdicts(withdrawn, *files) == ["withdrawn"] + ["unknown_issuer"] * 3


def check_it_catches_up_chain_by_chain(door: Gate) -> None:
    """A chain that is away is left for later, and holds up nobody."""
    door.is_shut = True
    first = module(*RECOVER)
    assert (first.code, first.json["whole"]) == (2, False), first
    (home,), (left,) = first.json["chains"], first.json["left"]
    assert (home["chainId"], left["chainId"]) == (f"eip155:{HOME}", f"eip155:{OTHER}")
    found = {(each["kind"], each["fate"]) for each in home["transactions"]}
    assert found == {("anchor", "lost"), ("revoke", "lost")}

    door.is_shut = False
    again = module(*RECOVER)
    assert (again.code, again.json["whole"], again.json["left"]) == (0, True, []), again
    home, other = again.json["chains"]
    assert home["transactions"] == []
    assert {each["kind"] for each in other["transactions"]} == {"anchor"}
