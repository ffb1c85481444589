// A credential inside an SVG: <openbadges:credential> as a child of the root.
// docs/spec/files.md.

import { toBinaryText } from "./bytes";
import { MalformedError } from "./errors";
import { trimXml } from "./text";
import { readXml, XmlError, type XmlHandler } from "./xml";

const MAX_DEPTH = 100;
const MAX_NAMESPACE_BYTES = 200;
// Other readers write the namespace out for every name, so that none may be long. What is no
// declaration always matches without its group: no byte is looked at from each of many places.
const LONG_NAMESPACE = /xmlns[^="'<>]*(=[ \t\r\n]*(?:"[^"<]{201}|'[^'<]{201}))?/g;
const NOT_WELL_FORMED = "the SVG is not well-formed, or not safe to read";
const ROOT = "{http://www.w3.org/2000/svg}svg";
const CREDENTIAL = "{https://purl.imsglobal.org/ob/v3p0}credential";

/** The text of the one credential in an SVG. Throws MalformedError. */
export function svgCredential(image: Uint8Array): string {
  // UTF-16, whatever it says.
  if (image[0] === 0x3c && image[1] === 0) throw new MalformedError(NOT_WELL_FORMED);
  for (const [, found] of toBinaryText(image).matchAll(LONG_NAMESPACE)) {
    if (found !== undefined) {
      throw new MalformedError(`a namespace of the SVG has more than ${MAX_NAMESPACE_BYTES} bytes`);
    }
  }
  const survey = new Survey();
  try {
    readXml(image, survey);
  } catch (error) {
    if (error instanceof XmlError) {
      throw new MalformedError(NOT_WELL_FORMED);
    }
    throw error;
  }
  const [first, ...others] = survey.credentials;
  if (first === undefined) throw new MalformedError("the SVG holds no credential");
  if (others.length > 0) throw new MalformedError("the SVG holds more than one credential");
  return first;
}

/** What one pass over an SVG finds. */
class Survey implements XmlHandler {
  readonly credentials: string[] = [];
  #depth = 0;
  #verify: string | null = null; // null: not inside a credential
  #text: string[] = [];

  start(name: string, attributes: ReadonlyMap<string, string>): void {
    this.#depth++;
    if (this.#depth === 1 && name !== ROOT) throw new MalformedError("not an SVG image");
    if (this.#depth > MAX_DEPTH) throw new MalformedError(`SVG nested deeper than ${MAX_DEPTH}`);
    if (this.#verify !== null) throw new MalformedError("an element inside the credential of the SVG");
    if (name !== CREDENTIAL) return;
    // Nowhere else: what a viewer shows or hides must not decide what counts.
    if (this.#depth !== 2) throw new MalformedError("the credential is not a child of <svg>");
    this.#verify = attributes.get("verify") ?? "";
    this.#text = [];
  }

  data(text: string): void {
    if (this.#verify !== null) this.#text.push(text);
  }

  end(): void {
    this.#depth--;
    if (this.#verify === null) return;
    const content = trimXml(this.#text.join(""));
    if ((content === "") === (this.#verify === "")) {
      throw new MalformedError("the credential of the SVG is empty, or stated twice");
    }
    this.credentials.push(content || this.#verify);
    this.#verify = null;
  }

  declaration(encoding: string | null): void {
    // Read as what it says it is, such a file would hold other text for other readers.
    if (encoding !== null && !["utf-8", "us-ascii"].includes(encoding.toLowerCase())) {
      throw new MalformedError("an SVG is read as UTF-8, this one says otherwise");
    }
  }

  doctype(hasSubset: boolean): void {
    // Many drawing programs name the SVG 1.1 DTD. It is not loaded, so that is harmless;
    // declarations of the file's own are not.
    if (hasSubset) throw new MalformedError("the SVG declares entities or attributes of its own");
  }
}
