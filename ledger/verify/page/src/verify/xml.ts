// Reading XML 1.0 with namespaces, in one pass, as events.
//
// Our own because what counts as well-formed decides a verdict, and browsers differ; and a
// DOMParser would build a document, load styles, and is not there outside of a page. Nothing is
// resolved: no entity but the five of XML, no DTD. What is not well-formed is a XmlError, after
// the events of what stands before it.

import { NAME_CHARACTERS, NAME_STARTS } from "../generated/xml_names";
import { validUtf8 } from "./canonical";
import { trimXml, XML_SPACES } from "./text";

/** The text is not XML. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

/** What a reader tells; names are "{namespace}local", or "local" without a namespace. */
export interface XmlHandler {
  start(name: string, attributes: ReadonlyMap<string, string>): void;
  end(): void;
  data(text: string): void;
  /** The XML declaration, with the encoding that it names. */
  declaration(encoding: string | null): void;
  /** A document type, and whether it has declarations of its own. */
  doctype(hasSubset: boolean): void;
}

const XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE = "http://www.w3.org/2000/xmlns/";
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["lt", "<"],
  ["gt", ">"],
  ["amp", "&"],
  ["quot", '"'],
  ["apos", "'"],
]);
const INVALID = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const PUBLIC_ID = /^[-A-Za-z0-9 \r\n'()+,./:=?;!*#@$_%]*$/;
const ENCODING = /^[A-Za-z][A-Za-z0-9._-]*$/;
const PSEUDO = /^[A-Za-z0-9._-]*$/;

/** Read bytes as UTF-8, whatever they declare. Throws XmlError, and what the handler throws. */
export function readXml(data: Uint8Array, handler: XmlHandler): void {
  // Up to the first byte that is no UTF-8: what stands before it is told all the same.
  const valid = validUtf8(data);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(data.subarray(0, valid));
  new XmlReader(text, valid === data.length, handler).read();
}

type Namespaces = ReadonlyMap<string, string | undefined>;

interface Element {
  readonly raw: string;
  /** What its prefixes mean outside of it; undefined for nothing. */
  readonly outer: Namespaces;
}

class XmlReader {
  #at = 0;
  readonly #open: Element[] = [];
  // Those of the place that is read. A map for each element would be copied from the one around it.
  // What is undeclared stays in it as undefined: maps keep what was deleted among what is looked through.
  readonly #namespaces = new Map<string, string | undefined>([["xml", XML_NAMESPACE]]);
  #hasExternalSubset = false;
  #isStandalone = false;

  constructor(
    readonly text: string,
    readonly isWhole: boolean,
    readonly handler: XmlHandler,
  ) {}

  read(): void {
    if (this.#is("\ufeff")) this.#at++;
    if (this.#is("<?xml") && XML_SPACES.includes(this.text.charAt(this.#at + 5))) this.#declaration();
    this.#prolog();
    this.#element();
    while (this.#open.length > 0) this.#content();
    while (this.#misc());
    if (this.#at < this.text.length || !this.isWhole) fail("something behind the document");
  }

  // ---------------------------------------------------------------- before and after the root

  #prolog(): void {
    let hasDoctype = false;
    for (;;) {
      if (this.#misc()) continue;
      if (hasDoctype || !this.#is("<!DOCTYPE")) return;
      hasDoctype = true;
      this.#doctype();
    }
  }

  /** A comment, an instruction, or blanks. */
  #misc(): boolean {
    if (this.#skipSpace()) return true;
    if (this.#is("<!--")) this.#comment();
    else if (this.#is("<?")) this.#instruction();
    else return false;
    return true;
  }

  #declaration(): void {
    const end = this.text.indexOf("?>", this.#at);
    if (end < 0) fail("a declaration without end");
    const given = pseudoAttributes(this.text.slice(this.#at + 5, end));
    const names = given.map(([name]) => name).join();
    if (!["version", "version,encoding", "version,standalone", "version,encoding,standalone"].includes(names)) {
      fail("another declaration");
    }
    const values = new Map(given);
    const encoding = values.get("encoding") ?? null;
    const standalone = values.get("standalone") ?? "no";
    if (encoding !== null && !ENCODING.test(encoding)) fail("no name of an encoding");
    if (standalone !== "yes" && standalone !== "no") fail("neither standalone nor not");
    this.#isStandalone = standalone === "yes";
    this.#at = end + 2;
    this.handler.declaration(encoding);
  }

  #doctype(): void {
    this.#at += "<!DOCTYPE".length;
    this.#needSpace();
    this.#name();
    const hasSpace = this.#skipSpace();
    const isPublic = this.#is("PUBLIC");
    if (isPublic || this.#is("SYSTEM")) {
      if (!hasSpace) fail("names without a blank between them");
      this.#at += "PUBLIC".length;
      if (isPublic) {
        this.#needSpace();
        if (!PUBLIC_ID.test(this.#literal())) fail("no public identifier");
      }
      this.#needSpace();
      this.#literal();
      this.#hasExternalSubset = true;
      this.#skipSpace();
    }
    if (this.#is("[")) this.handler.doctype(true);
    if (!this.#is(">")) fail("a document type without end");
    this.#at++;
    this.handler.doctype(false);
  }

  #literal(): string {
    const quote = this.text.charAt(this.#at);
    if (quote !== '"' && quote !== "'") fail("no literal");
    return this.#until(quote, 1);
  }

  #comment(): void {
    this.#until("--", "<!--".length);
    if (!this.#is(">")) fail("two dashes inside a comment");
    this.#at++;
  }

  #instruction(): void {
    this.#at += 2;
    const target = this.#plainName();
    if (target.toLowerCase() === "xml") fail("a second declaration");
    if (this.#is("?>")) this.#at += 2;
    else if (XML_SPACES.includes(this.text.charAt(this.#at)) && this.#at < this.text.length) this.#until("?>", 0);
    else fail("an instruction without a name");
  }

  // ---------------------------------------------------------------- elements

  #content(): void {
    const start = this.#at;
    const unit = this.text.charAt(start);
    if (unit === "") fail("an element without end");
    if (unit === "&") return this.#emit(this.#reference());
    if (unit !== "<") return this.#characters();
    if (this.#is("</")) this.#endTag();
    else if (this.#is("<!--")) this.#comment();
    else if (this.#is("<?")) this.#instruction();
    else if (this.#is("<![CDATA[")) this.#emit(newlines(this.#until("]]>", "<![CDATA[".length)));
    else this.#element();
  }

  #emit(text: string): void {
    if (text !== "") this.handler.data(text);
  }

  #characters(): void {
    const rest = this.text.slice(this.#at);
    const length = rest.search(/[<&]/);
    const text = length < 0 ? rest : rest.slice(0, length);
    checkCharacters(text);
    if (text.includes("]]>")) fail("]]> outside of CDATA");
    this.#at += text.length;
    this.#emit(newlines(text));
  }

  /** A character or entity reference among the characters. */
  #reference(): string {
    const entity = this.#readReference();
    const meaning = meaningOf(entity);
    // Also where a DTD that is not loaded could declare it.
    if (meaning === undefined) fail("an entity that is not declared");
    return meaning;
  }

  /** What stands between & and ;. */
  #readReference(): string {
    this.#at++;
    const start = this.#at;
    if (this.#is("#")) {
      const found = /^#(?:x[0-9A-Fa-f]+|[0-9]+)/.exec(this.text.slice(start, this.#digitsEnd(start)));
      if (found === null) fail("no character reference");
      this.#at += found[0].length;
    } else {
      this.#plainName();
    }
    const entity = this.text.slice(start, this.#at);
    if (!this.#is(";")) fail("a reference without end");
    this.#at++;
    return entity;
  }

  #digitsEnd(start: number): number {
    const end = this.text.indexOf(";", start);
    return end < 0 ? this.text.length : end;
  }

  #element(): void {
    if (!this.#is("<")) fail("no element");
    this.#at++;
    const raw = this.#name();
    const given = this.#attributes();
    const isEmpty = this.#is("/>");
    this.#at += isEmpty ? 2 : 1;
    const outer = this.#declare(given);
    const attributes = new Map<string, string>();
    for (const [name, value] of given) {
      if (name === "xmlns" || name.startsWith("xmlns:")) continue;
      const expanded = name.includes(":") ? expand(name, this.#namespaces) : name;
      if (attributes.has(expanded)) fail("an attribute twice");
      attributes.set(expanded, value);
    }
    this.handler.start(expand(raw, this.#namespaces), attributes);
    if (isEmpty) this.#end(outer);
    else this.#open.push({ raw, outer });
  }

  #endTag(): void {
    const { raw, outer } = this.#open.pop()!;
    this.#at += 2;
    if (!this.#is(raw)) fail("the end of another element");
    this.#at += raw.length;
    this.#skipSpace();
    if (!this.#is(">")) fail("the end of another element");
    this.#at++;
    this.#end(outer);
  }

  #end(outer: Namespaces): void {
    this.handler.end();
    for (const [prefix, uri] of outer) this.#namespaces.set(prefix, uri);
  }

  /** The attributes of a start tag, up to its > or />. */
  #attributes(): ReadonlyMap<string, string> {
    const attributes = new Map<string, string>();
    for (;;) {
      const hasSpace = this.#skipSpace();
      if (this.#is(">") || this.#is("/>")) return attributes;
      if (!hasSpace) fail("attributes without a blank between them");
      const name = this.#name();
      if (attributes.has(name)) fail("an attribute twice");
      this.#skipSpace();
      if (!this.#is("=")) fail("an attribute without a value");
      this.#at++;
      this.#skipSpace();
      attributes.set(name, this.#attributeValue());
    }
  }

  #attributeValue(): string {
    const quote = this.text.charAt(this.#at);
    if (quote !== '"' && quote !== "'") fail("an attribute without quotes");
    this.#at++;
    const special = quote === '"' ? /[<&"]/g : /[<&']/g;
    let value = "";
    for (;;) {
      special.lastIndex = this.#at;
      const found = special.exec(this.text);
      if (found === null) fail("an attribute without end");
      const text = this.text.slice(this.#at, found.index);
      checkCharacters(text);
      value += text.replace(/\r\n|[\t\n\r]/g, " ");
      this.#at = found.index;
      if (this.#is("<")) fail("< in an attribute");
      if (!this.#is("&")) break;
      value += this.#attributeReference();
    }
    this.#at++;
    return value;
  }

  #attributeReference(): string {
    const meaning = meaningOf(this.#readReference());
    // A DTD that is not loaded could declare it; then nobody knows it, and it is left out.
    if (meaning === undefined && !(this.#hasExternalSubset && !this.#isStandalone)) {
      fail("an entity that is not declared");
    }
    return meaning ?? "";
  }

  /** Enter the namespaces that an element declares; what its prefixes mean outside of it. */
  #declare(attributes: ReadonlyMap<string, string>): Namespaces {
    const outer = new Map<string, string | undefined>();
    for (const [name, uri] of attributes) {
      if (name !== "xmlns" && !name.startsWith("xmlns:")) continue;
      const prefix = name.slice("xmlns:".length);
      const isReserved = uri === XMLNS_NAMESPACE || (uri === XML_NAMESPACE) !== (prefix === "xml");
      if (isReserved || prefix === "xmlns") fail("a reserved namespace");
      if (prefix !== "" && uri === "") fail("a prefix without a namespace");
      if (uri.includes("}")) fail("no namespace");
      outer.set(prefix, this.#namespaces.get(prefix));
      this.#namespaces.set(prefix, uri);
    }
    return outer;
  }

  // ---------------------------------------------------------------- characters

  #is(wanted: string): boolean {
    return this.text.startsWith(wanted, this.#at);
  }

  #skipSpace(): boolean {
    const start = this.#at;
    while (this.#at < this.text.length && XML_SPACES.includes(this.text.charAt(this.#at))) this.#at++;
    return this.#at > start;
  }

  #needSpace(): void {
    if (!this.#skipSpace()) fail("a blank is missing");
  }

  /** A name with at most one prefix. */
  #name(): string {
    const start = this.#at;
    this.#plainName();
    if (this.#is(":")) {
      this.#at++;
      this.#plainName();
    }
    return this.text.slice(start, this.#at);
  }

  /** A name without a colon. */
  #plainName(): string {
    const start = this.#at;
    if (!isIn(NAME_STARTS, this.text.charCodeAt(start))) fail("no name");
    while (isIn(NAME_CHARACTERS, this.text.charCodeAt(this.#at))) this.#at++;
    return this.text.slice(start, this.#at);
  }

  /** Everything up to a mark, which is skipped too. */
  #until(mark: string, skip: number): string {
    const start = this.#at + skip;
    const end = this.text.indexOf(mark, start);
    if (end < 0) fail(`no ${mark}`);
    const text = this.text.slice(start, end);
    checkCharacters(text);
    this.#at = end + mark.length;
    return text;
  }
}

function pseudoAttributes(text: string): readonly (readonly [string, string])[] {
  const found: [string, string][] = [];
  let rest = text;
  for (;;) {
    const hasSpace = XML_SPACES.includes(rest.charAt(0));
    rest = trimXml(rest);
    if (rest === "") return found;
    const sign = rest.indexOf("=");
    if (!hasSpace || sign < 0) fail("another declaration");
    const name = trimXml(rest.slice(0, sign));
    rest = trimXml(rest.slice(sign + 1));
    const quote = rest.charAt(0);
    const end = quote === '"' || quote === "'" ? rest.indexOf(quote, 1) : -1;
    if (end < 0 || !PSEUDO.test(rest.slice(1, end))) fail("another declaration");
    found.push([name, rest.slice(1, end)]);
    rest = rest.slice(end + 1);
  }
}

function expand(raw: string, namespaces: Namespaces): string {
  const [prefix, local] = raw.includes(":") ? (raw.split(":") as [string, string]) : ["", raw];
  const uri = namespaces.get(prefix);
  if (uri === undefined && prefix !== "") fail("a prefix that is not declared");
  return uri ? `{${uri}}${local}` : local;
}

/** The text of what stands between & and ;, undefined for an entity that nobody declared. */
function meaningOf(entity: string): string | undefined {
  if (!entity.startsWith("#")) return ENTITIES.get(entity);
  const number = entity.startsWith("#x") ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1));
  if (number > 0x10ffff || INVALID.test(String.fromCodePoint(number))) fail("no character");
  return String.fromCodePoint(number);
}

function newlines(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

function checkCharacters(text: string): void {
  if (INVALID.test(text)) fail("a character that has no place in XML");
}

function isIn(ranges: readonly number[], unit: number): boolean {
  let low = 0;
  let high = ranges.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (unit > ranges[2 * middle + 1]!) low = middle + 1;
    else high = middle;
  }
  return unit >= ranges[2 * low]!;
}

function fail(what: string): never {
  throw new XmlError(what);
}
