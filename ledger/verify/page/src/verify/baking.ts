// A credential inside its badge image, and how a file is told apart: the content decides, never
// a file name. docs/spec/files.md.

import { SIGNATURES } from "./archive";
import { beginsWith, crc32, encodeText, numberAt, standsAt } from "./bytes";
import { MalformedError } from "./errors";
import { attachedCredential, PDF_SIGNATURE } from "./pdf";
import { quotedBytes } from "./text";
import { svgCredential } from "./svg";

export const MAX_IMAGE_BYTES = 8 * 1_048_576;

const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const KEYWORD = encodeText("openbadgecredential\0");
const TEXT_CHUNKS = ["iTXt", "tEXt", "zTXt"];
// What phones and screens make of a badge: JPEG, GIF, WebP, HEIF and AVIF.
const PHOTO = /^(?:\xff\xd8\xff|GIF8|RIFF[^]{4}WEBP|[^]{4}ftyp)/;
const BYTE_ORDER_MARK = Uint8Array.of(0xef, 0xbb, 0xbf);

/**
 * The credential in a file: out of a PNG, SVG or PDF, or the file itself for anything else.
 * Throws MalformedError for a carrier that is broken, holds none or holds two, and for an archive.
 */
export function extract(data: Uint8Array): Uint8Array {
  if (SIGNATURES.some((signature) => beginsWith(data, signature))) {
    throw new MalformedError("an archive; the files in it are checked one by one");
  }
  if (beginsWith(data, PDF_SIGNATURE)) return attachedCredential(data);
  if (beginsWith(data, PNG_SIGNATURE)) return pngCredential(data);
  if (PHOTO.test(String.fromCharCode(...data.subarray(0, 12)))) {
    throw new MalformedError("a photo or a screenshot; a credential comes as .json, .png, .svg or .pdf");
  }
  // No JSON text starts with "<", and no XML document with anything else.
  if (beginsWithTag(data)) {
    checkSize(data);
    return encodeText(svgCredential(data));
  }
  return data;
}

function beginsWithTag(data: Uint8Array): boolean {
  let at = beginsWith(data, BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  while (data[at] === 0x20 || data[at] === 0x09 || data[at] === 0x0a || data[at] === 0x0d) at++;
  return data[at] === 0x3c;
}

function checkSize(image: Uint8Array): void {
  if (image.length > MAX_IMAGE_BYTES) {
    throw new MalformedError(`an image has at most ${MAX_IMAGE_BYTES} bytes`);
  }
}

// ---------------------------------------------------------------- PNG

interface Chunk {
  readonly kind: string;
  readonly body: Uint8Array;
}

function pngCredential(image: Uint8Array): Uint8Array {
  checkSize(image);
  const chunks = readChunks(image);
  if (chunks[0]?.kind !== "IHDR" || chunks.at(-1)!.kind !== "IEND") {
    throw new MalformedError("a PNG starts with IHDR and ends with IEND");
  }
  const found = chunks.filter(({ kind, body }) => TEXT_CHUNKS.includes(kind) && beginsWith(body, KEYWORD));
  if (found.length === 0) throw new MalformedError("the PNG holds no credential");
  if (found.length > 1) throw new MalformedError("the PNG holds more than one credential");
  const { kind, body } = found[0]!;
  const rest = body.subarray(KEYWORD.length);
  // Compression is not allowed (Open Badges 3.0, 5.3.1.1), and would need a bound on inflating.
  if (kind !== "iTXt" || !standsAt(rest, 0, Uint8Array.of(0, 0))) {
    throw new MalformedError("the credential in the PNG is not an uncompressed iTXt");
  }
  const language = rest.indexOf(0, 2);
  const translated = language < 0 ? -1 : rest.indexOf(0, language + 1);
  if (translated < 0) throw new MalformedError("the iTXt chunk of the credential is cut off");
  return rest.subarray(translated + 1);
}

/** All chunks of a PNG, each whole and unharmed. */
function readChunks(image: Uint8Array): readonly Chunk[] {
  const chunks: Chunk[] = [];
  let at = PNG_SIGNATURE.length;
  while (at < image.length) {
    const end = at + 4 <= image.length ? at + 12 + numberAt(image, at) : Infinity;
    if (end > image.length) throw new MalformedError("the PNG is cut off inside a chunk");
    const name = image.subarray(at + 4, at + 8);
    if (crc32(image.subarray(at + 4, end - 4)) !== numberAt(image, end - 4)) {
      throw new MalformedError(`PNG chunk ${quotedBytes(name)} does not fit its checksum`);
    }
    const kind = String.fromCharCode(...name);
    chunks.push({ kind, body: image.subarray(at + 8, end - 4) });
    at = end;
    if (kind === "IEND" && at !== image.length) throw new MalformedError("bytes after the end of the PNG");
  }
  return chunks;
}
