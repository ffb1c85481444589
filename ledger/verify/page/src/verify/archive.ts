// A take-away archive: many files in one ZIP, read with suspicion. Sizes are known and bounded
// before anything is inflated; names are only shown. docs/spec/files.md, APPNOTE.TXT.

import { crc32, same } from "./bytes";
import { validUtf8 } from "./canonical";
import { MalformedError } from "./errors";
import { InflateError, inflateRaw } from "./inflate";
import { count } from "./text";

export const SIGNATURES = [Uint8Array.of(0x50, 0x4b, 3, 4), Uint8Array.of(0x50, 0x4b, 5, 6)];
export const MAX_ARCHIVE_BYTES = 64 * 1_048_576;
const MAX_ENTRIES = 4_096;
const MAX_ENTRY_BYTES = 8 * 1_048_576;
const MAX_TOTAL_BYTES = 256 * 1_048_576;
const MAX_NAME = 255;
/** How much larger than packed an entry may be, once it is larger than a MiB. */
const MAX_RATIO = 100;
const LARGE = 1_048_576;

const LOCAL_SIGNATURE = 0x04034b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const END_SIGNATURE = 0x06054b50;
const LOCAL_SIZE = 30;
const CENTRAL_SIZE = 46;
const END_SIZE = 22;
const MAX_COMMENT = 65_535;
const ENCRYPTED = 1;
const SIZES_BEHIND = 8;
const STRONG = 64;
const UTF8 = 2_048;
const MASKED = 8_192;
const STORED = 0;
const DEFLATED = 8;
const PARTS = "the archive is one of several parts";
const UNIX = 3;
const LINK = 0o120000;
const KIND = 0o170000;
// Control characters, the other system's separator, a drive letter.
const ESCAPE = /[\x00-\x1f\x7f\\]|^[A-Za-z]:/;
// Names from before UTF-8: the upper half of code page 437.
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀" +
  "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/** A file in an archive: where its packed bytes lie, and what they must become. */
export interface Entry {
  readonly name: string;
  readonly method: number;
  readonly start: number;
  readonly packed: number;
  readonly size: number;
  readonly check: number;
}

/** The files of a ZIP, in the order of its directory. Made by `openArchive`. */
export interface Archive {
  readonly data: Uint8Array;
  readonly entries: readonly Entry[];
}

/** Unpack one file. Throws MalformedError if it is not what the directory says. */
export function readEntry(archive: Archive, entry: Entry): Uint8Array {
  const packed = archive.data.subarray(entry.start, entry.start + entry.packed);
  const content = entry.method === DEFLATED ? unpack(packed, entry.size) : packed;
  if (content.length !== entry.size) refuseSize();
  if (crc32(content) !== entry.check) {
    throw new MalformedError("the file does not fit its checksum in the archive");
  }
  return content;
}

function unpack(packed: Uint8Array, size: number): Uint8Array {
  try {
    // One byte more than promised is enough to see the lie.
    const { content, isWhole, used } = inflateRaw(packed, size + 1);
    if (!isWhole || used !== packed.length) refuseSize();
    return content;
  } catch (error) {
    if (error instanceof InflateError) throw new MalformedError("the file is damaged in the archive");
    throw error;
  }
}

function refuseSize(): never {
  throw new MalformedError("the file is not of the size that the archive says");
}

/** Read the directory of a ZIP. Throws MalformedError for whatever could surprise a reader. */
export function openArchive(data: Uint8Array): Archive {
  if (data.length > MAX_ARCHIVE_BYTES) {
    throw new MalformedError(`an archive has at most ${MAX_ARCHIVE_BYTES} bytes`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const entries = readDirectory(data, view);
  checkSizes(entries);
  const seen = new Set<string>();
  for (const entry of entries) checkName(entry.name, seen);
  return { data, entries: entries.filter((entry) => !entry.name.endsWith("/")) };
}

/** Where the record at the end of the archive begins. */
function findEnd(view: DataView): number {
  const first = Math.max(0, view.byteLength - END_SIZE - MAX_COMMENT);
  for (let at = view.byteLength - 4; at >= first; at--) {
    if (view.getUint32(at, true) === END_SIGNATURE) {
      if (at + END_SIZE > view.byteLength) break;
      return at;
    }
  }
  throw new MalformedError("the archive is cut off: it has no end");
}

function readDirectory(data: Uint8Array, view: DataView): readonly Entry[] {
  const end = findEnd(view);
  const [disk, first, here, total] = [4, 6, 8, 10].map((at) => view.getUint16(end + at, true)) as Four;
  const size = view.getUint32(end + 12, true);
  const start = view.getUint32(end + 16, true);
  if (end + END_SIZE + view.getUint16(end + 20, true) !== data.length) {
    throw new MalformedError("bytes behind the end of the archive");
  }
  if (disk || first || here !== total) throw new MalformedError(PARTS);
  if (total === 0xffff || size === 0xffffffff || start === 0xffffffff) {
    throw new MalformedError("the archive is of the large kind (ZIP64)");
  }
  if (start + size !== end) {
    throw new MalformedError("the directory of the archive is not where it should be");
  }
  if (total > MAX_ENTRIES) throw new MalformedError(`the archive has more than ${MAX_ENTRIES} files`);
  return readEntries(data, view, total, start, end);
}

type Four = [number, number, number, number];

function readEntries(
  data: Uint8Array,
  view: DataView,
  total: number,
  start: number,
  end: number,
): readonly Entry[] {
  const entries: Entry[] = [];
  const spans: [number, number][] = [];
  let at = start;
  for (let each = 0; each < total; each++) {
    if (at + CENTRAL_SIZE > end) throw new MalformedError("the directory of the archive is cut off");
    const head = at;
    if (view.getUint32(head, true) !== CENTRAL_SIGNATURE) {
      throw new MalformedError("the directory of the archive is damaged");
    }
    const [name, extra, comment, disk] = [28, 30, 32, 34].map((offset) => view.getUint16(head + offset, true)) as Four;
    at += CENTRAL_SIZE + name + extra + comment;
    if (at > end) throw new MalformedError("the directory of the archive is cut off");
    if (disk) throw new MalformedError(PARTS);
    const attributes = view.getUint32(head + 38, true);
    if (view.getUint16(head + 4, true) >> 8 === UNIX && ((attributes >>> 16) & KIND) === LINK) {
      throw new MalformedError("the archive holds a link");
    }
    const raw = data.subarray(head + CENTRAL_SIZE, head + CENTRAL_SIZE + name);
    const entry = readLocal(data, view, head, raw);
    spans.push([view.getUint32(head + 42, true), entry.start + entry.packed]);
    entries.push(entry);
  }
  if (at !== end) throw new MalformedError("the directory of the archive is longer than it says");
  checkSpans(spans, start);
  return entries;
}

function checkSpans(spans: [number, number][], start: number): void {
  let free = 0;
  for (const [first, last] of spans.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (first < free || last > start) throw new MalformedError("files of the archive overlap");
    free = last;
  }
}

/** The entry, compared with what stands before its bytes. */
function readLocal(data: Uint8Array, view: DataView, head: number, raw: Uint8Array): Entry {
  const flags = view.getUint16(head + 8, true);
  const method = view.getUint16(head + 10, true);
  const [check, packed, size, offset] = [16, 20, 24, 42].map((at) => view.getUint32(head + at, true)) as Four;
  if (flags & (ENCRYPTED | STRONG | MASKED)) {
    throw new MalformedError("the archive is protected by a password");
  }
  if (method !== STORED && method !== DEFLATED) {
    throw new MalformedError("the archive is packed in a way that is not read");
  }
  if (offset + LOCAL_SIZE > data.length) throw new MalformedError("the archive is cut off inside a file");
  const begin = offset + LOCAL_SIZE + view.getUint16(offset + 26, true);
  const sizes = [14, 18, 22].map((at) => view.getUint32(offset + at, true));
  const isSame =
    view.getUint32(offset, true) === LOCAL_SIGNATURE &&
    view.getUint16(offset + 6, true) === flags &&
    view.getUint16(offset + 8, true) === method &&
    same(data.subarray(offset + LOCAL_SIZE, begin), raw) &&
    // Who packs without looking ahead writes the sizes behind the bytes.
    ((flags & SIZES_BEHIND) !== 0 || [check, packed, size].every((value, at) => value === sizes[at]));
  if (!isSame) throw new MalformedError("the directory of the archive contradicts its files");
  const start = begin + view.getUint16(offset + 28, true);
  return { name: readName(raw, (flags & UTF8) !== 0), method, start, packed, size, check };
}

function readName(raw: Uint8Array, isUtf8: boolean): string {
  if (validUtf8(raw) === raw.length) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(raw);
  if (isUtf8) throw new MalformedError("a name in the archive is not UTF-8");
  return Array.from(raw, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : CP437[byte - 0x80])).join("");
}

function checkSizes(entries: readonly Entry[]): void {
  let total = 0;
  for (const entry of entries) {
    total += entry.size;
    if (entry.size > MAX_ENTRY_BYTES) {
      throw new MalformedError(`a file in an archive has at most ${MAX_ENTRY_BYTES} bytes`);
    }
    if (entry.size > Math.max(LARGE, MAX_RATIO * entry.packed)) {
      throw new MalformedError("a file of the archive is packed too tightly to be one");
    }
    if (entry.method === STORED && entry.size !== entry.packed) {
      throw new MalformedError("a file of the archive has two sizes");
    }
  }
  if (total > MAX_TOTAL_BYTES) {
    throw new MalformedError(`the files of an archive have at most ${MAX_TOTAL_BYTES} bytes`);
  }
}

function checkName(name: string, seen: Set<string>): void {
  const parts = (name.endsWith("/") ? name.slice(0, -1) : name).split("/");
  if (count(name) > MAX_NAME || parts.some((part) => ["", ".", ".."].includes(part)) || ESCAPE.test(name)) {
    throw new MalformedError("a name in the archive leads out of it, or is none");
  }
  if (seen.has(name)) throw new MalformedError("the archive has two files of one name");
  seen.add(name);
}
