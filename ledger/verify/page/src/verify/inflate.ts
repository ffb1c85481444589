// Unpacking DEFLATE (RFC 1951) and zlib (RFC 1950) under a limit.
//
// Our own because a verdict depends on more than the bytes: where the packed data ends, whether
// it is damaged or only cut off, and that nothing beyond a limit is ever written. Streams of the
// platform tell neither apart.

/** The packed data is not DEFLATE, or not zlib. */
export class InflateError extends Error {
  override readonly name = "InflateError";
}

/** What came out, up to a limit. */
export interface Inflated {
  readonly content: Uint8Array;
  /** Whether the end of the packed data was reached; if not, it is cut off, or the limit came first. */
  readonly isWhole: boolean;
  /** How many packed bytes were used. */
  readonly used: number;
}

const WINDOW = 32_768;
const MAX_BITS = 15;
const SHORT_BITS = 10;
const END_OF_BLOCK = 256;
const LITERALS = 286;
const DISTANCES = 30;
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1_025, 1_537, 2_049, 3_073, 4_097,
  6_145, 8_193, 12_289, 16_385, 24_577,
];
const DISTANCE_BITS = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Unpack bare DEFLATE, as ZIP has it. Throws InflateError. */
export function inflateRaw(packed: Uint8Array, most: number): Inflated {
  const inflater = new Inflater(packed, 0, most);
  const isWhole = inflater.run();
  return { content: inflater.content, isWhole, used: inflater.used };
}

/** Unpack zlib, as PDF has it; what follows the packed data is left alone. Throws InflateError. */
export function inflate(packed: Uint8Array, most: number): Inflated {
  const cutOff = { content: new Uint8Array(0), isWhole: false, used: packed.length };
  if (packed.length < 2) return cutOff;
  const [method, flags] = packed as unknown as [number, number];
  const isZlib = (method * 256 + flags) % 31 === 0 && (method & 15) === 8 && method >> 4 <= 7;
  // A preset dictionary is one that nobody has.
  if (!isZlib || flags & 32) throw new InflateError("not zlib");
  const inflater = new Inflater(packed, 2, most);
  const content = () => inflater.content;
  if (!inflater.run()) return { content: content(), isWhole: false, used: packed.length };
  const end = inflater.used + 4;
  if (end > packed.length) return { content: content(), isWhole: false, used: packed.length };
  const stated = new DataView(packed.buffer, packed.byteOffset).getUint32(inflater.used);
  if (stated !== adler32(content())) throw new InflateError("incorrect checksum");
  return { content: content(), isWhole: true, used: end };
}

function adler32(data: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let at = 0; at < data.length; ) {
    // As many as cannot overflow 32 bits.
    for (const end = Math.min(at + 3_800, data.length); at < end; at++) {
      a += data[at]!;
      b += a;
    }
    a %= 65_521;
    b %= 65_521;
  }
  return b * 65_536 + a;
}

/** A canonical Huffman code: how many codes of each length there are, and their symbols in order. */
interface Code {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
  /** What the next bits begin with, for codes that are short: symbol * 16 + length, or 0. */
  short: Uint16Array | null;
  /** How many symbols were read without that: it is made for a code that is used, not for every block. */
  read: number;
}

/** So many symbols are read bit by bit before the table of the short ones is worth its while. */
const BEFORE_TABLE = 64;

/** The packed data ends here: not an error, it may be cut off. */
class CutOff extends Error {}
/** The limit is reached, and one more byte would have to be written. */
class Full extends Error {}

class Inflater {
  #out: Uint8Array;
  #size = 0;
  #bits = 0;
  #held = 0;

  constructor(
    readonly packed: Uint8Array,
    public used: number,
    readonly most: number,
  ) {
    this.#out = new Uint8Array(Math.min(most, Math.max(1_024, 4 * packed.length)));
  }

  get content(): Uint8Array {
    return this.#out.subarray(0, this.#size);
  }

  /** Unpack block by block; whether the last one was reached and ended. */
  run(): boolean {
    try {
      let isLast = false;
      while (!isLast) {
        isLast = this.#take(1) === 1;
        this.#block(this.#take(2));
      }
    } catch (error) {
      if (error instanceof CutOff || error instanceof Full) return false;
      throw error;
    }
    this.#align();
    return true;
  }

  #block(kind: number): void {
    if (kind === 0) this.#stored();
    else if (kind === 1) this.#coded(FIXED_LITERALS, FIXED_DISTANCES);
    else if (kind === 2) this.#dynamic();
    else throw new InflateError("invalid block type");
  }

  #stored(): void {
    this.#align();
    const length = this.#take(16);
    if (length !== (this.#take(16) ^ 0xffff)) throw new InflateError("invalid stored block lengths");
    for (let count = 0; count < length; count++) {
      if (this.#size === this.most) throw new Full();
      if (this.used === this.packed.length) throw new CutOff();
      this.#write(this.packed[this.used++]!);
    }
  }

  #dynamic(): void {
    const literals = this.#take(5) + 257;
    const distances = this.#take(5) + 1;
    const codes = this.#take(4) + 4;
    if (literals > LITERALS || distances > DISTANCES) {
      throw new InflateError("too many length or distance symbols");
    }
    const lengths = new Uint8Array(19);
    for (let at = 0; at < codes; at++) lengths[CODE_ORDER[at]!] = this.#take(3);
    const read = this.#lengths(makeCode(lengths, false), literals + distances);
    if (read[END_OF_BLOCK] === 0) throw new InflateError("missing end-of-block");
    const literalCode = makeCode(read.subarray(0, literals), true);
    this.#coded(literalCode, makeCode(read.subarray(literals), true));
  }

  /** The lengths of both codes, written with a code of their own. */
  #lengths(code: Code, total: number): Uint8Array {
    const lengths = new Uint8Array(total);
    let at = 0;
    while (at < total) {
      const symbol = this.#lengthSymbol(code);
      if (symbol < 16) {
        lengths[at++] = symbol;
        continue;
      }
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (at + times > total || (symbol === 16 && at === 0)) {
        throw new InflateError("invalid bit length repeat");
      }
      lengths.fill(symbol === 16 ? lengths[at - 1]! : 0, at, at + times);
      at += times;
    }
    return lengths;
  }

  #coded(literals: Code, distances: Code): void {
    for (;;) {
      const symbol = this.#symbol(literals);
      if (symbol < END_OF_BLOCK) {
        if (this.#size === this.most) throw new Full();
        this.#write(symbol);
        continue;
      }
      if (symbol === END_OF_BLOCK) return;
      const place = symbol - END_OF_BLOCK - 1;
      if (place >= LENGTH_BASE.length) throw new InflateError("invalid literal/length code");
      const length = LENGTH_BASE[place]! + this.#take(LENGTH_BITS[place]!);
      const far = this.#symbol(distances);
      if (far >= DISTANCE_BASE.length) throw new InflateError("invalid distance code");
      this.#copy(length, DISTANCE_BASE[far]! + this.#take(DISTANCE_BITS[far]!));
    }
  }

  #copy(length: number, distance: number): void {
    if (this.#size === this.most) throw new Full();
    if (distance > this.#size || distance > WINDOW) throw new InflateError("invalid distance too far back");
    for (let count = 0; count < length; count++) {
      if (this.#size === this.most) throw new Full();
      this.#write(this.#out[this.#size - distance]!);
    }
  }

  #write(byte: number): void {
    if (this.#size === this.#out.length) {
      const larger = new Uint8Array(Math.min(this.most, 2 * this.#out.length));
      larger.set(this.#out);
      this.#out = larger;
    }
    this.#out[this.#size++] = byte;
  }

  /** The rest of a byte says nothing; whole bytes that were taken ahead go back. */
  #align(): void {
    this.used -= this.#bits >> 3;
    this.#bits = 0;
    this.#held = 0;
  }

  #pull(count: number): void {
    while (this.#bits < count && this.used < this.packed.length) {
      this.#held |= this.packed[this.used++]! << this.#bits;
      this.#bits += 8;
    }
  }

  #take(count: number): number {
    this.#pull(count);
    if (this.#bits < count) throw new CutOff();
    const value = this.#held & ((1 << count) - 1);
    this.#held >>>= count;
    this.#bits -= count;
    return value;
  }

  // zlib reads a code without symbols as the length 0, one bit each: it then misses the end of
  // the block. Files are refused for the same reason here.
  #lengthSymbol(code: Code): number {
    if (code.symbols.length > 0) return this.#symbol(code);
    this.#take(1);
    return 0;
  }

  #symbol(code: Code): number {
    if (code.short === null) {
      if (code.read++ < BEFORE_TABLE) return this.#longSymbol(code);
      code.short = shortCodes(code);
    }
    this.#pull(SHORT_BITS);
    const entry = code.short[this.#held & ((1 << SHORT_BITS) - 1)]!;
    const length = entry & 15;
    if (length === 0 || length > this.#bits) return this.#longSymbol(code);
    this.#held >>>= length;
    this.#bits -= length;
    return entry >> 4;
  }

  /** One symbol, bit by bit: codes of each length follow those that are shorter. */
  #longSymbol(code: Code): number {
    let value = 0;
    let first = 0;
    let place = 0;
    for (let length = 1; length <= MAX_BITS; length++) {
      value |= this.#take(1);
      const count = code.counts[length]!;
      if (value - count < first) return code.symbols[place + (value - first)]!;
      // Of a code of one symbol, or none, the other bit.
      if (code.symbols.length <= 1) break;
      place += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    throw new InflateError("invalid code");
  }
}

/** The code of these lengths. Throws InflateError if it says too much, or not enough. */
function makeCode(lengths: Uint8Array, mayBeOne: boolean): Code {
  const counts = new Uint16Array(MAX_BITS + 1);
  for (let symbol = 0; symbol < lengths.length; symbol++) counts[lengths[symbol]!]!++;
  counts[0] = 0;
  const places = new Uint16Array(MAX_BITS + 2);
  let left = 1;
  for (let length = 1; length <= MAX_BITS; length++) {
    places[length + 1] = places[length]! + counts[length]!;
    left = left * 2 - counts[length]!;
    if (left < 0) throw new InflateError("a code that is over-subscribed");
  }
  const total = places[MAX_BITS + 1]!;
  const isOne = total === 1 && counts[1] === 1;
  if (left > 0 && total > 0 && !(mayBeOne && isOne)) throw new InflateError("a code that is incomplete");
  const symbols = new Uint16Array(total);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    if (lengths[symbol] !== 0) symbols[places[lengths[symbol]!]!++] = symbol;
  }
  return { counts, symbols, short: null, read: 0 };
}

function shortCodes({ counts, symbols }: Code): Uint16Array {
  const short = new Uint16Array(1 << SHORT_BITS);
  let place = 0;
  let next = 0;
  for (let length = 1; length <= SHORT_BITS; length++) {
    for (let count = counts[length]!; count > 0; count--) enter(short, next++, length, symbols[place++]!);
    next <<= 1;
  }
  return short;
}

/** Enter a code wherever the bits, the first of them lowest, begin with it. */
function enter(short: Uint16Array, code: number, length: number, symbol: number): void {
  let turned = 0;
  for (let bit = 0; bit < length; bit++) turned |= ((code >> bit) & 1) << (length - 1 - bit);
  for (let at = turned; at < short.length; at += 1 << length) short[at] = symbol * 16 + length;
}

const FIXED_LITERALS = makeCode(
  Uint8Array.from({ length: 288 }, (_, at) => (at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8)),
  false,
);
const FIXED_DISTANCES = makeCode(new Uint8Array(32).fill(5), false);
