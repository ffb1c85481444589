// The issuers and accreditors a verifier trusts. docs/spec/networks-and-trust.md. An entry is a
// whole identifier; a list may carry a proof of who wrote it, and then the proof holds or the
// list is refused.

import { type Json, without } from "./canonical";
import { closed, text } from "./closed";
import { checkDocument, type DocumentSignature } from "./document_signature";
import { named, parseDocument, readList, readName } from "./documents";
import { MalformedError, ProofError } from "./errors";
import { type IssuerReference, readReference } from "./issuer";

const MAX_BYTES = 8_388_608;
const MAX_ENTRIES = 20_000;

/** One entry: who is meant, and the name under which the verifier knows it. */
export interface Trusted {
  readonly reference: IssuerReference;
  readonly name: string;
}

/** Issuers trusted by themselves, and accreditors whose endorsements are accepted. */
export interface TrustList {
  readonly name: string;
  readonly issuers: readonly Trusted[];
  readonly accreditors: readonly Trusted[];
  /** Who signed the list that was read; null if nobody did. */
  readonly signature: DocumentSignature | null;
}

/** Find the entry of exactly this issuer; undefined if it is not listed. */
export function findTrusted(trust: TrustList, reference: IssuerReference): Trusted | undefined {
  return trust.issuers.find((entry) => entry.reference.text === reference.text);
}

/** List the accreditors whose record stands in the same registry as this issuer's. */
export function accreditorsBeside(trust: TrustList, reference: IssuerReference): readonly Trusted[] {
  return trust.accreditors.filter(
    (entry) => entry.reference.chainId === reference.chainId && entry.reference.registry === reference.registry,
  );
}

/** Read a trust list file, and check its proof if it has one. Throws MalformedError. */
export function parseTrustList(data: Uint8Array): TrustList {
  const document = parseDocument(data, ["name", "issuers", "accreditors"], "trust list", MAX_BYTES, ["proof"]);
  const name = readName(document.get("name")!, "trust list.name");
  const issuers = readEntries(document.get("issuers")!, "issuers");
  const accreditors = readEntries(document.get("accreditors")!, "accreditors");
  checkEachOnce(issuers, "issuers");
  checkEachOnce(accreditors, "accreditors");
  const proof = document.get("proof");
  const signature = proof === undefined ? null : readSignature(without(document, "proof"), proof);
  return { name, issuers, accreditors, signature };
}

function readSignature(document: ReturnType<typeof without>, proof: Json): DocumentSignature {
  try {
    return named("trust list", () => checkDocument(document, proof), ".");
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new MalformedError("trust list.proof: the list was changed after it was signed");
  }
}

function readEntries(value: Json, where: string): readonly Trusted[] {
  return readList(value, where, MAX_ENTRIES).map((entry, at) => readEntry(entry, `${where}[${at}]`));
}

function readEntry(value: Json, where: string): Trusted {
  const entry = closed(value, ["id", "name"], where);
  const name = readName(entry.get("name")!, `${where}.name`);
  const identifier = text(entry.get("id")!, `${where}.id`);
  return { reference: named(`${where}.id`, () => readReference(identifier)), name };
}

function checkEachOnce(entries: readonly Trusted[], where: string): void {
  const seen = new Set<string>();
  for (const { reference } of entries) {
    if (seen.has(reference.text)) throw new MalformedError(`${where}: ${reference.text} stands there twice`);
    seen.add(reference.text);
  }
}
