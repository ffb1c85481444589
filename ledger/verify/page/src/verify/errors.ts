/** The root of everything that is thrown on purpose. Never thrown itself. */
class LedgerError extends Error {}

/** The input is not what its format says; the message says where and how. */
export class MalformedError extends LedgerError {
  override readonly name = "MalformedError";
}

/** A well-formed proof does not prove what it claims. */
export class ProofError extends LedgerError {
  override readonly name: string = "ProofError";
}

/** A setting (an RPC address) cannot be used; the message says why. */
export class SettingError extends LedgerError {
  override readonly name = "SettingError";
}

/** Nobody knows the answer now: try again later. */
export class ChainUnavailable extends LedgerError {
  override readonly name: string = "ChainUnavailable";
}
