// What a JSON-LD document says, as canonical N-Quads (RDFC-1.0).
//
// jsonld does the algorithms, in its safe mode: what it would drop is an error. Only documents
// that fit the closed model come here; nothing is fetched, and the work is bounded.

import { sha256 } from "@noble/hashes/sha2.js";
import jsonld, { type MessageDigest, type RemoteDocument } from "jsonld";

import credentials from "../../../../core/contexts/credentials-v2.json";
import openBadges from "../../../../core/contexts/ob-context-3.0.3.json";
import extensions from "../../../../core/contexts/ob-extensions.json";
import { CREDENTIAL_CONTEXTS } from "../generated/open_badge";
import { encodeText, toHex } from "./bytes";
import { Fraction, isList, isObject, type Json, type JsonObject } from "./canonical";
import { MalformedError } from "./errors";
import { byCodePoint, cut, quoted } from "./text";

const CONTEXTS: ReadonlyMap<string, unknown> = new Map(
  [credentials, openBadges, extensions].map((context, at) => [CREDENTIAL_CONTEXTS[at]!, context]),
);

/** Write the canonical N-Quads of a document. Throws MalformedError. */
export async function canonicalise(document: JsonObject): Promise<Uint8Array> {
  let text: string;
  try {
    text = await jsonld.canonize(plain(document) as object, {
      safe: true,
      // Without this a relative type resolves against the address of the page.
      base: null,
      documentLoader: load,
      canonizeOptions: {
        algorithm: "RDFC-1.0",
        format: "application/n-quads",
        maxWorkFactor: 1,
        createMessageDigest: () => new Sha256(),
      },
    });
  } catch (error) {
    throw refusal(error);
  }
  // The standard sorts by code points, the library by UTF-16 units.
  const lines = text.split("\n").slice(0, -1).sort(byCodePoint);
  return encodeText(lines.map((line) => `${line}\n`).join(""));
}

/** What a failure says of the document; one that says nothing of it is no verdict on it. */
function refusal(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name.startsWith("jsonld.")) return new MalformedError(`not JSON-LD: ${cut(error.message, 200)}`);
  if (error.message.startsWith("Maximum deep iterations")) {
    return new MalformedError("blank nodes that cannot be told apart with bounded work");
  }
  return error;
}

async function load(url: string): Promise<RemoteDocument> {
  const document = CONTEXTS.get(url);
  if (document === undefined) {
    throw new MalformedError(`context ${quoted(cut(url, 100))} is not one of the pinned contexts`);
  }
  // The tag lets jsonld keep the parsed context: parsing takes longer than a credential.
  return { contextUrl: null, documentUrl: url, document, tag: "static" };
}

// It would fetch, wherever no loader is passed. One always is; this is for the day somebody
// forgets.
jsonld.documentLoader = load;

/** SHA-256 that needs no secure context: on a page from http there is no crypto.subtle. */
class Sha256 implements MessageDigest {
  readonly #hash = sha256.create();

  update(text: string): void {
    this.#hash.update(encodeText(text));
  }

  digest(): string {
    return toHex(this.#hash.digest());
  }
}

function plain(value: Json): unknown {
  if (isObject(value)) {
    return Object.fromEntries(Array.from(value, ([name, member]) => [name, plain(member)]));
  }
  if (isList(value)) return value.map(plain);
  return value instanceof Fraction ? value.value : value;
}
