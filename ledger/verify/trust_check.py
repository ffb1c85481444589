"""Whether the entries of a trust list are records of the registries that a verifier accepts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.evidence import IssuerState
from ledger.core.issuer import IssuerReference
from ledger.errors import ChainUnavailable
from ledger.verify.networks import Network, caip2, find_network
from ledger.verify.registry import CalledRegistries
from ledger.verify.report import moment
from ledger.verify.rpc import ChainReader, Tag
from ledger.verify.trust import Trusted, TrustList
from ledger.verify.witnesses import Witnesses

_RIGHT, _WRONG, _UNREAD = 0, 1, 2

# `check` asks for a key and a status bit too. No key hashes to zero.
_NO_KEY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one entry; the exit code says whether it is right."""

    entry: Trusted
    role: str  #: "issuer" or "accreditor"
    code: str
    detail: str
    exit_code: int

    def to_json(self) -> dict[str, str]:
        """Write the finding for programs."""
        return {
            "id": self.entry.reference.text,
            "name": self.entry.name,
            "role": self.role,
            "code": self.code,
            "detail": self.detail,
        }


class Registers:
    """The issuer registers behind the verifier's networks, as far as addresses are given."""

    def __init__(
        self, networks: Sequence[Network], readers: Sequence[ChainReader]
    ) -> None:
        self._networks = networks
        self._readers = readers
        self._chains: dict[int, CalledRegistries | ChainUnavailable] = {}

    def check(self, trust: TrustList) -> Iterator[Finding]:
        """Look up every entry, issuers first."""
        for role, entries in (
            ("issuer", trust.issuers),
            ("accreditor", trust.accreditors),
        ):
            for entry in entries:
                yield Finding(entry, role, *self._look_up(entry.reference))

    def _look_up(self, reference: IssuerReference) -> tuple[str, str, int]:
        network = find_network(self._networks, reference.chain_id)
        if network is None:
            return (
                "unknown_network",
                f"{caip2(reference.chain_id)} is no network that you accept, so this entry"
                " never counts",
                _WRONG,
            )
        if reference.registry != network.issuer_registry:
            return (
                "other_registry",
                f"the register of {network.name} is {network.issuer_registry}; an entry of"
                " another one never counts",
                _WRONG,
            )
        if not self._readers:
            return "not_looked_up", "of a network that you accept", _RIGHT
        try:
            register = self._register(network)
            state = register.issuer(reference, _NO_KEY, 0)
        except ChainUnavailable as error:
            return "unreachable", str(error), _UNREAD
        return _told(state, network, register.block.number)

    def _register(self, network: Network) -> CalledRegistries:
        """The register at the finalized block. Raises ChainUnavailable."""
        if network.chain_id not in self._chains:
            try:
                chain = Witnesses.gather(network, self._readers)
                found: CalledRegistries | ChainUnavailable = CalledRegistries(
                    chain.view(Tag.FINALIZED)
                )
            except ChainUnavailable as error:
                found = error
            self._chains[network.chain_id] = found
        register = self._chains[network.chain_id]
        if isinstance(register, ChainUnavailable):
            raise register
        return register


def _told(state: IssuerState, network: Network, number: int) -> tuple[str, str, int]:
    if state.registered_at is None:
        return (
            "not_registered",
            f"no such record in {network.name} at block {number}",
            _WRONG,
        )
    since = f"registered on {moment(state.registered_at)}"
    if state.closed_at is None:
        return "registered", since, _RIGHT
    closed = f"{since}, closed on {moment(state.closed_at)}"
    return "closed", f"{closed}; what it issued before still counts", _RIGHT
