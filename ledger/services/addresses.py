"""The addresses that a ledger writes into credentials: on its own domain, never the school's."""

from dataclasses import dataclass

from ledger.core.credential import Achievement
from ledger.core.keys import PublicKey
from ledger.core.short_code import ShortCode
from ledger.store.records import IssuerRecord


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses below the ledger's public URL (without a slash at its end)."""

    public_url: str

    def achievement(self, record: IssuerRecord, achievement: Achievement) -> str:
        """The page of one version of an achievement."""
        issuer = record.issuer_id.hex()
        return f"{self.public_url}/achievements/{issuer}/{achievement.code}/{achievement.version}"

    def certificate(self, code: ShortCode) -> str:
        """Where the code on a certificate leads. It names nobody."""
        return f"{self.public_url}/c/{code.text}"

    def status_list(self, record: IssuerRecord, key: PublicKey) -> str:
        """The status list of an issuer as signed by one key.

        The key stands in the address because verifiers want list and credential to have one
        issuer, and with did:key the issuer is the key.
        """
        return f"{self.public_url}/status/{record.issuer_id.hex()}/{key.multibase}"
