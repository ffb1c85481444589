// The signature of a JSON file that is no credential: Data Integrity, eddsa-jcs-2022.
// The key is named by its did:key and by nothing else: nothing is looked up.

import { sha256 } from "@noble/hashes/sha2.js";

import { encodeText, join } from "./bytes";
import { encode, type Json, type JsonObject } from "./canonical";
import { MalformedError } from "./errors";
import { keyOfMethod, readMembers, readProofValue } from "./signature";
import { encodeTime, parseTime } from "./time";

const FREE = ["created", "verificationMethod", "proofValue"];
const FIXED: ReadonlyMap<string, string> = new Map([
  ["type", "DataIntegrityProof"],
  ["cryptosuite", "eddsa-jcs-2022"],
  ["proofPurpose", "assertionMethod"],
]);

/** Who signed a document (a did:key), and when by their own clock. */
export interface DocumentSignature {
  readonly signer: string;
  readonly created: string;
}

/** Check a proof against its document, which comes without it. Throws MalformedError and ProofError. */
export function checkDocument(document: JsonObject, proof: Json): DocumentSignature {
  const members = readMembers(proof, FIXED, FREE);
  const method = members.get("verificationMethod")!;
  const key = keyOfMethod(method);
  if (method !== key.verificationMethod) {
    throw new MalformedError("proof.verificationMethod: a did:key and its key expected");
  }
  const created = parseTime(members.get("created")!);
  const signature = readProofValue(members.get("proofValue")!);
  members.delete("proofValue");
  const parts = [members, document].map((part) => sha256(encodeText(encode(part))));
  key.check(signature, join(...parts));
  return { signer: key.did, created: encodeTime(created) };
}
