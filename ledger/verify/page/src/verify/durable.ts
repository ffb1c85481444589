// The credential that an earner keeps: signature and anchor proof in one file.

import { type AnchorProof, checkAnchorProof, encodeAnchorProof, readAnchorProof } from "./anchor";
import { extract } from "./baking";
import { encode, isList, type Json, type JsonObject, parseObject, withMember } from "./canonical";
import { SignedCredential } from "./credential";
import { MalformedError } from "./errors";

/** A credential, and its anchor proof if it is durable. */
export interface CredentialFile {
  readonly credential: SignedCredential;
  readonly proof: AnchorProof | null;
}

/** Read a credential file: JSON, PNG, SVG or PDF; signed only, or durable. Throws MalformedError. */
export function parseCredentialFile(data: Uint8Array): CredentialFile {
  const document = parseObject(extract(data));
  return proofsOf(document).length === 1
    ? { credential: SignedCredential.fromDocument(document), proof: null }
    : readDurable(document);
}

/** Check the signature, then the path from the leaf to the sealed root. Throws ProofError. */
export async function checkCredentialFile(file: CredentialFile): Promise<void> {
  await file.credential.check();
  if (file.proof !== null) checkAnchorProof(file.proof, file.credential.leaf);
}

function readDurable(document: JsonObject): CredentialFile {
  const proofs = proofsOf(document);
  if (proofs.length !== 2) {
    throw new MalformedError("proof: a durable credential has exactly two proofs");
  }
  const credential = SignedCredential.fromDocument(withMember(document, "proof", proofs.slice(0, 1)));
  const proof = readAnchorProof(proofs[1]!);
  const home = credential.issuerReference.chainId;
  if (proof.home.chainId !== home) {
    throw new MalformedError(`the first anchor is not on the home chain eip155:${home}`);
  }
  // The parts are closed models, so this cannot differ. If one of them ever drops or rewrites
  // a value, nothing that it does not carry may pass for proved.
  const written = [...proofsOf(credential.document), encodeAnchorProof(proof)];
  if (encode(withMember(credential.document, "proof", written)) !== encode(document)) {
    throw new MalformedError("the credential cannot be written as it was read");
  }
  return { credential, proof };
}

function proofsOf(document: JsonObject): readonly Json[] {
  const proofs = document.get("proof");
  if (!isList(proofs)) throw new MalformedError("proof: not a list of proofs");
  return proofs;
}
