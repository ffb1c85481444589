// A credential as it was signed: fits the closed model, carries exactly one proof.

import { sha256 } from "@noble/hashes/sha2.js";

import { MAX_CREDENTIAL_BYTES } from "../generated/open_badge";
import { encodeText, toHex } from "./bytes";
import { encode, isList, parseObject, without, type JsonObject } from "./canonical";
import { MalformedError } from "./errors";
import { type IssuerReference, isEmail, readReference } from "./issuer";
import { leafHash } from "./merkle";
import { checkCredential, itemsOf, memberAt, textAt } from "./open_badge";
import { checkSignature, readSignatureProof, type SignatureProof } from "./signature";
import { strip } from "./text";
import { parseTime } from "./time";

/** Trim and lower an address: the form that is hashed. Throws MalformedError. */
export function normaliseEmail(text: string): string {
  const email = strip(text).toLowerCase();
  if (!isEmail(email)) throw new MalformedError("email: not an e-mail address");
  return email;
}

/** A signed credential. Whether the signature holds is for `check`. */
export class SignedCredential {
  private constructor(
    readonly document: JsonObject,
    readonly proof: SignatureProof,
  ) {}

  /** Read a document that carries its proof. Throws MalformedError. */
  static fromDocument(given: JsonObject): SignedCredential {
    // By its canonical bytes, so the limit does not depend on white space.
    const document = parseObject(encodeText(encode(given)), MAX_CREDENTIAL_BYTES);
    const proofs = document.get("proof");
    if (!isList(proofs) || proofs.length !== 1) {
      throw new MalformedError("proof: an array of one proof expected");
    }
    checkCredential(without(document, "proof"));
    return new SignedCredential(document, readSignatureProof(proofs[0]!));
  }

  /** Check the signature by the key that the issuer's id names. Throws ProofError. */
  async check(): Promise<void> {
    await checkSignature(without(this.document, "proof"), this.proof);
  }

  /** The leaf in the batch tree: SHA-256(0x00 || JCS(credential with this proof)). */
  get leaf(): Uint8Array {
    return leafHash(encode(this.document));
  }

  get id(): string {
    return textAt(this.document, "id");
  }

  /** The on-chain record that the signed bytes name. */
  get issuerReference(): IssuerReference {
    const entries = itemsOf(memberAt(this.document, "issuer", "otherIdentifier"));
    return readReference(textAt(entries[0]!, "identifier"));
  }

  /** The issuer's name as the file has it: proven by nobody. */
  get claimedIssuerName(): string {
    return textAt(this.document, "issuer", "name");
  }

  /** The name of the partner who assessed, as the file has it. */
  get claimedSourceName(): string | null {
    const source = memberAt(this.document, "credentialSubject", "source");
    return source === undefined ? null : textAt(source, "name");
  }

  get achievementName(): string {
    return textAt(this.document, "name");
  }

  /** The earner's name, if the school shows it. */
  get recipientName(): string | null {
    const identities = this.#identities();
    return identities.length > 1 ? textAt(identities[1]!, "identityHash") : null;
  }

  /** Tell whether this is the credential of an e-mail address. Throws MalformedError. */
  isFor(email: string): boolean {
    const identity = this.#identities()[0]!;
    const text = normaliseEmail(email) + textAt(identity, "salt");
    return textAt(identity, "identityHash") === `sha256$${toHex(sha256(encodeText(text)))}`;
  }

  /** The place of its bit in the status bitmap. */
  get statusIndex(): number {
    return Number(textAt(this.document, "credentialStatus", "statusListIndex"));
  }

  /** The instant of issuing, as the issuer states it. */
  get validFrom(): number {
    return parseTime(textAt(this.document, "validFrom"));
  }

  /** The instant at which it expires; null: it does not. */
  get validUntil(): number | null {
    return this.document.has("validUntil") ? parseTime(textAt(this.document, "validUntil")) : null;
  }

  /** The day of the award. */
  get awardedDate(): string {
    return textAt(this.document, "awardedDate").slice(0, 10);
  }

  #identities() {
    return itemsOf(memberAt(this.document, "credentialSubject", "identifier"));
  }
}
