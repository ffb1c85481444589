"""What the real registry refuses is signed anew: doctor tells of it, one command mends it."""

import secrets
import time
from pathlib import Path

import pytest

from anchor_worker.loop import Ending
from ledger.chain import acts
from ledger.chain.accounts import address_of, new_account
from ledger.core.issuer import recovery_commitment
from ledger.core.registries import ISSUER_REGISTRY
from ledger.keystore.backup import decode_backup
from tests.anvil import DEV_ADDRESS, Anvil
from tests.integration.cli.commands import (
    HOME,
    PASSPHRASE,
    SAMPLES,
    Command,
    account,
    work,
)

pytestmark = [pytest.mark.anvil, pytest.mark.slow]


def rotate(chain: Anvil, backup: Path) -> None:
    """The recovery key acts, and not through this ledger; the controller stays."""
    (entry,) = decode_backup(backup.read_bytes(), PASSPHRASE)
    act = acts.rotate(
        acts.Domain(HOME, ISSUER_REGISTRY),
        entry.issuer_id,
        address_of(entry.secrets["controller"][0]),
        recovery_commitment(new_account(secrets.token_bytes).address),
        recovery_acts=0,
        authority=acts.Authority(entry.secrets["recovery"][0], int(time.time()) * 2),
    )
    chain.rpc(
        "eth_sendTransaction",
        {
            "from": DEV_ADDRESS,
            "to": act.to,
            "data": "0x" + act.data.hex(),
            "gas": hex(act.gas),
        },
    )
    chain.mine()


def test_a_withdrawal_from_before_an_act_of_the_recovery_key_is_renewed(
    school: Command, chain: Anvil, tmp_path: Path
) -> None:
    org = ("--org", "riverside")
    chain.fund(account(tmp_path))
    roster = str(SAMPLES / "roster-messy.csv")
    issued = school("roster", "issue", roster, *org, "--json").json
    first, second = (line["credential"] for line in issued["lines"][::2])
    work(chain)
    rotate(chain, tmp_path / "riverside.backup")

    revoke = ("credential", "revoke", first, *org, "--reason", "Wrong person.")
    assert school(*revoke).code == 0
    work(chain, ends=Ending.OPERATOR)
    found = school("doctor", "--json")
    renewed = school("issuer", "renew", "--json")
    assert (found.code, [each["code"] for each in found.json["findings"]]) == (
        1,
        ["act.refused"],
    )
    assert "perdure issuer renew" in found.json["findings"][0]["detail"]
    assert renewed.json == [
        {"organisation": "riverside", "registering": 0, "withdrawals": 1}
    ]
    work(chain)
    assert school("doctor").code == 0
    nothing = school("issuer", "renew", *org)
    assert nothing.out.startswith("Nothing was refused")

    # The number is known by now: nothing is refused any more.
    revoke = ("credential", "revoke", second, *org, "--reason", "Wrong person.")
    assert school(*revoke).code == 0
    work(chain)
    assert school("doctor").code == 0
