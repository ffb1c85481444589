"""One school for each test."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.verify.rpc import RpcReader
from tests.anvil import Anvil
from tests.integration.verify.schools import School


@pytest.fixture
def school(deployed: Anvil) -> Iterator[School]:
    with closing(RpcReader(deployed.url)) as reader:
        school = School(deployed, reader)
        school.open()
        yield school
