// Block hashes that a verifier trusts. docs/spec/checkpoints.md. A hash is always given with its
// chain: a header does not say which chain it is from.

import { fromHex, same } from "./bytes";
import type { Json } from "./canonical";
import { closed, text } from "./closed";
import { parseDocument, readList } from "./documents";
import { MalformedError } from "./errors";
import { caip2 } from "./networks";
import type { Block } from "./rpc";

const MAX_BYTES = 8_388_608;
const MAX_CHECKPOINTS = 40_000;
const CHAIN_ID = /^eip155:([1-9][0-9]{0,15})$/;
const HASH = /^0x[0-9a-f]{64}$/;
const TEXT = /^eip155:([1-9][0-9]{0,15}):0x([0-9a-f]{64})$/;

/** One block of one chain. */
export interface Checkpoint {
  readonly chainId: number;
  readonly hash: Uint8Array;
  /** null: the hash alone is vouched for */
  readonly number: number | null;
}

/** Read "eip155:<chain id>:<block hash>". Throws MalformedError. */
export function parseBlockHash(given: string): Checkpoint {
  const found = TEXT.exec(given);
  if (found === null) throw new MalformedError("a block is named eip155:<chain id>:0x<64 hex digits>");
  return checked({ chainId: Number(found[1]), hash: fromHex(found[2]!), number: null });
}

/** Tell whether a block of this checkpoint's chain is the one meant. */
export function names(checkpoint: Checkpoint, block: Block): boolean {
  const sameNumber = checkpoint.number === null || BigInt(checkpoint.number) === block.number;
  return sameNumber && same(checkpoint.hash, block.hash);
}

/** Read a checkpoints file; no block of a chain twice. Throws MalformedError. */
export function parseCheckpoints(data: Uint8Array): readonly Checkpoint[] {
  const document = parseDocument(data, ["checkpoints"], "checkpoints file", MAX_BYTES);
  const listed = readList(document.get("checkpoints")!, "checkpoints", MAX_CHECKPOINTS);
  const read = listed.map((entry, at) => readCheckpoint(entry, `checkpoints[${at}]`));
  const seen = new Set<string>();
  for (const { chainId, number } of read) {
    const place = `${chainId} ${number}`;
    if (seen.has(place)) {
      throw new MalformedError(`checkpoints: block ${number} of ${caip2(chainId)} stands there twice`);
    }
    seen.add(place);
  }
  return read;
}

function readCheckpoint(value: Json, where: string): Checkpoint {
  const entry = closed(value, ["chainId", "blockNumber", "blockHash"], where);
  const chain = CHAIN_ID.exec(text(entry.get("chainId")!, where));
  if (chain === null) throw new MalformedError(`${where}.chainId: eip155: and a number expected`);
  const hash = text(entry.get("blockHash")!, `${where}.blockHash`);
  if (!HASH.test(hash)) throw new MalformedError(`${where}.blockHash: 0x and 64 lower-case hex digits`);
  const number = entry.get("blockNumber")!;
  if (typeof number !== "number") throw new MalformedError(`${where}.blockNumber: a whole number expected`);
  return checked({ chainId: Number(chain[1]), hash: fromHex(hash.slice(2)), number }, `${where}: `);
}

function checked(checkpoint: Checkpoint, where = ""): Checkpoint {
  if (checkpoint.chainId > Number.MAX_SAFE_INTEGER) {
    throw new MalformedError(`${where}checkpoint.chainId: between 1 and 2^53 - 1`);
  }
  if (checkpoint.number !== null && checkpoint.number < 0) {
    throw new MalformedError(`${where}checkpoint.blockNumber: between 0 and 2^53 - 1`);
  }
  return checkpoint;
}
