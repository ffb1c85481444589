"""
Every error this package raises on purpose.

* LedgerError             never raised itself
  * MalformedError        the input is not what the format says
  * ProofError            well-formed, but it does not prove what it claims
  * Refused               understood, and a rule of the ledger says no
  * SettingError          the configuration is missing something or contradicts the world
  * KeystoreError         a key cannot be opened, or may not be
  * ChainError
    * ChainUnavailable    nobody knows the answer now: try again later
    * ChainRejected       trying again will not help
  * StoreError
    * NotFound
    * Conflict            somebody else moved it first, or it is already there
    * Gone                it was here, and is kept no longer
"""


class LedgerError(Exception):
    """The root of the tree. Never raised itself."""


class MalformedError(LedgerError):
    """The input is not what its format says."""


class ProofError(LedgerError):
    """A well-formed proof does not prove what it claims."""


class Refused(LedgerError):  # noqa: N818 - a state, not a failure of the program
    """The request is understood, and a rule of the ledger says no."""


class SettingError(LedgerError):
    """A setting is missing, or contradicts the database or the chain."""


class KeystoreError(LedgerError):
    """A key cannot be opened, or may not be used."""


class ChainError(LedgerError):
    """Something about a chain. Never raised itself."""


class ChainUnavailable(ChainError):  # noqa: N818 - a state
    """Whether it happened is not known: try again later."""


class ChainRejected(ChainError):  # noqa: N818 - a state
    """The chain's answer is final: trying again will not help."""


class StoreError(LedgerError):
    """Something about the database."""


class NotFound(StoreError):  # noqa: N818 - a state
    """No such thing for this organisation."""


class Conflict(StoreError):  # noqa: N818 - a state
    """Somebody else moved it first, or it is already there."""


class Gone(StoreError):  # noqa: N818 - a state
    """It was here, and is kept no longer."""
