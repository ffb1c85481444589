// RLP, the one encoding of Ethereum's headers and trie nodes: byte strings, and lists of them.
// Strict: every item has exactly one accepted encoding. Yellow Paper appendix B.

import { toNumber } from "./bytes";
import { MalformedError } from "./errors";

export type Rlp = Uint8Array | readonly Rlp[];

/** A trie node holds nodes below 32 bytes inside itself, at most three within another. */
const MAX_DEPTH = 4;

const STRING = 0x80;
const LONG_STRING = 0xb8;
const LIST = 0xc0;
const LONG_LIST = 0xf8;
const LONG = 56; // from this many bytes on the length is written out

/** Whether an item is a list. */
export function isItems(item: Rlp): item is readonly Rlp[] {
  return Array.isArray(item);
}

/** Read one item that fills the data. Throws MalformedError. */
export function decode(data: Uint8Array): Rlp {
  if (data.length === 0) throw new MalformedError("RLP: nothing there");
  const [item, end] = readItem(data, 0, data.length, 0);
  if (end !== data.length) throw new MalformedError("RLP: bytes behind the item");
  return item;
}

/** Read the byte string of a number. Throws MalformedError. */
export function decodeNumber(data: Uint8Array): bigint {
  if (data[0] === 0) throw new MalformedError("RLP: a number with leading zeros");
  return toNumber(data);
}

/** The item at a place, and where the next one begins; never beyond `end`. */
function readItem(data: Uint8Array, at: number, end: number, depth: number): [Rlp, number] {
  const first = data[at]!;
  if (first < STRING) return [data.subarray(at, at + 1), at + 1];
  if (first >= LIST) return readItems(data, at, end, depth);
  const [start, stop] =
    first < LONG_STRING
      ? [at + 1, at + 1 + first - STRING]
      : readLong(data, at, end, first - LONG_STRING + 1);
  if (stop > end) throw new MalformedError("RLP: a string is cut off");
  if (stop - start === 1 && data[start]! < STRING) {
    throw new MalformedError("RLP: a small byte stands for itself");
  }
  return [data.subarray(start, stop), stop];
}

function readItems(data: Uint8Array, at: number, end: number, depth: number): [Rlp, number] {
  if (depth === MAX_DEPTH) throw new MalformedError(`RLP: nested deeper than ${MAX_DEPTH}`);
  const first = data[at]!;
  let [start, stop] =
    first < LONG_LIST ? [at + 1, at + 1 + first - LIST] : readLong(data, at, end, first - LONG_LIST + 1);
  if (stop > end) throw new MalformedError("RLP: a list is cut off");
  const items: Rlp[] = [];
  while (start < stop) {
    const [item, next] = readItem(data, start, stop, depth + 1);
    items.push(item);
    start = next;
  }
  return [items, stop];
}

/** Where the content of an item with a written length begins and ends. */
function readLong(data: Uint8Array, at: number, end: number, width: number): [number, number] {
  const start = at + 1 + width;
  if (start > end) throw new MalformedError("RLP: a length is cut off");
  const length = Number(toNumber(data.subarray(at + 1, start)));
  if (length < LONG || data[at + 1] === 0) {
    throw new MalformedError("RLP: a length that is not the shortest");
  }
  return [start, start + length];
}
