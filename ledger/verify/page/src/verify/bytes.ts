// Byte strings: written as hex, compared, joined, read as numbers.

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hex digits, two for each byte. */
export function toHex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += HEX[byte];
  return text;
}

/** The bytes of hex digits that were checked before: an even number of them, without 0x. */
export function fromHex(digits: string): Uint8Array {
  const data = new Uint8Array(digits.length / 2);
  for (let at = 0; at < data.length; at++) {
    data[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  }
  return data;
}

/** Whether two byte strings are the same. */
export function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** The parts one after the other. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether these bytes stand at a place. */
export function standsAt(data: Uint8Array, at: number, wanted: Uint8Array): boolean {
  return at >= 0 && at + wanted.length <= data.length && wanted.every((byte, i) => byte === data[at + i]);
}

/** Whether the data begins with these bytes. */
export function beginsWith(data: Uint8Array, wanted: Uint8Array): boolean {
  return standsAt(data, 0, wanted);
}

/** One character for each byte, U+0000 to U+00FF: for patterns over bytes. */
export function toBinaryText(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 8_192) {
    text += String.fromCharCode(...data.subarray(at, at + 8_192));
  }
  return text;
}

/** The bytes of a text of U+0000 to U+00FF. */
export function fromBinaryText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** UTF-8. */
export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The number that big-endian bytes are. */
export function toNumber(data: Uint8Array): bigint {
  return data.length === 0 ? 0n : BigInt(`0x${toHex(data)}`);
}

/** A number as this many big-endian bytes. */
export function fromNumber(number: bigint, size: number): Uint8Array {
  return fromHex(number.toString(16).padStart(2 * size, "0"));
}

/** The number of four bytes (PNG chunks: the most significant first). */
export function numberAt(data: Uint8Array, at: number): number {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(at);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 as PNG (ISO/IEC 15948 annex D) and ZIP have it. */
export function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (let at = 0; at < data.length; at++) {
    crc = CRC_TABLE[(crc ^ data[at]!) & 0xff]! ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
