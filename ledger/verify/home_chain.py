"""
The three steps that are read from the issuer's home chain: record, issuer, withdrawal.

Record and key are read at the finalized block, withdrawal at the latest one; where no node is
asked, all three from the evidence in the file, if the verifier trusts its block. Each step
fails to be read on its own: what is known stays known. Rules: docs/spec/verification.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ledger.core.anchor import AnchorProof
from ledger.core.evidence import IssuerState, Questions
from ledger.core.issuer import IssuerProfile, IssuerReference, KeyWindow
from ledger.errors import ChainUnavailable
from ledger.verify import witnesses
from ledger.verify.carried import Carried
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.networks import Network, caip2, find_network
from ledger.verify.registry import CalledRegistries, ProvenRegistries, RegistryView
from ledger.verify.report import (
    KnownIssuer,
    Outcome,
    ReadBlock,
    Step,
    moment,
    sentence,
)
from ledger.verify.rpc import ChainReader, Tag
from ledger.verify.trust import TrustList
from ledger.verify.witnesses import Unsettled, Witnesses

#: How far, in seconds, the newest block's time may be from the verifier's clock. Further,
#: and the address shows the past, where what is withdrawn today still stands. Networks for
#: tests make blocks only when somebody needs one.
MAX_BEHIND: Final = 3_600

#: How reports name what was read from the evidence in the file.
EVIDENCE: Final = "evidence"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the signed bytes name, and the anchor proof if the file carries one."""

    issuer: IssuerReference
    key_id: bytes
    status_index: int
    claimed_name: str
    proof: AnchorProof | None

    def carried(
        self, network: Network, checkpoints: Sequence[Checkpoint]
    ) -> Carried | None:
        """Judge the evidence in the file; None if it carries none."""
        proof = self.proof
        if proof is None or proof.home.evidence is None:
            return None
        return Carried(
            proof.home.evidence,
            anchor=proof.home,
            questions=Questions(
                anchor_registry=network.anchor_registry,
                issuer_registry=network.issuer_registry,
                sealed_root=proof.sealed_root,
                issuer_id=self.issuer.issuer_id,
                profile_hash=proof.issuer_profile.hash,
                key_id=self.key_id,
                status_index=self.status_index,
            ),
            network=network,
            checkpoints=checkpoints,
        )


class HomeChain:
    """The home chain of one credential. Ask for record, issuer and withdrawal, in this order."""

    def __init__(
        self,
        subject: Subject,
        *,
        readers: Sequence[ChainReader],
        networks: Sequence[Network],
        checkpoints: Sequence[Checkpoint],
        trust: TrustList | None,
        now: int,
    ) -> None:
        self._subject = subject
        self._trust = trust
        self._now = now
        self.network = find_network(networks, subject.issuer.chain_id)
        self._carried = (
            None if self.network is None else subject.carried(self.network, checkpoints)
        )
        self._chain = self._gather(readers)
        self._unread_record: ChainUnavailable | None = None
        self._state: IssuerState | None = None
        #: The time T from which the record shows the credential to exist; None: not known.
        self.t: int | None = None
        #: Who the issuer is, if a source that the verifier trusts says so.
        self.known: KnownIssuer | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses that were believed."""
        chain = self._chain
        if not isinstance(chain, Witnesses):
            return ()
        return tuple(reader.address for reader in chain.readers)

    @property
    def read(self) -> tuple[ReadBlock, ...]:
        """The blocks that answers were read at."""
        chain = self._chain
        if isinstance(chain, ChainUnavailable):
            return ()
        name = caip2(self._subject.issuer.chain_id)
        if isinstance(chain, ProvenRegistries):
            return (ReadBlock(EVIDENCE, name, chain.block),)
        return tuple(ReadBlock(tag.value, name, block) for tag, block in chain.read)

    # ---------------------------------------------------------------- record

    def record(self) -> Step:
        """Find the sealed root in the AnchorRegistry, and with it the time T."""
        proof = self._subject.proof
        if proof is None:
            return Step("record.none", "It is signed, but carries no anchor proof.")
        fault = self._carried.fault if self._carried is not None else None
        try:
            step = self._record(proof)
        except ChainUnavailable as error:
            self._unread_record = error
            return fault or _unread(
                "record", error, "This is not the credential's fault."
            )
        # Whatever else fails is told first: evidence is beside the record.
        return step if step.outcome is Outcome.FAILED else fault or step

    def _record(self, proof: AnchorProof) -> Step:
        anchor, network = proof.home, self._network()
        if (anchor.chain_id, anchor.registry) != (
            network.chain_id,
            network.anchor_registry,
        ):
            return Step(
                "record.other_registry",
                f"The file names the registry {anchor.registry} on"
                f" {caip2(anchor.chain_id)}; {network.name} has its own at"
                f" {network.anchor_registry}.",
            )
        view = self._view(Tag.FINALIZED)
        slot = view.anchor(proof.sealed_root)
        if slot is None:
            return self._missing(proof, view)
        self.t = slot.time
        found = f"block {slot.block_number} of {moment(slot.time)}"
        if (slot.time, slot.block_number) != (anchor.time, anchor.block_number):
            return Step(
                "record.mismatch",
                f"The file says block {anchor.block_number} of {moment(anchor.time)};"
                f" the registry says {found}.",
            )
        if self._carried is not None and isinstance(self._chain, Witnesses):
            other_block = self._carried.compare(self._chain)
            if other_block is not None:
                return other_block
        return Step(
            "record.final",
            f"In {network.name}, {found}. It existed then in exactly this form.",
        )

    def _missing(self, proof: AnchorProof, view: RegistryView) -> Step:
        number = view.block.number
        if number < proof.home.block_number:
            return Step(
                "record.not_final",
                f"Block {proof.home.block_number} is not final; final is block {number}.",
            )
        if self._view(Tag.LATEST).anchor(proof.sealed_root) is not None:
            return Step("record.not_final", f"Not there yet at final block {number}.")
        return Step(
            "record.not_found",
            f"The registry at block {number} does not know what the file claims to"
            f" have stood there since block {proof.home.block_number}.",
        )

    # ---------------------------------------------------------------- issuer

    def issuer(self) -> Step:
        """Check the key against the issuer's record at T, and say who the issuer is."""
        try:
            return self._issuer()
        except ChainUnavailable as error:
            return _unread("issuer", error)

    def _issuer(self) -> Step:
        network, reference = self._network(), self._subject.issuer
        if reference.registry != network.issuer_registry:
            return Step(
                "issuer.other_registry",
                f"The file names the register {reference.registry};"
                f" {network.name} has its own at {network.issuer_registry}.",
            )
        view = self._view(Tag.FINALIZED)
        self._state = state = self._issuer_state(view)
        if self._carried is not None:
            self._carried.check_issuer(state, view.block, self._teller)
        pending = False
        if state.window is None:
            pending = self._opened_since()
            if not pending:
                return self._stranger(state)
        else:
            if self.t is None and self._unread_record is not None:
                raise self._unread_record  # whether the key was good at T is not known
            fault = self._fault(state.window, view)
            if fault is not None:
                return fault
            self._check_later(view)
        proof = self._subject.proof
        if proof is not None and not self._records(view, proof.issuer_profile):
            if not self._records(self._view(Tag.LATEST), proof.issuer_profile):
                return Step(
                    "issuer.profile_unknown",
                    "The issuer's register entry never had the description that came"
                    " with the file.",
                )
            pending = True
        return self._identity(view, pending=pending)

    def _opened_since(self) -> bool:
        """
        Tell whether issuer and key were recorded after the finalized block.

        Only of use to a file without a final anchor: a final one is older than such a key.
        """
        if self.t is not None:
            return False
        latest = self._view(Tag.LATEST)
        window = self._issuer_state(latest).window
        return window is not None and window.covers(latest.block.time)

    def _stranger(self, state: IssuerState) -> Step:
        if state.registered_at is None:
            return Step(
                "issuer.not_registered",
                f"No register entry {self._subject.issuer.text}.",
            )
        return Step(
            "issuer.key_unknown",
            "The key that signed was never recorded as a signing key of"
            f" {self._subject.issuer.text}.",
        )

    def _fault(self, window: KeyWindow, view: RegistryView) -> Step | None:
        if self.t is not None:
            at, when = self.t, f"recorded {moment(self.t)}"
        else:
            # Without a final record only a key that is open now can be relied on: the
            # holder of one that was lost yesterday can sign today.
            at, when = view.block.time, f"not recorded by {moment(view.block.time)}"
        if window.covers(at):
            return None
        if at < window.opened:
            return Step(
                "issuer.key_too_early",
                f"Credential {when}; key recorded {moment(window.opened)}.",
            )
        for code, what, bound in (
            ("key_compromised", "key compromised since", window.compromised_since),
            ("closed", "issuer closed", window.closed_at),
            ("key_ended", "key ended", window.until),
        ):
            if bound is not None and bound <= at:
                return Step(
                    f"issuer.{code}", f"Credential {when}; {what} {moment(bound)}."
                )
        raise RuntimeError("a key window that covers nothing and has no bound")

    def _check_later(self, view: RegistryView) -> None:
        """
        Ask whoever knows a later block whether the key is still good there. Unsettled.

        An address that lags, or says so, would hide a compromise declared since.
        """
        later = self._later(Tag.FINALIZED)
        if self._carried is not None and isinstance(self._chain, Witnesses):
            later = (*later, *self._carried.after(view.block))
        for source, registry in later:
            window = self._issuer_state(registry).window
            if window is not None and self._fault(window, view) is None:
                continue
            raise Unsettled(
                witnesses.DISAGREEMENT,
                f"{source}, further on at block {registry.block.number}, shows another window"
                f" of the key than there was at block {view.block.number}, the last that all"
                " have",
            )

    def _records(self, view: RegistryView, profile: IssuerProfile) -> bool:
        return view.profile_time(self._subject.issuer, profile.hash) is not None

    def _identity(self, view: RegistryView, *, pending: bool) -> Step:
        code, self.known, detail = self._introduce(view)
        claimed = self._subject.claimed_name
        if self.known is None:
            return Step(
                code,
                f"The file says “{claimed}”, but no list or accreditor that you trust"
                f" says who {self._subject.issuer.text} is.",
            )
        if self.known.name != claimed:
            detail = f"{detail} The file says “{claimed}”."
        return Step("issuer.not_final" if pending else code, detail)

    def _introduce(self, view: RegistryView) -> tuple[str, KnownIssuer | None, str]:
        """Who the issuer is: from the trust list, or from an endorsed profile, or not at all."""
        trust, proof = self._trust, self._subject.proof
        if trust is None:
            return "issuer.unknown", None, ""
        entry = trust.issuer(self._subject.issuer)
        if entry is not None:
            known = KnownIssuer(entry.name, trust.name)
            return "issuer.trusted", known, f"{entry.name}, on the list “{trust.name}”."
        if proof is None:
            return "issuer.unknown", None, ""
        at = view.block.time if self.t is None else self.t
        profile = proof.issuer_profile
        for accreditor in trust.accreditors_beside(self._subject.issuer):
            endorsement = view.endorsement(
                accreditor.reference, self._subject.issuer, profile.hash
            )
            if endorsement is not None and endorsement.covers(at):
                known = KnownIssuer(profile.name, accreditor.name)
                return (
                    "issuer.endorsed",
                    known,
                    f"{profile.name} ({urlsplit(profile.url).hostname}),"
                    f" endorsed by {accreditor.name} since {moment(endorsement.opened)}.",
                )
        return "issuer.unknown", None, ""

    # ---------------------------------------------------------------- withdrawal

    def withdrawal(self) -> Step:
        """Ask for the status bit: always, also for a file without an anchor proof."""
        try:
            return self._withdrawal()
        except ChainUnavailable as error:
            return _unread("withdrawal", error)

    def _withdrawal(self) -> Step:
        network, reference = self._network(), self._subject.issuer
        if reference.registry != network.issuer_registry:
            return Step("withdrawal.no_issuer", "The file names another register.")
        view = self._view(Tag.LATEST)
        state = self._issuer_state(view)
        seen = (
            f"as of {moment(view.block.time)}, block {view.block.number},"
            f" from {self._teller}."
        )
        if state.registered_at is None:
            return Step("withdrawal.no_issuer", f"No such issuer {seen}")
        if state.revoked:
            return Step(
                "withdrawal.withdrawn",
                f"Seen {seen} The register keeps neither the day nor the reason.",
            )
        if isinstance(self._chain, ProvenRegistries):
            if state.closed_for_good:
                return Step(
                    "withdrawal.none", f"Seen {seen} Nobody can withdraw it since."
                )
            return Step("withdrawal.as_of", f"Seen {seen}")
        if self._carried is not None:
            self._carried.check_status(state, view.block, self._teller)
        self._check_age(view, network)
        for source, registry in self._later(Tag.LATEST):
            if self._issuer_state(registry).revoked:
                raise Unsettled(
                    witnesses.DISAGREEMENT,
                    f"{source}, further on at block {registry.block.number}, shows that it was"
                    f" withdrawn since block {view.block.number}, the last that all have",
                )
        return Step("withdrawal.none", f"Seen {seen}")

    @property
    def _teller(self) -> str:
        """Who says it."""
        return " and ".join(self.sources) or "the evidence in the file"

    def _check_age(self, view: RegistryView, network: Network) -> None:
        distance = self._now - view.block.time
        sources = self._teller
        if not network.test and abs(distance) > MAX_BEHIND:
            raise Unsettled(
                witnesses.BEHIND,
                f"the newest block of {sources} is of {moment(view.block.time)}, and it"
                f" is {moment(self._now)} here",
            )
        for block in self.read:
            if block.block.number > view.block.number:
                raise Unsettled(
                    witnesses.BEHIND,
                    f"{sources}: final block {block.block.number}, but newest block"
                    f" {view.block.number}",
                )

    # ---------------------------------------------------------------- beside the steps

    def remarks(self, issuer: Step) -> tuple[str, ...]:
        """What to know besides, once the issuer step did not fail."""
        remarks = []
        state = self._state
        closed = state.closed_at if state is not None else None
        if closed is not None and issuer.outcome is not Outcome.FAILED:
            remark = f"This issuer closed on {moment(closed)}. The record does not depend on it."
            if state is not None and state.closed_for_good:
                remark += " It named no successor, so nobody can withdraw it any more."
            remarks.append(remark)
        remarks += self._silence(issuer)
        proof = self._subject.proof
        if proof is not None and len(proof.anchors) > 1:
            others = ", ".join(caip2(anchor.chain_id) for anchor in proof.anchors[1:])
            remarks.append(f"The file also names {others}; this was not checked.")
        return tuple(remarks)

    def _silence(self, issuer: Step) -> list[str]:
        """Offline only those accreditors count whose word is in the evidence."""
        chain, trust = self._chain, self._trust
        if not isinstance(chain, ProvenRegistries) or trust is None:
            return []
        if issuer.code != "issuer.unknown":
            return []
        missing = [
            accreditor.name
            for accreditor in trust.accreditors_beside(self._subject.issuer)
            if not chain.speaks_of(accreditor.reference)
        ]
        if not missing:
            return []
        return [
            f"The evidence does not say whether {missing[0]}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + " endorsed this issuer; refreshing the file with your trust list adds that."
        ]

    # ---------------------------------------------------------------- the chain

    def _gather(
        self, readers: Sequence[ChainReader]
    ) -> Witnesses | ProvenRegistries | ChainUnavailable:
        try:
            return Witnesses.gather(self._network(), readers)
        except Unsettled as error:
            if error.code != witnesses.NO_ADDRESS or self._carried is None:
                return error
        except ChainUnavailable as error:
            return error
        try:
            return self._carried.offline()
        except Unsettled as error:
            return error

    def _network(self) -> Network:
        if self.network is None:
            chain = caip2(self._subject.issuer.chain_id)
            raise Unsettled(
                witnesses.UNKNOWN_NETWORK,
                f"the issuer is at home on {chain}, which is no network that you accept",
            )
        return self.network

    def _view(self, tag: Tag) -> RegistryView:
        chain = self._chain
        match chain:
            case ChainUnavailable():
                raise chain
            case ProvenRegistries():
                return chain  # one block is all there is
            case Witnesses():
                return CalledRegistries(chain.view(tag))

    def _later(self, tag: Tag) -> tuple[tuple[str, RegistryView], ...]:
        """The registries at later blocks than all addresses have, by who shows them."""
        chain = self._chain
        if not isinstance(chain, Witnesses):
            return ()
        return tuple(
            (source, CalledRegistries(view)) for source, view in chain.ahead(tag)
        )

    def _issuer_state(self, view: RegistryView) -> IssuerState:
        subject = self._subject
        return view.issuer(subject.issuer, subject.key_id, subject.status_index)


def _unread(step: str, error: ChainUnavailable, comfort: str = "") -> Step:
    reason = sentence(error)
    detail = f"{reason} {comfort}" if comfort else reason
    return Step(f"{step}.{witnesses.code_of(error)}", detail)
