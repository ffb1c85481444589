// The signature in proof[0]: Data Integrity, cryptosuite eddsa-rdfc-2022, with a JSON nonce.

import { sha256 } from "@noble/hashes/sha2.js";

import { encodeText, join } from "./bytes";
import { encode, isObject, withMember, type Json, type JsonObject } from "./canonical";
import { MalformedError, ProofError } from "./errors";
import { decodeBase58, decodeBase64url, encodeBase64url, PublicKey } from "./keys";
import { canonicalise } from "./rdf";
import { cut } from "./text";
import { parseTime } from "./time";

// 0x00, 0x01 and 0x02 stand before leaves, nodes and sealed roots.
const NONCE_PREFIX = Uint8Array.of(0x03);

const FREE = ["created", "verificationMethod", "proofValue"];
const FIXED: ReadonlyMap<string, string> = new Map([
  ["type", "DataIntegrityProof"],
  ["cryptosuite", "eddsa-rdfc-2022"],
  ["proofPurpose", "assertionMethod"],
]);

/** A proof[0] of the right form; whether it holds is for `checkSignature`. */
export interface SignatureProof {
  readonly controller: string;
  readonly key: PublicKey;
  readonly nonce: string;
  readonly signature: Uint8Array;
  /** The proof options: everything but proofValue. */
  readonly config: JsonObject;
}

/** Read the closed set of members. Throws MalformedError. */
export function readSignatureProof(value: Json): SignatureProof {
  const members = readMembers(value, FIXED, [...FREE, "nonce"]);
  const nonce = members.get("nonce")!;
  if (!nonce.startsWith("u") || decodeBase64url(nonce.slice(1)).length !== 32) {
    throw new MalformedError("proof.nonce: u and 32 bytes in base64url expected");
  }
  parseTime(members.get("created")!);
  const method = members.get("verificationMethod")!;
  const key = keyOfMethod(method);
  const signature = readProofValue(members.get("proofValue")!);
  members.delete("proofValue");
  return { controller: method.split("#", 1)[0]!, key, nonce, signature, config: members };
}

/** Read a proof of strings: fixed ones, others, and nothing else. Throws MalformedError. */
export function readMembers(
  value: Json,
  fixed: ReadonlyMap<string, string>,
  free: readonly string[],
): Map<string, string> {
  if (!isObject(value)) throw new MalformedError("proof: not an object");
  const members = new Map<string, string>();
  for (const [name, content] of value) {
    if (!fixed.has(name) && !free.includes(name)) {
      throw new MalformedError(`proof.${cut(name, 40)}: unknown member`);
    }
    if (typeof content !== "string") throw new MalformedError(`proof.${name}: not a string`);
    members.set(name, content);
  }
  for (const name of [...fixed.keys(), ...free]) {
    if (!members.has(name)) throw new MalformedError(`proof.${name}: missing`);
  }
  for (const [name, expected] of fixed) {
    if (members.get(name) !== expected) throw new MalformedError(`proof.${name}: ${expected} expected`);
  }
  return members;
}

/** Read the key from the fragment, the only place it may stand. Throws MalformedError. */
export function keyOfMethod(verificationMethod: string): PublicKey {
  const mark = verificationMethod.indexOf("#");
  if (mark < 0) throw new MalformedError("proof.verificationMethod: no fragment names the key");
  const did = verificationMethod.slice(0, mark);
  const key = PublicKey.fromMultibase(verificationMethod.slice(mark + 1));
  if (did.startsWith("did:key:") && did !== key.did) {
    throw new MalformedError("proof.verificationMethod: two different keys");
  }
  return key;
}

/** Read an Ed25519 signature in base58btc, with a leading z. Throws MalformedError. */
export function readProofValue(value: string): Uint8Array {
  if (!value.startsWith("z")) throw new MalformedError("proof.proofValue: z and base58btc expected");
  const signature = decodeBase58(value.slice(1));
  if (signature.length !== 64) {
    throw new MalformedError("proof.proofValue: an Ed25519 signature has 64 bytes");
  }
  return signature;
}

/** Tie a signature to one JSON text: "u" + base64url(SHA-256(0x03 || JCS(document))). */
export function jsonNonce(document: JsonObject): string {
  return `u${encodeBase64url(sha256(join(NONCE_PREFIX, encodeText(encode(document)))))}`;
}

/** Check a proof against its document, which comes without it. Throws ProofError. */
export async function checkSignature(document: JsonObject, proof: SignatureProof): Promise<void> {
  // The nonce first: it is cheap, and it refuses every other JSON before any of it is
  // treated as a graph.
  if (proof.nonce !== jsonNonce(document)) {
    throw new ProofError("proof.nonce: this is not the JSON that was signed");
  }
  const issuer = document.get("issuer");
  if (!isObject(issuer) || proof.controller !== issuer.get("id")) {
    throw new ProofError("proof.verificationMethod: is not the issuer's");
  }
  const config = withMember(proof.config, "@context", document.get("@context")!);
  const texts = [await canonicalise(config), await canonicalise(document)];
  proof.key.check(proof.signature, join(...texts.map((text) => sha256(text))));
}
