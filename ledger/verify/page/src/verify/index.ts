// What the page calls. The logic mirrors ledger/verify and ledger/core module by module; a test
// compares its answers with theirs over every vector.

export type { Candidate } from "./archived";
export { MAX_ARCHIVE_BYTES } from "./archive";
export { MAX_IMAGE_BYTES } from "./baking";
export { type Checkpoint, parseBlockHash, parseCheckpoints } from "./checkpoints";
export { normaliseEmail } from "./credential";
export type { DocumentSignature } from "./document_signature";
export { MalformedError, SettingError } from "./errors";
export { BUILT_IN, type Network, parseNetworks } from "./networks";
export {
  type Claims,
  type KnownIssuer,
  type Outcome,
  type ReadBlock,
  type Report,
  type Step,
  type Tone,
  toText,
  type Verdict,
  worst,
} from "./report";
export { type Block, type ChainReader, rpcReader } from "./rpc";
export { parseTrustList, type Trusted, type TrustList } from "./trust";
export { candidates, type Options, verify, verifyCandidate } from "./verification";
