// The closed model: which members a credential may have, and what each may hold. The table is
// generated; what is not in it is refused.

import { CREDENTIAL, MAX_CREDENTIAL_BYTES, type TextName } from "../generated/open_badge";
import { encodeText } from "./bytes";
import { encode, isList, isObject, type Json, type JsonObject } from "./canonical";
import { MalformedError } from "./errors";
import { isDidWeb, isEmail, isHttpUrl, MAX_NAME, MAX_TEXT, readReference } from "./issuer";
import { PublicKey } from "./keys";
import { count, cut, strip } from "./text";
import { parseTime } from "./time";

/** What a member may hold: a plain value, an object, or a list of either. */
export type Kind =
  | { readonly text: TextName }
  | { readonly fixed: string }
  | { readonly list: Kind; readonly least: number; readonly most: number; readonly says: string }
  | { readonly object: string; readonly required: Members; readonly optional: Members }
  | { readonly by: string; readonly choices: Members; readonly says: string };
export type Members = Readonly<Record<string, Kind>>;

// The one result description an achievement may have is named by the achievement.
const SCORE = "#score";

// In these patterns no character fits two ways to go on: time is linear.
const URN = /^urn:[a-z0-9][a-z0-9-]{1,31}:(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+$/;
const UUID4 = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const LINE_BREAKS = /[\t\n\r\x85\u2028\u2029]/;
const CODE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const LANGUAGE = /^[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$/;
const PERCENT = /^(?:100|[1-9]?[0-9](?:\.[0-9]{0,3}[1-9])?)$/;

/** The tests of strings, by their words in the table: all of them, and no other. */
const TEXTS: Readonly<Record<TextName, (text: string) => boolean>> = {
  "a line of at most 200 characters": isLine,
  "a text of at most 10,000 characters": isText,
  "an http or https URL": isHttpUrl,
  "an http or https URL without fragment": isPage,
  "an instant like 2026-11-25T08:44:00Z": isInstant,
  "an instant at midnight, UTC": (text) => isInstant(text) && text.endsWith("T00:00:00Z"),
  "an http(s) URL without fragment, or a URN": isAchievementId,
  "a did:key, a did:web or an http(s) URL": (text) => isIssuerId(text) || isHttpUrl(text),
  "a did:key (Ed25519) or a did:web": isIssuerId,
  "an e-mail address": isEmail,
  "a number from 0 to 100": (text) => PERCENT.test(text),
  "sha256$ and 64 hex digits": (text) => /^sha256\$[0-9a-f]{64}$/.test(text),
  "a salt of 16 to 64 characters": (text) => /^[A-Za-z0-9_-]{16,64}$/.test(text),
  "eip155:<chain id>:0x…:0x…": isReference,
  "the achievement's id and #score": (text) =>
    text.endsWith(SCORE) && isAchievementId(text.slice(0, -SCORE.length)),
  "one of Competency, Certificate, MicroCredential, Certification, Award": (text) =>
    ["Competency", "Certificate", "MicroCredential", "Certification", "Award"].includes(text),
  "a code of letters, digits and . _ -": (text) => CODE.test(text),
  "a language tag": (text) => LANGUAGE.test(text),
  "the list's URL, # and the index": isHttpUrl,
  "an index of at most 9 digits": (text) => /^(?:0|[1-9][0-9]{0,8})$/.test(text),
  "urn:uuid: and a UUIDv4": (text) => UUID4.test(text),
};

function isLine(text: string): boolean {
  return text !== "" && count(text) <= MAX_NAME && text === strip(text) && !LINE_BREAKS.test(text);
}

function isText(text: string): boolean {
  return count(text) <= MAX_TEXT && strip(text) !== "";
}

function isPage(text: string): boolean {
  return isHttpUrl(text) && !text.includes("#");
}

function isAchievementId(text: string): boolean {
  return isPage(text) || (text.length <= MAX_NAME && URN.test(text));
}

function isIssuerId(text: string): boolean {
  if (isDidWeb(text)) return true;
  const multibase = text.startsWith("did:key:") ? text.slice("did:key:".length) : text;
  return isWellFormed(() => PublicKey.fromMultibase(multibase).did === text);
}

function isInstant(text: string): boolean {
  return isWellFormed(() => (parseTime(text), true));
}

function isReference(text: string): boolean {
  return isWellFormed(() => (readReference(text), true));
}

function isWellFormed(read: () => boolean): boolean {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw error;
  }
}

/** Check a credential without `proof` against the closed model. Throws MalformedError. */
export function checkCredential(document: JsonObject): void {
  if (encodeText(encode(document)).length > MAX_CREDENTIAL_BYTES) {
    throw new MalformedError(`credential: more than ${MAX_CREDENTIAL_BYTES} bytes`);
  }
  check(CREDENTIAL, "", document);
  checkLinks(document);
}

function check(kind: Kind, where: string, value: Json): void {
  if ("text" in kind) {
    if (typeof value !== "string") throw new MalformedError(`${where}: not a string`);
    if (!TEXTS[kind.text](value)) throw new MalformedError(`${where}: not ${kind.text}`);
  } else if ("fixed" in kind) {
    if (encode(value) !== kind.fixed) throw new MalformedError(`${where}: ${kind.fixed} expected`);
  } else if ("list" in kind) {
    if (!isList(value)) throw new MalformedError(`${where}: not an array`);
    if (value.length < kind.least || value.length > kind.most) {
      throw new MalformedError(`${where}: ${value.length} items, not ${kind.says}`);
    }
    value.forEach((item, index) => check(kind.list, `${where}[${index}]`, item));
    // RDF would keep only one of them.
    if (new Set(value.map(encode)).size !== value.length) {
      throw new MalformedError(`${where}: the same item twice`);
    }
  } else if ("by" in kind) {
    if (!isObject(value)) throw new MalformedError(`${where}: not an object`);
    const tag = value.get(kind.by);
    const choice = typeof tag === "string" ? own(kind.choices, tag) : undefined;
    if (choice === undefined) throw new MalformedError(`${where}.${kind.by}: ${kind.says} expected`);
    check(choice, where, value);
  } else {
    checkObject(kind.required, kind.optional, where, value);
  }
}

function checkObject(required: Members, optional: Members, where: string, value: Json): void {
  const prefix = where === "" ? "" : `${where}.`;
  if (!isObject(value)) throw new MalformedError(`${where || "credential"}: not an object`);
  for (const name of Object.keys(required)) {
    if (!value.has(name)) throw new MalformedError(`${prefix}${name}: missing`);
  }
  for (const [name, member] of value) {
    const kind = own(required, name) ?? own(optional, name);
    if (kind === undefined) throw new MalformedError(`${prefix}${cut(name, 40)}: unknown member`);
    check(kind, prefix + name, member);
  }
}

function own(members: Members, name: string): Kind | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

/** Check what one member says about another, in a document that fits the table. */
function checkLinks(document: JsonObject): void {
  const subject = "credentialSubject";
  if (document.get("name") !== memberAt(document, subject, "achievement", "name")) {
    throw new MalformedError("name: not the name of the achievement");
  }
  const identities = itemsOf(memberAt(document, subject, "identifier"));
  const kinds = identities.map((identity) => textAt(identity, "identityType")).join();
  if (kinds !== "emailAddress" && kinds !== "emailAddress,name") {
    throw new MalformedError(`${subject}.identifier: e-mail address, then name`);
  }

  const score = textAt(document, subject, "achievement", "id") + SCORE;
  const described = itemsOf(memberAt(document, subject, "achievement", "resultDescription"));
  if (described.some((item) => textAt(item, "id") !== score)) {
    throw new MalformedError(`${subject}.achievement.resultDescription[0].id: not ${SCORE}`);
  }
  const results = itemsOf(memberAt(document, subject, "result"));
  if (results.length > 0 && described.length === 0) {
    throw new MalformedError(`${subject}.result: the achievement describes no result`);
  }
  if (results.some((item) => textAt(item, "resultDescription") !== score)) {
    throw new MalformedError(`${subject}.result[0].resultDescription: unknown`);
  }

  const status = memberAt(document, "credentialStatus")!;
  const entry = `${textAt(status, "statusListCredential")}#${textAt(status, "statusListIndex")}`;
  if (textAt(status, "id") !== entry) {
    throw new MalformedError("credentialStatus.id: not the list's URL, # and the index");
  }
  // Both have the one fixed-width form, so the order of texts is the order of instants.
  if (document.has("validUntil") && textAt(document, "validUntil") < textAt(document, "validFrom")) {
    throw new MalformedError("validUntil: before validFrom");
  }
}

/** Follow member names into a document that fits the table; undefined where it is absent. */
export function memberAt(value: Json, ...path: readonly string[]): Json | undefined {
  let found: Json | undefined = value;
  for (const name of path) {
    if (!isObject(found)) throw new TypeError(`${name}: the closed model has an object here`);
    found = found.get(name);
  }
  return found;
}

/** Follow member names to a string that the table requires. */
export function textAt(value: Json, ...path: readonly string[]): string {
  const found = memberAt(value, ...path);
  if (typeof found !== "string") throw new TypeError(`${path.join(".")}: the closed model has a string here`);
  return found;
}

/** Read the items of an optional list: none where it is absent. */
export function itemsOf(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : [];
}
