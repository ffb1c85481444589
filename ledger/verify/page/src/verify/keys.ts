// Keys and the texts they travel as: Ed25519, multikey, did:key, base58btc, base64url, Keccak.
// Each value has exactly one accepted text.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";

import { beginsWith, fromHex, join, same, toHex } from "./bytes";
import { MalformedError, ProofError } from "./errors";
import { count, quoted } from "./text";

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
// Base 58 arithmetic is quadratic; the longest text we read is a signature of 88 digits.
const BASE58_MAX = 128;
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE64URL_DIGITS = new Map(Array.from(BASE64URL, (digit, value) => [digit, value]));

const ED25519_MULTICODEC = Uint8Array.of(0xed, 0x01);
const FIELD_PRIME = 2n ** 255n - 19n;
// The y coordinates of the eight points of small order. For a key among them anybody can
// write signatures, and one signature fits many messages.
const SMALL_ORDER: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  FIELD_PRIME - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);
const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

/** Ethereum's hash: Keccak-256 with the padding from before SHA-3 was standardised. */
export function keccak256(data: Uint8Array): Uint8Array {
  return keccak_256(data);
}

/** Write base58btc: the Bitcoin alphabet, one '1' for each leading zero byte. */
export function encodeBase58(data: Uint8Array): string {
  let number = littleEndian(data.toReversed());
  let digits = "";
  for (; number > 0n; number /= 58n) digits = BASE58[Number(number % 58n)] + digits;
  const zeros = data.findIndex((byte) => byte !== 0);
  return "1".repeat(zeros < 0 ? data.length : zeros) + digits;
}

/** Read base58btc of at most 128 digits. Throws MalformedError. */
export function decodeBase58(text: string): Uint8Array {
  if (count(text) > BASE58_MAX) throw new MalformedError(`base58 of more than ${BASE58_MAX} digits`);
  let number = 0n;
  for (const digit of text) {
    const value = BASE58.indexOf(digit);
    if (value < 0) throw new MalformedError(`${quoted(digit)} is not a base58 digit`);
    number = number * 58n + BigInt(value);
  }
  let zeros = 0;
  while (text[zeros] === "1") zeros++;
  const digits = number === 0n ? "" : number.toString(16);
  return join(new Uint8Array(zeros), fromHex(digits.length % 2 ? `0${digits}` : digits));
}

/** Read base64url without padding, unused bits zero. Throws MalformedError. */
export function decodeBase64url(text: string): Uint8Array {
  const data = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const digit of text) {
    const value = BASE64URL_DIGITS.get(digit);
    if (value === undefined) throw new MalformedError("not base64url without padding");
    held = (held << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      data[at++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  if (text.length % 4 === 1) throw new MalformedError("not base64url without padding");
  if (held !== 0) throw new MalformedError("base64url ends in bits that belong to no byte");
  return data;
}

/** Write base64url without padding (RFC 4648 section 5). */
export function encodeBase64url(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 3) {
    const group = data.subarray(at, at + 3);
    const bits = (group[0]! << 16) | ((group[1] ?? 0) << 8) | (group[2] ?? 0);
    for (let digit = 0; digit <= group.length; digit++) text += BASE64URL[(bits >> (18 - 6 * digit)) & 63];
  }
  return text;
}

/** An Ed25519 public key (RFC 8032), never of small order. */
export class PublicKey {
  /** Throws MalformedError. */
  constructor(readonly raw: Uint8Array) {
    if (raw.length !== 32) throw new MalformedError("an Ed25519 public key has 32 bytes");
    const y = littleEndian(raw) & (2n ** 255n - 1n);
    if (y >= FIELD_PRIME || SMALL_ORDER.has(y)) {
      throw new MalformedError("Ed25519 public key not canonical or of small order");
    }
  }

  /** Read a multikey in base58btc, "z6Mk…". Throws MalformedError. */
  static fromMultibase(text: string): PublicKey {
    if (!text.startsWith("z")) throw new MalformedError("a key is written in base58btc, with a leading z");
    const multikey = decodeBase58(text.slice(1));
    if (multikey.length !== 34 || !beginsWith(multikey, ED25519_MULTICODEC)) {
      throw new MalformedError("not an Ed25519 multikey");
    }
    return new PublicKey(multikey.slice(2));
  }

  /** The 34 bytes 0xed01 + key. */
  get multikey(): Uint8Array {
    return join(ED25519_MULTICODEC, this.raw);
  }

  /** The multikey in base58btc, "z6Mk…". */
  get multibase(): string {
    return `z${encodeBase58(this.multikey)}`;
  }

  /** The did:key identifier. */
  get did(): string {
    return `did:key:${this.multibase}`;
  }

  /** The did:key URL of this key: the identifier, and the key again as its fragment. */
  get verificationMethod(): string {
    return `${this.did}#${this.multibase}`;
  }

  /** The name of this key in the IssuerRegistry: Keccak-256 of the multikey. */
  get keyId(): Uint8Array {
    return keccak256(this.multikey);
  }

  /** Check an Ed25519 signature of this key. Throws ProofError. */
  check(signature: Uint8Array, message: Uint8Array): void {
    if (!this.#fits(signature, message)) {
      throw new ProofError("the signature does not fit the key and the text");
    }
  }

  // RFC 8032 5.1.7 without the cofactor, R compared as bytes: the strictest of the readings,
  // and the one of most libraries. noble's own `verify` multiplies by the cofactor.
  #fits(signature: Uint8Array, message: Uint8Array): boolean {
    if (signature.length !== 64) return false;
    const r = signature.subarray(0, 32);
    const s = littleEndian(signature.subarray(32));
    if (s >= ORDER) return false;
    const key = pointOf(this.raw);
    if (key === null) return false;
    const k = littleEndian(sha512(join(r, this.raw, message))) % ORDER;
    const expected = Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(k));
    return same(expected.toBytes(), r);
  }
}

/** The point that a key is; null for one that is none. */
function pointOf(raw: Uint8Array): InstanceType<typeof Point> | null {
  try {
    return Point.fromBytes(raw);
  } catch {
    return null; // not on the curve: noble has no other way to say so
  }
}

function littleEndian(data: Uint8Array): bigint {
  return data.length === 0 ? 0n : BigInt(`0x${toHex(data.toReversed())}`);
}
