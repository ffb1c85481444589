// Reading closed sets of members out of JSON: every value has one encoding.

import { fromHex } from "./bytes";
import { isList, isObject, type Json, type JsonObject } from "./canonical";
import { MalformedError } from "./errors";
import { byCodePoint, cut } from "./text";

const HASH = /^0x[0-9a-f]{64}$/;

/** Give the object back if it has these members and no others. Throws MalformedError. */
export function closed(
  value: Json,
  members: readonly string[],
  where: string,
  optional: readonly string[] = [],
): JsonObject {
  if (!isObject(value)) throw new MalformedError(`${where}: not an object`);
  for (const missing of members.toSorted(byCodePoint)) {
    if (!value.has(missing)) throw new MalformedError(`${where}.${missing}: missing`);
  }
  for (const name of Array.from(value.keys()).sort(byCodePoint)) {
    if (!members.includes(name) && !optional.includes(name)) {
      throw new MalformedError(`${where}.${cut(name, 40)}: unknown member`);
    }
  }
  return value;
}

/** Give a string back. Throws MalformedError. */
export function text(value: Json, where: string): string {
  if (typeof value !== "string") throw new MalformedError(`${where}: not a string`);
  return value;
}

/** Give a list back. Throws MalformedError. */
export function list(value: Json, where: string): readonly Json[] {
  if (!isList(value)) throw new MalformedError(`${where}: not a list`);
  return value;
}

/** Give an integer back; 5.0 is none. Throws MalformedError. */
export function integer(value: Json, where: string): number {
  if (typeof value !== "number") throw new MalformedError(`${where}: not an integer`);
  return value;
}

/** Read 32 bytes, 0x and lower-case hex. Throws MalformedError. */
export function hash(value: Json, where: string): Uint8Array {
  const found = text(value, where);
  if (!HASH.test(found)) throw new MalformedError(`${where}: not 0x and 64 lower-case hex digits`);
  return fromHex(found.slice(2));
}
