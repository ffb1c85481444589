// The credential attached to a PDF certificate: found, not interpreted. What the pages show
// proves nothing and is not looked at. An attachment ends where the next begins: what lies in
// one another is read once, not once for each. docs/spec/files.md.
//
// The patterns run over one character for each byte. In none of them does a character fit two
// ways to go on, and every run is bounded or ends where the next pattern would begin.

import { encodeText, fromBinaryText, toBinaryText } from "./bytes";
import { MAX_BYTES } from "./canonical";
import { MalformedError } from "./errors";
import { inflate, InflateError, type Inflated } from "./inflate";

export const PDF_SIGNATURE = encodeText("%PDF-");
const MAX_PDF_BYTES = 8 * 1_048_576;
const MAX_ATTACHMENTS = 64;

// From the attachment's type to the start of its object, and to the start of its stream.
const REACH = 4_096;
const ATTACHMENT = /\/Type[\0\t\n\f\r ]*\/EmbeddedFile(?![\w.#-])/g;
const OBJECT = /\d{1,10}[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+obj\b/g;
const STREAM = />>[\0\t\n\f\r ]{0,8}stream\r?\n/;
const FILTER = /\/Filter[\0\t\n\f\r ]*(\[[^\]]{0,200}\]|\/\w{1,40})/;
// Predictors, and files that are somewhere else.
const FURTHER = /\/(?:DecodeParms|F)[\0\t\n\f\r ]*[\[<(\d]/;
const ENCRYPTED = /\/Encrypt[\0\t\n\f\r ]+\d{1,10}[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+R/;
const END = "endstream";
/** So much of an attachment is looked at to see whether it is a JSON object at all. */
const HEAD = 1_024;
const OBJECT_BEGINS = /^[ \t\r\n]{0,1023}\{/;
/** What begins as JSON objects in one PDF, together: the same credential may be attached twice. */
const MAX_TOGETHER = 2 * MAX_BYTES;
const CUT_OFF = "the attachment of the PDF is cut off";
const TOO_LARGE = `a credential has at most ${MAX_BYTES} bytes`;

/** Where the content of an attachment begins, and whether it is deflated. */
interface Stream {
  readonly start: number;
  readonly isDeflated: boolean;
}

/**
 * Find the one JSON object attached to a PDF; attachments of other kinds are left alone.
 * Throws MalformedError: none, two that differ, or one that is damaged, too large or encrypted.
 */
export function attachedCredential(pdf: Uint8Array): Uint8Array {
  if (pdf.length > MAX_PDF_BYTES) throw new MalformedError(`a PDF has at most ${MAX_PDF_BYTES} bytes`);
  const text = toBinaryText(pdf);
  try {
    return fromBinaryText(one(attachedObjects(pdf, text)));
  } catch (error) {
    if (error instanceof MalformedError && ENCRYPTED.test(text)) {
      throw new MalformedError("the PDF is protected by a password; save it without one");
    }
    throw error;
  }
}

function one(attached: Iterable<string>): string {
  let found: string | null = null;
  for (const content of attached) {
    if (found !== null && content !== found) {
      throw new MalformedError("the PDF has more than one credential attached");
    }
    found = content;
  }
  if (found === null) {
    throw new MalformedError(
      "the PDF has no credential attached; printing it, or saving it with another program, loses it",
    );
  }
  return found;
}

/** What is attached and starts as a JSON object does. */
function* attachedObjects(pdf: Uint8Array, text: string): Generator<string> {
  const streams = streamsIn(text);
  const last = text.lastIndexOf(END);
  let together = 0;
  for (const stream of streams) {
    const { start } = stream;
    const end = streams.find((other) => other.start > start)?.start ?? text.length;
    if (!stream.isDeflated && start > last) throw new MalformedError(CUT_OFF);
    const content = stream.isDeflated ? unpack(pdf.subarray(start, end)) : plain(text, start, end);
    if (content === null) continue;
    together += content.length;
    if (together > MAX_TOGETHER) {
      throw new MalformedError(`the credentials attached to the PDF have more than ${MAX_TOGETHER} bytes`);
    }
    yield content;
  }
}

/** The streams of all attachments, in the order of the file. */
function streamsIn(text: string): readonly Stream[] {
  const streams: Stream[] = [];
  let attachments = 0;
  for (const { 0: words, index } of text.matchAll(ATTACHMENT)) {
    if (++attachments > MAX_ATTACHMENTS) {
      throw new MalformedError(`the PDF has more than ${MAX_ATTACHMENTS} attachments`);
    }
    const before = text.slice(Math.max(0, index - REACH), index);
    const object = Array.from(before.matchAll(OBJECT)).at(-1);
    const after = index + words.length;
    const stream = STREAM.exec(text.slice(after, after + REACH));
    if (object === undefined || stream === null) continue; // words on a page
    const head = before.slice(object.index + object[0].length);
    const dictionary = head + text.slice(index, after + stream.index);
    if (dictionary.includes("endobj")) continue;
    const start = after + stream.index + stream[0].length;
    const found = { start, isDeflated: isDeflated(dictionary) };
    // A dictionary that names its type twice has one stream all the same.
    const isKnown = streams.some((other) => other.start === start && other.isDeflated === found.isDeflated);
    if (!isKnown) streams.push(found);
  }
  return streams;
}

function isDeflated(dictionary: string): boolean {
  const named = FILTER.exec(dictionary);
  const filters = named === null ? "" : Array.from(named[1]!.matchAll(/\/\w+/g)).join();
  if (FURTHER.test(dictionary) || (filters !== "" && filters !== "/FlateDecode")) {
    throw new MalformedError("the attachment of the PDF is packed in a way that is not read");
  }
  return filters !== "";
}

/** The bytes of an attachment if it is a JSON object; it lies before `end`. */
function plain(text: string, start: number, end: number): string | null {
  if (!OBJECT_BEGINS.test(text.slice(start, start + HEAD))) return null;
  const most = start + MAX_BYTES + "\r\n".length + END.length;
  const within = text.slice(start, Math.min(end, most));
  const found = within.indexOf(END);
  if (found < 0) throw new MalformedError(end <= most ? CUT_OFF : TOO_LARGE);
  // The last line break is no part of it: CR LF, LF, or CR.
  const before = within.slice(Math.max(0, found - 2), found);
  const content = within.slice(0, found - (before === "\r\n" ? 2 : /[\r\n]$/.test(before) ? 1 : 0));
  if (content.length > MAX_BYTES) throw new MalformedError(TOO_LARGE);
  return content;
}

/** The same of an attachment that is deflated. */
function unpack(packed: Uint8Array): string | null {
  // The deflated stream says itself where it ends; /Length may stand anywhere in the file.
  if (!OBJECT_BEGINS.test(toBinaryText(inflated(packed, HEAD).content))) return null;
  const { content, isWhole } = inflated(packed, MAX_BYTES + 1);
  if (content.length > MAX_BYTES) throw new MalformedError(TOO_LARGE);
  if (!isWhole) throw new MalformedError(CUT_OFF);
  return toBinaryText(content);
}

function inflated(packed: Uint8Array, most: number): Inflated {
  try {
    return inflate(packed, most);
  } catch (error) {
    if (error instanceof InflateError) throw new MalformedError("the attachment of the PDF is damaged");
    throw error;
  }
}
