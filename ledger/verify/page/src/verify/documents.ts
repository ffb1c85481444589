// What the verifier's own files have in common: JSON, "version": 1, closed sets of members.
// One unknown member refuses the whole file.

import { Fraction, isList, type Json, type JsonObject, parseObject } from "./canonical";
import { closed, text } from "./closed";
import { MalformedError } from "./errors";
import { count, hides, strip } from "./text";

const VERSION = 1;
const MAX_NAME = 200;

/** Read a version 1 document with exactly these members beside "version". Throws MalformedError. */
export function parseDocument(
  data: Uint8Array,
  members: readonly string[],
  what: string,
  maxBytes: number,
  optional: readonly string[] = [],
): JsonObject {
  const document = named(what, () => parseObject(data, maxBytes));
  closed(document, [...members, "version"], what, optional);
  const version = document.get("version");
  if ((version instanceof Fraction ? version.value : version) !== VERSION) {
    throw new MalformedError(`${what}: version ${VERSION} expected`);
  }
  return document;
}

/** Read a part; a MalformedError then begins with its name. */
export function named<Value>(what: string, read: () => Value, mark = ": "): Value {
  try {
    return read();
  } catch (error) {
    throw error instanceof MalformedError ? new MalformedError(`${what}${mark}${error.message}`) : error;
  }
}

/** Give a name of one visible line back. Throws MalformedError. */
export function readName(value: Json, where: string): string {
  const name = text(value, where);
  if (name === "" || name !== strip(name)) {
    throw new MalformedError(`${where}: empty, or with blanks around it`);
  }
  if (count(name) > MAX_NAME) throw new MalformedError(`${where}: longer than ${MAX_NAME} characters`);
  if (Array.from(name).some(hides)) {
    throw new MalformedError(`${where}: control characters, or marks that reorder text`);
  }
  return name;
}

/** Give a list of bounded length back. Throws MalformedError. */
export function readList(value: Json, where: string, most: number): readonly Json[] {
  if (!isList(value)) throw new MalformedError(`${where}: not a list`);
  if (value.length > most) throw new MalformedError(`${where}: more than ${most} entries`);
  return value;
}
