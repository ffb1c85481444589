// Reading a chain over Ethereum JSON-RPC, and nothing but reading. An address may be slow,
// broken or lying. Slow and broken end here, as ChainUnavailable: the answer has a size, a shape
// and a deadline. Whether it is true is not known here; see witnesses.ts.

import { fromHex, join, toHex } from "./bytes";
import { Fraction, isObject, type Json, type JsonObject, parseObject } from "./canonical";
import { ChainUnavailable, MalformedError, SettingError } from "./errors";
import { cut } from "./text";

const TIMEOUT = 8; // seconds, for one whole question
const MAX_ANSWER = 2_097_152;
/** After so many failures in a row an address is not asked again. */
const MAX_FAILURES = 3;
/** So many questions that were not yet asked for are under way at once. */
const EARLY_AT_ONCE = 4;
/** Milliseconds of peace for an address that did not stand it: many count what comes within a second. */
const PEACE = 1_000;

/** What a number of JSON holds exactly: reports name blocks. */
const MAX_NUMBER = BigInt(Number.MAX_SAFE_INTEGER);

const QUANTITY = /^0x(?:0|[1-9a-f][0-9a-f]{0,15})$/;
const DATA = /^0x[0-9a-fA-F]*$/;
const HOST = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
const TARGET = /^[!-~]*$/;
const LOOPBACK = ["localhost", "127.0.0.1"];

/** The two heads of a chain that a verifier reads: what cannot be replaced, and the newest. */
export type Tag = "finalized" | "latest";

/** A block as a reader names it. */
export interface Block {
  readonly number: bigint;
  readonly hash: Uint8Array;
  readonly time: bigint;
}

/** What a node is asked: a method and its parameters. */
export type Question = readonly [method: string, ...params: readonly unknown[]];

const CHAIN_ID: Question = ["eth_chainId"];

/** The question for a block, by tag or number. */
export const blockQuestion = (which: Tag | bigint): Question => [
  "eth_getBlockByNumber",
  typeof which === "bigint" ? hex(which) : which,
  false,
];

/** The question for the code of an account at a block. */
export const codeQuestion = (address: string, block: bigint): Question => ["eth_getCode", address, hex(block)];

/** The question for the answer of a view at a block. */
export const callQuestion = (to: string, data: Uint8Array, block: bigint): Question => [
  "eth_call",
  { to, data: `0x${toHex(data)}` },
  hex(block),
];

/** One source of answers about one chain. Every method throws ChainUnavailable, but for prefetch. */
export interface ChainReader {
  /** The name that reports show: where the answers come from, without secrets. */
  readonly address: string;
  chainId(): Promise<bigint>;
  /** Read a block by tag or number; a number is answered with that number. */
  block(which: Tag | bigint): Promise<Block>;
  /** Read the code of an account at a block; empty if there is none. */
  code(address: string, block: bigint): Promise<Uint8Array>;
  /** Call a view at a block. */
  call(to: string, data: Uint8Array, block: bigint): Promise<Uint8Array>;
  /**
   * Send what will probably be asked next, a few at once, and the question for the chain id if it is
   * not known; nothing to an address of another chain. Who asks then waits for less. What fails is
   * asked again in its turn, and from then on one after the other: only that failure counts.
   */
  prefetch(chainId: bigint, questions: readonly Question[]): void;
  /** Drop what was sent early and never asked for: it grows old. */
  forget(): void;
}

/** How a question that was sent early ends, and how many milliseconds that took. */
type Outcome = { readonly result: Json } | { readonly error: unknown; readonly waited: number };

/** Read through one RPC address. Throws SettingError if it is not one that is used. */
export function rpcReader(url: string): ChainReader {
  return new RpcReader(url);
}

class RpcReader implements ChainReader {
  readonly address: string;
  readonly #url: string;
  #questions = 0;
  #failures = 0;
  #chainId: bigint | null = null;
  /** Whether it has ever answered. */
  #isAlive = false;
  #isOneByOne = false;
  /** Early questions: those that wait to be sent, those that were, and how many of these have not ended. */
  readonly #waiting = new Map<string, Question>();
  readonly #early = new Map<string, Promise<Outcome>>();
  #underWay = 0;

  constructor(url: string) {
    this.#url = url;
    this.address = addressOf(url);
  }

  async chainId(): Promise<bigint> {
    this.#chainId ??= this.#quantity(await this.#ask(CHAIN_ID), "chain id");
    return this.#chainId;
  }

  async block(which: Tag | bigint): Promise<Block> {
    const question = blockQuestion(which);
    const answer = await this.#ask(question);
    if (!isObject(answer)) throw new ChainUnavailable(`${this.address} does not know the block ${question[1]}`);
    const block = {
      number: this.#quantity(answer.get("number"), "block number"),
      hash: this.#data(answer.get("hash"), "block hash", 32),
      time: this.#quantity(answer.get("timestamp"), "block time"),
    };
    if (block.number > MAX_NUMBER) throw new ChainUnavailable(`${this.address} answered a block beyond 2^53 - 1`);
    if (typeof which === "bigint" && block.number !== which) {
      throw new ChainUnavailable(`${this.address} was asked for block ${which} and answered ${block.number}`);
    }
    return block;
  }

  async code(address: string, block: bigint): Promise<Uint8Array> {
    return this.#data(await this.#ask(codeQuestion(address, block)), "code");
  }

  async call(to: string, data: Uint8Array, block: bigint): Promise<Uint8Array> {
    return this.#data(await this.#ask(callQuestion(to, data, block)), "data");
  }

  prefetch(chainId: bigint, questions: readonly Question[]): void {
    if (this.#isOneByOne || this.#failures >= MAX_FAILURES || (this.#chainId ?? chainId) !== chainId) return;
    for (const question of this.#chainId === null ? [CHAIN_ID, ...questions] : questions) {
      const name = JSON.stringify(question);
      if (!this.#early.has(name)) this.#waiting.set(name, question);
    }
    this.#sendEarly();
  }

  forget(): void {
    this.#waiting.clear();
    this.#early.clear();
  }

  #sendEarly(): void {
    for (const [name, question] of this.#waiting) {
      if (this.#underWay >= EARLY_AT_ONCE) return;
      this.#waiting.delete(name);
      this.#early.set(name, this.#outcome(question));
    }
  }

  async #outcome(question: Question): Promise<Outcome> {
    const sent = performance.now();
    this.#underWay++;
    try {
      return { result: await this.#answer(question) };
    } catch (error) {
      return { error, waited: performance.now() - sent };
    } finally {
      this.#underWay--;
      this.#sendEarly();
    }
  }

  async #ask(question: Question): Promise<Json> {
    if (this.#failures >= MAX_FAILURES) {
      throw new ChainUnavailable(`${this.address} failed ${MAX_FAILURES} times and is not asked again`);
    }
    try {
      const { result } = (await this.#prefetched(question)) ?? { result: await this.#answer(question) };
      this.#failures = 0;
      return result;
    } catch (error) {
      if (error instanceof ChainUnavailable) this.#failures++;
      throw error;
    }
  }

  /** The answer to a question that was sent early; null if it has to be asked. */
  async #prefetched(question: Question): Promise<{ readonly result: Json } | null> {
    const name = JSON.stringify(question);
    this.#waiting.delete(name);
    const early = this.#early.get(name);
    if (early === undefined) return null;
    this.#early.delete(name);
    const outcome = await early;
    if ("result" in outcome) return outcome;
    this.#waiting.clear();
    await Promise.all(this.#early.values());
    if (!this.#isAlive || !(outcome.error instanceof ChainUnavailable)) throw outcome.error;
    // So many at once may have been too much for it. It may still be at work on what was given up.
    this.#isOneByOne = true;
    await new Promise((resolve) => setTimeout(resolve, Math.max(PEACE, outcome.waited)));
    return null;
  }

  async #answer([method, ...params]: Question): Promise<Json> {
    const id = ++this.#questions;
    const body = await this.#exchange(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    const answer = this.#parse(body);
    const number = answer.get("id");
    if ((number instanceof Fraction ? number.value : number) !== id) {
      throw new ChainUnavailable(`${this.address} answered some other question`);
    }
    const error = answer.get("error");
    if (error !== undefined) throw new ChainUnavailable(`${this.address} refused ${method}${reason(error)}`);
    const result = answer.get("result");
    if (answer.get("jsonrpc") !== "2.0" || result === undefined) {
      throw new ChainUnavailable(`${this.address} does not speak JSON-RPC 2.0`);
    }
    this.#isAlive = true;
    return result;
  }

  #parse(body: Uint8Array): JsonObject {
    try {
      return parseObject(body, MAX_ANSWER);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      throw new ChainUnavailable(`${this.address} does not answer as an Ethereum node does: ${error.message}`);
    }
  }

  async #exchange(question: string): Promise<Uint8Array> {
    const deadline = AbortSignal.timeout(TIMEOUT * 1_000);
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: question,
        signal: deadline,
        // The operator of the address learns the question, and nothing else.
        credentials: "omit",
        referrerPolicy: "no-referrer",
        redirect: "manual",
        cache: "no-store",
      });
      const body = await readLimited(response, MAX_ANSWER + 1);
      if (response.status !== 200) throw new ChainUnavailable(`${this.address} answered ${status(response)}`);
      if (body.length > MAX_ANSWER) throw new ChainUnavailable(`${this.address} answered without end`);
      return body;
    } catch (error) {
      if (error instanceof ChainUnavailable || !(error instanceof Error)) throw error;
      if (deadline.aborted) {
        throw new ChainUnavailable(`${this.address} did not answer within ${TIMEOUT} seconds`);
      }
      // fetch does not say why: a page may not know what is behind an address.
      throw new ChainUnavailable(`${this.address} did not answer, or not to this page`);
    }
  }

  #quantity(value: Json | undefined, what: string): bigint {
    if (typeof value !== "string" || !QUANTITY.test(value)) {
      throw new ChainUnavailable(`${this.address} answered no ${what}`);
    }
    return BigInt(value);
  }

  #data(value: Json | undefined, what: string, size?: number): Uint8Array {
    if (typeof value !== "string" || value.length % 2 || !DATA.test(value)) {
      throw new ChainUnavailable(`${this.address} answered no ${what}`);
    }
    const data = fromHex(value.slice(2));
    if (size !== undefined && data.length !== size) {
      throw new ChainUnavailable(`${this.address} answered a ${what} of wrong size`);
    }
    return data;
  }
}

/** The body of an answer, and no more of it than so many bytes. */
async function readLimited(response: Response, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined && size < most) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
  }
  await reader?.cancel();
  return join(...parts);
}

function status(response: Response): string {
  // Browsers show nothing of a redirection that is not followed.
  return response.type === "opaqueredirect" ? "with another address" : `HTTP ${response.status}`;
}

/** Scheme, host and port. Providers put the customer's key into the path. */
function addressOf(url: string): string {
  const scheme = /^(https?):\/\//i.exec(url);
  if (scheme === null) throw new SettingError("an RPC address starts with http:// or https://");
  const rest = url.slice(scheme[0].length);
  const authority = rest.slice(0, rest.search(/[/?#]|$/));
  if (authority.includes("@")) {
    throw new SettingError("an RPC address with a user name or password is not used");
  }
  const colon = authority.lastIndexOf(":");
  const host = (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
  if (!HOST.test(host)) throw new SettingError("an RPC address needs a host name in plain letters");
  const port = colon < 0 ? "" : authority.slice(colon + 1);
  if (!/^[0-9]{0,5}$/.test(port) || Number(port) > 65_535) {
    throw new SettingError("not a web address: its port is no number up to 65535");
  }
  if (port !== "" && Number(port) === 0) throw new SettingError("an RPC address has no port 0");
  if (!TARGET.test(rest)) throw new SettingError("an RPC address consists of printable ASCII characters");
  const isTls = scheme[1]!.toLowerCase() === "https";
  if (!isTls && !LOOPBACK.includes(host)) {
    throw new SettingError("an RPC address of another computer starts with https://");
  }
  const usual = port === "" || Number(port) === (isTls ? 443 : 80);
  return `${isTls ? "https" : "http"}://${host}${usual ? "" : `:${Number(port)}`}`;
}

function hex(number: bigint): string {
  return `0x${number.toString(16)}`;
}

function reason(error: Json): string {
  if (!isObject(error)) return "";
  const code = error.get("code");
  const message = error.get("message");
  const text = typeof code === "number" ? ` (${code})` : "";
  return typeof message === "string" ? `${text}: ${cut(message, 120)}` : text;
}
