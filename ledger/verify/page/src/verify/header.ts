// An Ethereum block header: the bytes whose Keccak-256 is the block's hash. Four of its fields
// are read; forks append fields at the end, so more of them are welcome. Yellow Paper 4.4.

import { MalformedError } from "./errors";
import { keccak256 } from "./keys";
import { HASH_SIZE } from "./mpt";
import { decode, decodeNumber, isItems } from "./rlp";

export const MAX_HEADER = 4_096;

const STATE_ROOT = 3;
const NUMBER = 8;
const TIME = 11;
/** As many as the first block of Ethereum had. */
const LEAST_FIELDS = 15;
const MAX_NUMBER = BigInt(Number.MAX_SAFE_INTEGER);

/** A header as it was hashed. */
export interface BlockHeader {
  readonly hash: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly number: bigint;
  readonly time: bigint;
}

/** Read a header. Throws MalformedError if it is none. */
export function readHeader(raw: Uint8Array): BlockHeader {
  if (raw.length > MAX_HEADER) throw new MalformedError(`header: more than ${MAX_HEADER} bytes`);
  const items = decode(raw);
  if (!isItems(items) || items.length < LEAST_FIELDS) {
    throw new MalformedError("header: not a list of header fields");
  }
  const fields = items.map((item) => {
    if (isItems(item)) throw new MalformedError("header: a field that is a list");
    return item;
  });
  const number = decodeNumber(fields[NUMBER]!);
  // In this order: the time is not looked at where the number is beyond the bound.
  if (number > MAX_NUMBER) throw new MalformedError("header: a number beyond 2^53 - 1");
  const time = decodeNumber(fields[TIME]!);
  if (time > MAX_NUMBER) throw new MalformedError("header: a number beyond 2^53 - 1");
  const stateRoot = fields[STATE_ROOT]!;
  if (stateRoot.length !== HASH_SIZE) throw new MalformedError("header: the state root is no hash");
  return { hash: keccak256(raw), stateRoot, number, time };
}
