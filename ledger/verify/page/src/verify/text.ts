// Text as the formats count and compare it: by code points, with one closed set of blanks.

// White space and the separators among the control characters. Not what `trim` takes: that
// knows U+FEFF and does not know U+0085.
const BLANKS = "\t-\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** The same set for the inside of a character class. */
export const BLANK_CLASS = BLANKS;

const BLANK = new RegExp(`[${BLANKS}]`);

/** How many characters (code points) a text has. */
export function count(text: string): number {
  let characters = text.length;
  for (let at = 0; at < text.length - 1; at++) {
    if (isHigh(text.charCodeAt(at)) && isLow(text.charCodeAt(at + 1))) {
      characters--;
      at++;
    }
  }
  return characters;
}

/** The first so many characters. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : Array.from(text).slice(0, most).join("");
}

/** Without blanks around it. */
export function strip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && BLANK.test(text[start]!)) start++;
  while (end > start && BLANK.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** Order by code points, for `sort`: UTF-16, which JavaScript sorts by, has another. */
export function byCodePoint(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const a = one.charCodeAt(at);
    const b = other.charCodeAt(at);
    if (a !== b) return rank(a) - rank(b);
  }
  return one.length - other.length;
}

// Surrogates stand for characters beyond all that are one unit.
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/** A text in quotes, in plain ASCII: what a file says can then be put into a sentence. */
export function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let inside = "";
  for (const character of text) inside += character === quote ? `\\${quote}` : escaped(character);
  return quote + inside + quote;
}

function escaped(character: string): string {
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0)!;
  if (code >= 0x20 && code < 0x7f) return character;
  const digits = code.toString(16);
  if (code < 0x100) return `\\x${digits.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}

// Controls, line and paragraph separators, and the marks that reorder text.
const HIDING = /[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/** Whether a character could disturb the line it is printed in. */
export function hides(character: string): boolean {
  return HIDING.test(character);
}

/** Bytes in quotes, with a leading b: each as a character, or by its number. */
export function quotedBytes(data: Uint8Array): string {
  const text = Array.from(data, (byte) => String.fromCharCode(byte)).join("");
  return `b${quoted(text)}`;
}

/** What XML takes for white space. */
export const XML_SPACES = " \t\r\n";

/** Without XML's white space around it. By hand: a pattern would start anew at each blank. */
export function trimXml(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && XML_SPACES.includes(text.charAt(start))) start++;
  while (end > start && XML_SPACES.includes(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}
