"""A school, its key and its credentials, and the chain that knows them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from ledger.core import canonical
from ledger.core.anchor import Anchor
from ledger.core.credential import (
    Achievement,
    Award,
    Category,
    Issuer,
    Level,
    SignedCredential,
    sign_credential,
)
from ledger.core.durable import DurableCredential
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.keys import SigningKey
from ledger.core.merkle import InclusionProof
from ledger.core.offer import build_credential
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.networks import Network
from ledger.verify.report import Report
from ledger.verify.trust import Trusted, TrustList
from ledger.verify.verification import verify
from tests.unit.verify.fakes import NETWORK, FakeChain, FakeIssuer, FakeState

KEY = SigningKey.from_seed(b"\x11" * 32)
REFERENCE = IssuerReference(777, NETWORK.issuer_registry, b"\x01" * 32)
PROFILE = IssuerProfile("Riverside Code School", "https://riverside.example")
INDEX = 70_001
EMAIL = "ada@example.org"

BEGAN = int(datetime(2026, 7, 1, 8, tzinfo=UTC).timestamp())
#: Block 50, where the credential's batch is anchored; final is block 100, newest is 110.
T = BEGAN + 500
NOW = datetime.fromtimestamp(BEGAN + 1_105, UTC)
LISTED = TrustList("Admissions", issuers=(Trusted(REFERENCE, PROFILE.name),))


def signed(
    key: SigningKey = KEY,
    *,
    reference: IssuerReference = REFERENCE,
    name: str | None = "Ada Lovelace",
    valid_for: str | None = None,
    awarded_on: date = date(2026, 6, 30),
    issued_at: datetime = datetime(2026, 7, 1, 8, 5, tzinfo=UTC),
    source: IssuerProfile | None = None,
) -> SignedCredential:
    issuer = Issuer(PROFILE, reference, key.public)
    document = build_credential(
        credential_id=UUID("00000000-0000-4000-8000-000000000001"),
        issuer=issuer,
        achievement=Achievement(
            code="data-1",
            version="2",
            name="Data Analyst",
            category=Category.CERTIFICATE_PROGRAMME,
            level=Level.INTERMEDIATE,
            language="en",
            description="Reads data and tells what they say.",
            criteria="Pass the project.",
            valid_for=valid_for,
        ),
        achievement_iri="https://riverside.example/achievements/data-1/2",
        award=Award(EMAIL, awarded_on, name=name, source=source),
        email_salt="0123456789abcdef",
        status_list="https://riverside.example/status/1",
        status_index=INDEX,
        issued_at=issued_at,
    )
    return sign_credential(
        document,
        key,
        verification_method=issuer.verification_method,
        created=issued_at,
    )


def durable(credential: SignedCredential | None = None) -> DurableCredential:
    """The credential as the second of a batch of two."""
    credential = credential or signed()
    inclusion = InclusionProof(1, 2, (b"\x22" * 32,))
    return DurableCredential.from_parts(
        credential,
        inclusion=inclusion,
        sealed_root=inclusion.sealed_root(credential.leaf),
        issuer_profile=PROFILE,
        anchors=(
            Anchor(
                credential.issuer_reference.chain_id,
                NETWORK.anchor_registry,
                block_number=50,
                time=T,
            ),
        ),
    )


@dataclass
class World:
    """A durable credential, and a chain on which everything about it is right."""

    file: DurableCredential
    issuer: FakeIssuer
    chain: FakeChain

    @property
    def data(self) -> bytes:
        return self.file.encode()

    def verify(
        self,
        data: bytes | None = None,
        *,
        readers: Sequence[FakeChain] | None = None,
        networks: Sequence[Network] = (NETWORK,),
        checkpoints: Sequence[Checkpoint] = (),
        trust: TrustList | None = LISTED,
        now: datetime = NOW,
        email: str | None = None,
    ) -> Report:
        return verify(
            self.data if data is None else data,
            readers=[self.chain] if readers is None else readers,
            networks=networks,
            checkpoints=checkpoints,
            trust=trust,
            now=now,
            email=email,
            file="ada.json",
        )


def world(file: DurableCredential | None = None) -> World:
    file = file or durable()
    issuer = FakeIssuer(
        registered_at=BEGAN,
        keys={KEY.public.key_id: (BEGAN + 100, 0, 0, 1)},
        profiles={PROFILE.hash: BEGAN},
    )
    state = FakeState(
        anchors={file.proof.sealed_root: (T, 50)},
        issuers={REFERENCE.issuer_id: issuer},
    )
    return World(file, issuer, FakeChain(state, start=BEGAN))


def edited(data: bytes, *path: str | int, value: Any) -> bytes:
    """The JSON with one member replaced."""
    document: Any = canonical.parse_object(data)
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return json.dumps(document).encode()
