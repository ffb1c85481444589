// The issuer as the chain knows it: how it is named, described, and when a key was its own.

import { sha256 } from "@noble/hashes/sha2.js";

import { encodeText, fromHex } from "./bytes";
import { encode, isList, isObject, type Json, type JsonObject } from "./canonical";
import { MalformedError } from "./errors";
import { BLANK_CLASS, count, cut, strip } from "./text";

export const MAX_NAME = 200;
export const MAX_TEXT = 10_000;
const MAX_URL = 2_000;
const MAX_DIDS = 10;

// In these patterns no character fits two ways to go on: time is linear.
const REFERENCE = /^eip155:([1-9][0-9]{0,15}):(0x[0-9a-f]{40}):0x([0-9a-f]{64})$/;
const PCHAR = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})";
const HTTP_URL = new RegExp(
  "^https?://[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?" +
    `(?:/${PCHAR}*)?(?:\\?(?:${PCHAR}|\\?)*)?(?:#(?:${PCHAR}|\\?)*)?$`,
);
const MAILBOX = `[^${BLANK_CLASS}@<>(),;:"\\\\]`;
const EMAIL = new RegExp(`^${MAILBOX}{1,64}@${MAILBOX}{1,189}$`, "u");
const COUNTRY = /^[A-Z]{2}$/;
const DID_WEB = /^did:web:[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:%3A[0-9]{1,5})?(?::[A-Za-z0-9._~-]+)*$/;

/** Tell whether a text is an absolute http(s) URL in RFC 3986 characters. */
export function isHttpUrl(text: string): boolean {
  return text.length <= MAX_URL && HTTP_URL.test(text);
}

/** Tell whether a text is a did:web identifier in lower-case host form. */
export function isDidWeb(text: string): boolean {
  return text.length <= MAX_URL && DID_WEB.test(text);
}

/** Tell whether a text has the shape of one plain e-mail address. */
export function isEmail(text: string): boolean {
  return text.length <= 2 * 254 && EMAIL.test(text);
}

/** The whole name of an issuer: its home chain, the registry there, its id in it. */
export interface IssuerReference {
  readonly chainId: number;
  readonly registry: string;
  readonly issuerId: Uint8Array;
  /** The one text of it, as credentials and trust lists carry it. */
  readonly text: string;
}

/** Read "eip155:<chain id>:<registry>:<issuer id>". Throws MalformedError. */
export function readReference(text: string): IssuerReference {
  const found = REFERENCE.exec(text);
  if (!found) throw new MalformedError("an issuer is named eip155:<chain id>:0x…:0x…");
  const chainId = Number(found[1]);
  if (chainId > Number.MAX_SAFE_INTEGER) {
    throw new MalformedError("a chain id lies between 1 and 2^53 - 1");
  }
  return { chainId, registry: found[2]!, issuerId: fromHex(found[3]!), text };
}

const PROFILE_TEXTS = ["name", "url", "email", "description", "country"];

/** The public description of an issuer, the document whose hash accreditors endorse. */
export class IssuerProfile {
  private constructor(readonly document: JsonObject) {}

  /** Read the closed set of members. Throws MalformedError. */
  static fromJson(value: Json): IssuerProfile {
    if (!isObject(value)) throw new MalformedError("profile: not an object");
    for (const required of ["name", "url"]) {
      if (!value.has(required)) throw new MalformedError(`profile.${required}: missing`);
    }
    for (const [member, content] of value) {
      if (PROFILE_TEXTS.includes(member)) {
        if (typeof content !== "string") throw new MalformedError(`profile.${member}: not a string`);
      } else if (member === "did") {
        checkDidList(content);
      } else {
        throw new MalformedError(`profile.${cut(member, 40)}: unknown member`);
      }
    }
    const profile = new IssuerProfile(value);
    profile.#check();
    return profile;
  }

  get name(): string {
    return this.document.get("name") as string;
  }

  get url(): string {
    return this.document.get("url") as string;
  }

  /** SHA-256 of the RFC 8785 bytes: the profile hash in the IssuerRegistry. */
  get hash(): Uint8Array {
    return sha256(encodeText(encode(this.document)));
  }

  #check(): void {
    const text = (member: string): string | undefined => this.document.get(member) as string | undefined;
    checkLine("profile.name", this.name);
    if (!isHttpUrl(this.url)) throw new MalformedError("profile.url: not an http or https URL");
    const email = text("email");
    if (email !== undefined && !isEmail(email)) {
      throw new MalformedError("profile.email: not an e-mail address");
    }
    const description = text("description");
    if (description !== undefined) checkText("profile.description", description);
    const country = text("country");
    if (country !== undefined && !COUNTRY.test(country)) {
      throw new MalformedError("profile.country: two capital letters (ISO 3166)");
    }
    const dids = (this.document.get("did") ?? []) as readonly string[];
    if (dids.length > MAX_DIDS || new Set(dids).size !== dids.length) {
      throw new MalformedError(`profile.did: at most ${MAX_DIDS}, each once`);
    }
    if (!dids.every(isDidWeb)) throw new MalformedError("profile.did: only did:web identifiers");
  }
}

function checkDidList(value: Json): void {
  if (!isList(value) || value.length === 0) {
    throw new MalformedError("profile.did: a list with at least one DID");
  }
  if (value.some((did) => typeof did !== "string")) throw new MalformedError("profile.did: not a string");
}

function checkLine(where: string, text: string): void {
  if (text === "" || text !== strip(text)) {
    throw new MalformedError(`${where}: empty, or with blanks around it`);
  }
  if (count(text) > MAX_NAME) throw new MalformedError(`${where}: longer than ${MAX_NAME} characters`);
  if (/[\t\n\r]/.test(text)) throw new MalformedError(`${where}: more than one line`);
}

function checkText(where: string, text: string): void {
  if (strip(text) === "") throw new MalformedError(`${where}: empty`);
  if (count(text) > MAX_TEXT) throw new MalformedError(`${where}: longer than ${MAX_TEXT} characters`);
}

/** When a signing key was its issuer's own, in chain seconds; null is "never". */
export interface KeyWindow {
  readonly opened: bigint;
  readonly until: bigint | null;
  readonly compromisedSince: bigint | null;
  readonly closedAt: bigint | null;
}

/** Whether what existed at T was signed while the window was open. */
export function covers(opened: bigint, bounds: readonly (bigint | null)[], t: bigint): boolean {
  return opened <= t && bounds.every((bound) => bound === null || t < bound);
}

/** Whether T lies in from <= T < min(until, compromisedSince, closedAt). */
export function windowCovers(window: KeyWindow, t: bigint): boolean {
  return covers(window.opened, [window.until, window.compromisedSince, window.closedAt], t);
}
