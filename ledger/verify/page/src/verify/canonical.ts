// JSON in and out: one strict parser, and the canonical text of RFC 8785 (JCS).
//
// The parser is our own because JSON.parse drops duplicate members, moves members whose names
// are numbers, takes 5.0 for 5, and has no limits. docs/spec/credential.md.

import { MalformedError } from "./errors";
import { cut, quoted } from "./text";

/** A number that was written with a fraction or an exponent: 5.0 is not the integer 5. */
export class Fraction {
  constructor(readonly value: number) {}
}

/** Members in the order of the text, and none of them a way into Object.prototype. */
export type JsonObject = ReadonlyMap<string, Json>;
export type Json = null | boolean | number | string | Fraction | readonly Json[] | JsonObject;

export const MAX_BYTES = 1_048_576;
const MAX_DEPTH = 32;

// I-JSON (RFC 7493) 2.2: beyond this two different numbers share one double.
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;
const MAX_INTEGER_TEXT = `-${MAX_NUMBER}`.length;

// Control characters other than tab, line feed and carriage return; lone surrogates; and the
// two non-characters that XML 1.1 excludes.
const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]/u;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Whether a value is an object. */
export function isObject(value: Json | undefined): value is JsonObject {
  return value instanceof Map;
}

/** Whether a value is a list. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Read one JSON text (RFC 8259, I-JSON). Throws MalformedError. */
export function parse(data: Uint8Array, maxBytes: number = MAX_BYTES): Json {
  if (data.length > maxBytes) {
    throw new MalformedError(`JSON of ${data.length} bytes, at most ${maxBytes} allowed`);
  }
  const text = decodeUtf8(data);
  if (text.startsWith("\ufeff")) throw new MalformedError("JSON starts with a byte order mark");
  checkNesting(text);
  const value = new Reader(text).read();
  checkValue(value, 0);
  return value;
}

/** Read one JSON object. Throws MalformedError. */
export function parseObject(data: Uint8Array, maxBytes: number = MAX_BYTES): JsonObject {
  const value = parse(data, maxBytes);
  if (!isObject(value)) throw new MalformedError("JSON is not an object");
  return value;
}

/** Write the RFC 8785 text of a value that `parse` could have read. */
export function encode(value: Json): string {
  if (value === null || typeof value === "boolean" || typeof value === "number") return String(value);
  // The escapes of JSON.stringify are those of RFC 8785 3.2.2.2.
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Fraction) return String(value.value + 0);
  if (isList(value)) return `[${value.map(encode).join(",")}]`;
  // Names by their UTF-16 units, as `sort` has it.
  const names = Array.from((value as JsonObject).keys()).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${encode((value as JsonObject).get(name)!)}`).join(",")}}`;
}

/** The same object without one member. */
export function without(document: JsonObject, name: string): JsonObject {
  return new Map(Array.from(document).filter(([member]) => member !== name));
}

/** The same object with one member replaced, or added at the end. */
export function withMember(document: JsonObject, name: string, value: Json): JsonObject {
  return new Map(document).set(name, value);
}

/** UTF-8 as text; a byte order mark stays in it. Throws MalformedError naming the first wrong byte. */
function decodeUtf8(data: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new MalformedError(`not UTF-8 at byte ${validUtf8(data)}`);
  }
}

/** How many bytes from the beginning are whole UTF-8 characters. */
export function validUtf8(data: Uint8Array): number {
  let at = 0;
  while (at < data.length) {
    const size = characterSize(data, at);
    if (size === 0) return at;
    at += size;
  }
  return at;
}

function characterSize(data: Uint8Array, at: number): number {
  const first = data[at]!;
  if (first < 0x80) return 1;
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + size > data.length) return 0;
  for (let next = 1; next < size; next++) if ((data[at + next]! & 0xc0) !== 0x80) return 0;
  const second = data[at + 1]!;
  // Longer than need be, surrogates, beyond U+10FFFF.
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return size;
}

/** Before anything recurses: a deep text is refused by counting. */
function checkNesting(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) {
        if (text.charCodeAt(at) === BACKSLASH) at++;
      }
    } else if (unit === OPEN_LIST || unit === OPEN_OBJECT) {
      checkDepth(depth);
      depth++;
    } else if (unit === CLOSE_LIST || unit === CLOSE_OBJECT) {
      depth--;
    }
  }
}

function checkDepth(depth: number): void {
  if (depth >= MAX_DEPTH) throw new MalformedError(`JSON nested deeper than ${MAX_DEPTH}`);
}

function checkValue(value: Json, depth: number): void {
  if (typeof value === "string") {
    checkText(value);
  } else if (typeof value === "number" || value instanceof Fraction) {
    const number = typeof value === "number" ? value : value.value;
    // Also catches infinity, which 1e400 is read as.
    if (!(Math.abs(number) <= MAX_NUMBER)) throw new MalformedError("number beyond 2^53 - 1, or not finite");
  } else if (isList(value)) {
    checkDepth(depth);
    for (const item of value) checkValue(item, depth + 1);
  } else if (isObject(value)) {
    checkDepth(depth);
    for (const [name, member] of value) {
      checkText(name);
      checkValue(member, depth + 1);
    }
  }
}

function checkText(text: string): void {
  const found = FORBIDDEN.exec(text);
  if (found) {
    const code = found[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    throw new MalformedError(`character U+${code} is not allowed`);
  }
}

const WORDS: readonly (readonly [string, Json])[] = [
  ["null", null],
  ["true", true],
  ["false", false],
];
const CONSTANTS = ["NaN", "Infinity", "-Infinity"];
const SHORT: Readonly<Record<string, string>> = {
  '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};
const HEX4 = /^[0-9A-Fa-f]{4}$/;

/** One text on its way to a value. Its depth was bounded before. */
class Reader {
  #at = 0;

  constructor(readonly text: string) {}

  read(): Json {
    this.#skipSpace();
    const value = this.#value();
    this.#skipSpace();
    if (this.#at !== this.text.length) this.#fail("Extra data", this.#at);
    return value;
  }

  #unit(): number {
    return this.text.charCodeAt(this.#at); // NaN behind the end
  }

  #skipSpace(): void {
    for (;;) {
      const unit = this.#unit();
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#at++;
    }
  }

  #value(): Json {
    const unit = this.#unit();
    if (unit === QUOTE) return this.#string();
    if (unit === OPEN_OBJECT) return this.#object();
    if (unit === OPEN_LIST) return this.#list();
    for (const [word, meaning] of WORDS) {
      if (this.text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return meaning;
      }
    }
    for (const name of CONSTANTS) {
      if (this.text.startsWith(name, this.#at)) throw new MalformedError(`${name} is not a JSON number`);
    }
    return this.#number();
  }

  #object(): Json {
    const members = new Map<string, Json>();
    const names: string[] = [];
    this.#at++;
    this.#skipSpace();
    while (this.#unit() !== CLOSE_OBJECT || names.length > 0) {
      if (this.#unit() !== QUOTE) {
        this.#fail("Expecting property name enclosed in double quotes", this.#at);
      }
      const name = this.#string();
      this.#skipSpace();
      if (this.#unit() !== COLON) this.#fail("Expecting ':' delimiter", this.#at);
      this.#at++;
      this.#skipSpace();
      members.set(name, this.#value());
      names.push(name);
      this.#skipSpace();
      if (this.#unit() === CLOSE_OBJECT) break;
      if (this.#unit() !== COMMA) this.#fail("Expecting ',' delimiter", this.#at);
      this.#at++;
      this.#skipSpace();
    }
    this.#at++;
    if (members.size !== names.length) refuseDuplicate(names);
    return members;
  }

  #list(): Json {
    const items: Json[] = [];
    this.#at++;
    this.#skipSpace();
    while (this.#unit() !== CLOSE_LIST || items.length > 0) {
      items.push(this.#value());
      this.#skipSpace();
      if (this.#unit() === CLOSE_LIST) break;
      if (this.#unit() !== COMMA) this.#fail("Expecting ',' delimiter", this.#at);
      this.#at++;
      this.#skipSpace();
    }
    this.#at++;
    return items;
  }

  #string(): string {
    const begin = this.#at;
    let text = "";
    this.#at++;
    for (;;) {
      const start = this.#at;
      let unit = this.#unit();
      while (unit !== QUOTE && unit !== BACKSLASH) {
        if (Number.isNaN(unit)) this.#fail("Unterminated string starting at", begin);
        if (unit <= 0x1f) this.#fail("Invalid control character at", this.#at);
        this.#at++;
        unit = this.#unit();
      }
      text += this.text.slice(start, this.#at);
      this.#at++;
      if (unit === QUOTE) return text;
      if (this.#at === this.text.length) this.#fail("Unterminated string starting at", begin);
      text += this.#escape();
    }
  }

  #escape(): string {
    const letter = this.text[this.#at]!;
    if (letter !== "u") {
      const meaning = SHORT[letter];
      if (meaning === undefined) this.#fail("Invalid \\escape", this.#at - 1);
      this.#at++;
      return meaning;
    }
    // Two escapes of a pair are joined by being next to each other.
    const digits = this.text.slice(this.#at + 1, this.#at + 5);
    if (this.#at + 5 >= this.text.length || !HEX4.test(digits)) {
      this.#fail("Invalid \\uXXXX escape", this.#at);
    }
    this.#at += 5;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #number(): Json {
    const start = this.#at;
    if (this.#unit() === MINUS) this.#at++;
    if (!this.#isDigit()) this.#fail("Expecting value", start);
    if (this.#unit() === ZERO) this.#at++;
    else this.#skipDigits();
    let isFraction = false;
    if (this.#unit() === DOT && this.#isDigit(1)) {
      isFraction = true;
      this.#at++;
      this.#skipDigits();
    }
    const letter = this.text[this.#at];
    if (letter === "e" || letter === "E") {
      const sign = this.text.charCodeAt(this.#at + 1);
      const digits = sign === MINUS || sign === PLUS ? 2 : 1;
      if (this.#isDigit(digits)) {
        isFraction = true;
        this.#at += digits;
        this.#skipDigits();
      }
    }
    const text = this.text.slice(start, this.#at);
    if (isFraction) return new Fraction(Number(text));
    if (text.length > MAX_INTEGER_TEXT) throw new MalformedError("integer beyond 2^53 - 1");
    return Number(text) + 0; // not -0
  }

  #isDigit(ahead = 0): boolean {
    const unit = this.text.charCodeAt(this.#at + ahead);
    return unit >= ZERO && unit <= NINE;
  }

  #skipDigits(): void {
    while (this.#isDigit()) this.#at++;
  }

  // Only the position: the text may be personal.
  #fail(what: string, at: number): never {
    const before = this.text.slice(0, at);
    const line = before.split("\n");
    const column = Array.from(line.at(-1)!).length + 1;
    throw new MalformedError(`not JSON at line ${line.length} column ${column}: ${what}`);
  }
}

function refuseDuplicate(names: readonly string[]): never {
  const seen = new Map<string, number>();
  for (const name of names) seen.set(name, (seen.get(name) ?? 0) + 1);
  const twice = names.find((name) => seen.get(name)! > 1)!;
  throw new MalformedError(`duplicate member ${quoted(cut(twice, 40))}`);
}
