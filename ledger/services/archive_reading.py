"""Reading a closing archive with suspicion: every byte against the manifest, all of it against a block."""

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from ledger.chain.node import ChainNode, check_chain
from ledger.chain.pool import first_answer
from ledger.core.archive import Archive, Entry, open_archive
from ledger.core.canonical import parse_object
from ledger.core.closing import ClosingStatement, IssuerHistory, PublicRecord
from ledger.core.closing_archive import (
    HISTORY,
    MANIFEST,
    OUTER,
    PART,
    PERSONAL_INDEX,
    PROOF,
    STATEMENT,
    Manifest,
    PersonalEntry,
    achievement_name,
    profile_name,
    read_personal_index,
    status_name,
)
from ledger.core.credential import SignedCredential, normalise_email
from ledger.core.durable import DurableCredential
from ledger.core.evidence import AnchorSlot, RegistryFacts
from ledger.core.header import BlockHeader
from ledger.core.issuer import IssuerProfile
from ledger.core.issuer_proof import IssuerProof
from ledger.errors import MalformedError, ProofError, Refused
from ledger.keystore.custodian import Identity, unseal
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.networks import Network

#: Whether somebody whom this ledger trusts vouches for a block of a network.
Witness: TypeAlias = Callable[[Network, BlockHeader], bool]


def by_node(node: ChainNode) -> Witness:
    """Trust final blocks of a node of ours. The witness raises ChainUnavailable, SettingError."""

    def vouches(network: Network, header: BlockHeader) -> bool:
        check_chain(
            node,
            chain_id=network.chain_id,
            genesis_hash=network.genesis_hash,
            anchor_registry=network.anchor_registry,
            issuer_registry=network.issuer_registry,
        )
        if header.number > node.block("finalized").number:
            return False
        return node.block(header.number).hash == header.hash

    return vouches


def by_nodes(nodes: Sequence[ChainNode]) -> Witness:
    """Trust final blocks of the first of our nodes that answers as the network.

    The witness raises as that of `by_node`.
    """
    return lambda network, header: first_answer(
        nodes, lambda node: by_node(node)(network, header)
    )


def by_checkpoints(checkpoints: Sequence[Checkpoint]) -> Witness:
    """Trust the blocks on a list that came from somewhere else than the archive."""

    def vouches(network: Network, header: BlockHeader) -> bool:
        return any(
            each.chain_id == network.chain_id
            and each.block_hash == header.hash
            and each.block_number in {None, header.number}
            for each in checkpoints
        )

    return vouches


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of an archive by their names."""

    archive: Archive
    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, archive: Archive) -> "_Files":
        return cls(archive, {entry.name: entry for entry in archive.entries})

    def read(self, name: str) -> bytes:
        """Unpack a file. Raises MalformedError with its name."""
        entry = self.entries.get(name)
        if entry is None:
            raise MalformedError(f"{name} is not in the archive")
        with _named(name):
            return self.archive.read(entry)


@dataclass(frozen=True, slots=True)
class ReadCredential:
    """A credential out of a personal part, checked like a file that came from anywhere."""

    entry: PersonalEntry
    durable: DurableCredential
    revoked: bool


@dataclass(frozen=True, slots=True)
class OpenedArchive:
    """A closing archive whose public part is checked. Made by `opened`."""

    files: _Files
    manifest: Manifest
    network: Network
    public: PublicRecord
    statement: bytes
    proof: IssuerProof
    witness: Witness

    def check_parts(self, identities: Sequence[Identity] = ()) -> None:
        """Compare the personal parts with the manifest too, and the identities with each part.

        Raises MalformedError, KeystoreError if there are identities and none opens a part.
        """
        for part in self.manifest.parts:
            sealed = self.files.read(part.name)
            part.check(sealed)
            if identities:
                unseal(sealed, identities)

    def check_credentials(
        self,
        identities: Sequence[Identity],
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> "CheckedCredentials":
        """Check all that is personal, and that none of it is missing, before any is taken in.

        Raises MalformedError, ProofError, KeystoreError, Refused.
        """
        trusted: set[bytes] = set()
        found: dict[UUID, bool] = {}
        promised = self.manifest.credentials
        for name, files in _unsealed(self, identities):
            for entry, data in files:
                with _named(name), _named(entry.file):
                    durable = DurableCredential.from_bytes(data)
                    is_revoked = self._check_credential(durable, entry, trusted)
                    found[entry.credential_id] = is_revoked
            progress(len(found), promised)
        if len(found) != promised:
            raise Refused(
                f"the archive promises {promised} credentials and holds {len(found)}"
            )
        revoked_ids = {each for each, is_revoked in found.items() if is_revoked}
        return CheckedCredentials(self, identities, frozenset(revoked_ids))

    def _check_credential(
        self, durable: DurableCredential, entry: PersonalEntry, trusted: set[bytes]
    ) -> bool:
        """Check one like a file that came from anywhere; answer whether the chain revoked it."""
        durable.check()
        self._check_place(durable, entry)
        _check_index(durable.credential, entry)
        facts = self._prove(durable, trusted)
        if entry.withdrawn_at is not None and not facts.issuer.revoked:
            raise ProofError("the index says withdrawn, the chain does not")
        return facts.issuer.revoked

    def _check_place(self, durable: DurableCredential, entry: PersonalEntry) -> None:
        """It is the one that the index means, and one of this issuer's."""
        signed = durable.credential
        if signed.id != entry.credential_id:
            raise ProofError("it has another id than the index says")
        if signed.issuer_reference != self.public.statement.issuer:
            raise ProofError("it is of another issuer")
        if (entry.achievement, entry.version) not in self.public.achievements:
            raise ProofError("its achievement is not in the archive")
        if durable.proof.home.registry != self.network.anchor_registry:
            raise ProofError("it names another AnchorRegistry")

    def _prove(self, durable: DurableCredential, trusted: set[bytes]) -> RegistryFacts:
        """What its evidence says, at a block from after the closing that somebody vouches for."""
        home = durable.proof.home
        taken = home.evidence
        if taken is None:
            raise ProofError("it carries no evidence")
        facts = taken.prove(
            durable.questions(
                self.network.anchor_registry, self.network.issuer_registry
            )
        )
        if facts.anchor != AnchorSlot(home.time, home.block_number):
            raise ProofError("its evidence is of another anchor")
        window = facts.issuer.window
        if window is None or not window.covers(home.time):
            raise ProofError("its key was not the issuer's when it was anchored")
        if facts.profile_recorded_at is None or facts.issuer.closed_at is None:
            raise ProofError("its evidence is not from after the closing")
        if taken.block.hash not in trusted:
            _check_vouched(self.witness, self.network, taken.block)
            trusted.add(taken.block.hash)
        return facts


@dataclass(frozen=True, slots=True)
class CheckedCredentials:
    """What is personal in an archive, all of it checked. Made by `check_credentials`."""

    _archive: OpenedArchive
    _identities: Sequence[Identity]
    _revoked: frozenset[UUID]

    def parts(self) -> Iterator[Sequence[ReadCredential]]:
        """The credentials, part by part.

        Raises MalformedError if the file has changed since it was checked.
        """
        # What is compared with the manifest again has the bytes that were checked.
        for _, files in _unsealed(self._archive, self._identities):
            yield [
                ReadCredential(
                    entry,
                    DurableCredential.from_bytes(data),
                    entry.credential_id in self._revoked,
                )
                for entry, data in files
            ]


def _unsealed(
    archive: OpenedArchive, identities: Sequence[Identity]
) -> Iterator[tuple[str, Sequence[tuple[PersonalEntry, bytes]]]]:
    """Each personal part's name and credentials, none of them checked; one part in memory."""
    for part in archive.manifest.parts:
        sealed = archive.files.read(part.name)
        part.check(sealed)
        with _named(part.name):
            plain = _Files.of(open_archive(unseal(sealed, identities), PART))
            index = read_personal_index(plain.read(PERSONAL_INDEX))
            files = [(entry, plain.read(entry.file)) for entry in index]
        yield part.name, files


def _check_index(signed: SignedCredential, entry: PersonalEntry) -> None:
    """
    What the index repeats of the signed bytes, it repeats as they have it.

    Whoever has the credentials' files can seal another index for the custodians, and list it in
    a manifest that fits.
    """
    achievement = signed.achievement_code, signed.achievement_version
    instant = entry.issued_at.astimezone(UTC).replace(microsecond=0)
    same = {
        "achievement": (entry.achievement, entry.version) == achievement,
        # In its normal form, in which it is looked for.
        "e-mail address": entry.email == normalise_email(entry.email)
        and signed.is_for(entry.email),
        # A school may leave the name out of what it signs.
        "name": signed.recipient_name in {None, entry.name},
        "day of the award": entry.awarded_on == signed.awarded_date,
        "time of issuing": instant == signed.valid_from,
    }
    for what, is_same in same.items():
        if not is_same:
            raise ProofError(f"the index has another {what} than the signed credential")


@contextmanager
def opened(
    path: Path, networks: Sequence[Network], witness: Witness
) -> Iterator[OpenedArchive]:
    """Open a closing archive and check its public part, bit by bit and against a block.

    Raises MalformedError naming the file that is damaged, ProofError for what does not fit
    together or is not what the chain says, Refused for a chain that is not on our list.
    """
    with closing(_mapped(path)) as data:
        inner = _Files.of(open_archive(data, OUTER))
        manifest = _manifest(inner)
        files = _PublicFiles(inner, manifest)
        statement = files.read(STATEMENT)
        with _named(STATEMENT):
            stated = ClosingStatement.from_bytes(statement)
        with _named(HISTORY):
            history = IssuerHistory.from_bytes(files.read(HISTORY))
        if stated.issuer != manifest.issuer:
            raise ProofError("the manifest names another issuer than the statement")
        network = _network(networks, stated)
        public = PublicRecord(
            statement=stated,
            history=history,
            profiles=tuple(files.profile(e.profile_hash) for e in history.profiles),
            achievements={
                (e.code, e.version): files.read(achievement_name(e.code, e.version))
                for e in stated.achievements
            },
            status_lists={
                e.key.multibase: files.read(status_name(e.key.multibase))
                for e in stated.status_lists
            },
        )
        with _named(PROOF):
            proof = IssuerProof.from_bytes(files.read(PROOF))
            questions = history.questions(network.issuer_registry, public.words)
            public.check(proof.prove(questions), statement)
            _check_vouched(witness, network, proof.block)
        # What nobody reads may be damaged as well, and is then called by its name.
        files.read_rest()
        yield OpenedArchive(inner, manifest, network, public, statement, proof, witness)


def _network(networks: Sequence[Network], statement: ClosingStatement) -> Network:
    """The network as this ledger's own list has it, never as the archive does."""
    issuer = statement.issuer
    for network in networks:
        if network.chain_id == issuer.chain_id:
            break
    else:
        raise Refused(
            f"the issuer is at home on eip155:{issuer.chain_id}, which is not on this ledger's"
            " list of networks (PERDURE_NETWORKS)"
        )
    if network.issuer_registry != issuer.registry:
        raise ProofError(
            f"the archive names the register {issuer.registry}; {network.name} has its own at"
            f" {network.issuer_registry}"
        )
    return network


def _check_vouched(witness: Witness, network: Network, block: BlockHeader) -> None:
    if not witness(network, block):
        raise ProofError(
            f"nobody vouches for block {block.number} of {network.caip2}, 0x{block.hash.hex()}:"
            " the node does not have it, or it is not on the list of checkpoints"
        )


def _manifest(files: _Files) -> Manifest:
    # Its one line ends with a line end, as text files do.
    data = files.read(MANIFEST).removesuffix(b"\n")
    with _named(MANIFEST):
        manifest = Manifest.from_bytes(data)
        expected = {file.name for file in manifest.files} | {MANIFEST}
        if files.entries.keys() != expected:
            strange = ", ".join(sorted(files.entries.keys() ^ expected)[:5])
            raise MalformedError(f"not the files of this archive: {strange}")
    return manifest


class _PublicFiles:
    """The readable files, each compared with the manifest when it is read."""

    def __init__(self, files: _Files, manifest: Manifest) -> None:
        self._files = files
        self._manifest = manifest
        self._seen: set[str] = set()

    def read(self, name: str) -> bytes:
        listed = self._manifest.by_name.get(name)
        if listed is None:
            raise MalformedError(f"{name} is not in the archive")
        data = self._files.read(name)
        listed.check(data)
        self._seen.add(name)
        return data

    def profile(self, profile_hash: bytes) -> IssuerProfile:
        name = profile_name(profile_hash)
        data = self.read(name)
        with _named(name):
            return IssuerProfile.from_json(parse_object(data))

    def read_rest(self) -> None:
        parts = {part.name for part in self._manifest.parts}
        for file in self._manifest.files:
            if file.name not in self._seen and file.name not in parts:
                self.read(file.name)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say in which file it was. A key that does not fit is nobody's fault, and says so itself."""
    try:
        yield
    except MalformedError as error:
        raise MalformedError(f"{name}: {error}") from error
    except ProofError as error:
        raise ProofError(f"{name}: {error}") from error


def _mapped(path: Path) -> mmap.mmap:
    """The bytes of a file, read as they are asked for. Raises MalformedError."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise MalformedError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise MalformedError(f"{path} is empty") from error
