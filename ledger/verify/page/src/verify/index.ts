// What the page calls. The logic mirrors ledger/verify and ledger/core module by module; the
// answers are compared with theirs over every vector.

export type Outcome = "passed" | "failed" | "note" | "could_not_check" | "not_checked";
export type Tone = "green" | "amber" | "red" | "blue";

export interface Step {
  readonly step: string;
  readonly outcome: Outcome;
  readonly code: string;
  readonly title: string;
  readonly detail: string | null;
  readonly next: string | null;
}

/** What the signed file says; what it leaves out is null. */
export interface Claims {
  readonly id: string;
  readonly achievement: string;
  readonly version: string | null;
  readonly recipient: string | null;
  readonly issuer: string;
  readonly issuerId: string;
  readonly creator: string | null;
  readonly source: string | null;
  readonly awarded: string;
  readonly validFrom: string;
  readonly validUntil: string | null;
}

/** A block that answers were read at; `head` is "finalized", "latest" or "evidence". */
export interface ReadBlock {
  readonly head: string;
  readonly number: number;
  readonly block: string;
  readonly time: string;
}

/** One file's report: exactly the JSON that the command prints for it. */
export interface Report {
  readonly file: string;
  readonly verdict: string;
  readonly heading: string;
  readonly tone: Tone;
  readonly exitCode: number;
  readonly test: boolean;
  readonly next: string | null;
  readonly steps: readonly Step[];
  readonly claims: Claims | null;
  readonly issuer: { readonly name: string; readonly by: string } | null;
  readonly network: string | null;
  readonly read: readonly ReadBlock[];
  readonly sources: readonly string[];
  readonly accordingTo: string | null;
  readonly remarks: readonly string[];
}

export interface Block {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly time: number;
}

/** One source of answers about one chain. Every method throws ChainUnavailable. */
export interface ChainReader {
  /** The name that reports show: scheme, host and port. */
  readonly address: string;
  chainId(): Promise<number>;
  block(which: "finalized" | "latest" | number): Promise<Block>;
  code(address: string, block: number): Promise<Uint8Array>;
  call(to: string, data: Uint8Array, block: number): Promise<Uint8Array>;
}

/** One accepted chain, told from its look-alikes by id, first block and registry addresses. */
export interface Network {
  readonly name: string;
  readonly chainId: number;
  readonly genesisHash: Uint8Array;
  readonly anchorRegistry: string;
  readonly issuerRegistry: string;
  readonly test: boolean;
}

export interface Trusted {
  readonly id: string;
  readonly name: string;
}

export interface TrustList {
  readonly name: string;
  readonly issuers: readonly Trusted[];
  readonly accreditors: readonly Trusted[];
  /** Who signed the list (a did:key) and when; null if nobody did. */
  readonly signature: { readonly signer: string; readonly created: string } | null;
}

/** A block that is trusted; the number is null for a bare hash. */
export interface Checkpoint {
  readonly chainId: number;
  readonly number: number | null;
  readonly hash: Uint8Array;
}

export interface Options {
  readonly addresses: readonly ChainReader[];
  readonly networks: readonly Network[];
  readonly trust: TrustList | null;
  readonly checkpoints: readonly Checkpoint[];
  readonly now: Date;
  readonly email?: string | undefined;
}

/** Something to check, or the step that says why it cannot be. */
export interface Candidate {
  readonly name: string;
  readonly data: Uint8Array;
  readonly fault: Step | null;
}

/** The form is wrong; the message says where and how. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** A setting (an RPC address) cannot be used; the message says why. */
export class SettingError extends Error {
  override readonly name = "SettingError";
}

export const BUILT_IN: readonly Network[] = [];

const pending = (): never => {
  throw new Error("not built yet");
};

export const candidates = async (_name: string, _data: Uint8Array): Promise<Candidate[]> => pending();
export const verify = async (_data: Uint8Array, _file: string, _options: Options): Promise<Report> => pending();
export const verifyCandidate = async (_candidate: Candidate, _options: Options): Promise<Report> => pending();
export const rpcReader = (_url: string): ChainReader => pending();
export const parseNetworks = (_data: Uint8Array): readonly Network[] => pending();
export const parseTrustList = (_data: Uint8Array): TrustList => pending();
export const parseCheckpoints = (_data: Uint8Array): readonly Checkpoint[] => pending();
export const parseBlockHash = (_text: string): Checkpoint => pending();
/** The address as an issuer writes it; throws MalformedError for none. */
export const normaliseEmail = (_text: string): string => pending();
/** The exit code of several reports: the worst, in the order 1, 2, 3, 0. */
export const worst = (_reports: readonly Report[]): number => pending();
/** The report as the command tells it. */
export const toText = (_report: Report): string => pending();
