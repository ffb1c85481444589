// What a verifier asks the two registries, answered by a node or by evidence. A node is asked by
// calls, encoded by hand: docs/spec/contracts.md. An answer of another length, or a number too
// large for its type, is no answer: ChainUnavailable.

import * as registries from "../generated/registries";
import { fromHex, fromNumber, join, toHex, toNumber } from "./bytes";
import { ChainUnavailable } from "./errors";
import {
  type AnchorSlot,
  type Endorsement,
  type Evidence,
  type IssuerState,
  orNull,
  type Questions,
  type RegistryFacts,
} from "./evidence";
import type { IssuerReference, KeyWindow } from "./issuer";
import type { Block } from "./rpc";
import type { View } from "./witnesses";

const WORD = 32;

/** The call for when a root was anchored. */
export const anchorCall = (root: Uint8Array): Uint8Array => join(fromHex(registries.ANCHORED_AT_SELECTOR), root);

/** The call for an issuer, one key and one status bit. */
export const issuerCall = (issuer: IssuerReference, keyId: Uint8Array, index: number): Uint8Array =>
  join(fromHex(registries.CHECK_SELECTOR), issuer.issuerId, keyId, fromNumber(BigInt(index), WORD));

/** The call for when a profile was recorded. */
export const profileTimeCall = (issuer: IssuerReference, profileHash: Uint8Array): Uint8Array =>
  join(fromHex(registries.PROFILE_RECORDED_AT_SELECTOR), issuer.issuerId, profileHash);

/** The call for an endorsement. */
export const endorsementCall = (
  accreditor: IssuerReference,
  subject: IssuerReference,
  profileHash: Uint8Array,
): Uint8Array =>
  join(fromHex(registries.ENDORSEMENT_SELECTOR), accreditor.issuerId, subject.issuerId, profileHash);

/** Both registries at one block. Every method throws ChainUnavailable. */
export interface RegistryView {
  readonly block: Block;
  /** When a root was anchored; null if it never was. */
  anchor(root: Uint8Array): Promise<AnchorSlot | null>;
  /** An issuer, one key and one status bit. */
  issuer(issuer: IssuerReference, keyId: Uint8Array, index: number): Promise<IssuerState>;
  /** When a profile was recorded; null if it never was. */
  profileTime(issuer: IssuerReference, profileHash: Uint8Array): Promise<bigint | null>;
  /** An endorsement; null if it was never given. */
  endorsement(
    accreditor: IssuerReference,
    subject: IssuerReference,
    profileHash: Uint8Array,
  ): Promise<Endorsement | null>;
}

/** Both registries as nodes answer calls of their views. */
export class CalledRegistries implements RegistryView {
  constructor(readonly view: View) {}

  get block(): Block {
    return this.view.block;
  }

  async anchor(root: Uint8Array): Promise<AnchorSlot | null> {
    const words = new Words(await this.view.askAnchors(anchorCall(root)), 2);
    const time = words.number(64);
    const blockNumber = words.number(64);
    return time ? { time, blockNumber } : null;
  }

  async issuer(issuer: IssuerReference, keyId: Uint8Array, index: number): Promise<IssuerState> {
    const words = await this.#issuers(issuerCall(issuer, keyId, index), 10);
    const registeredAt = orNull(words.number(40));
    const closedAt = orNull(words.number(40));
    const closedForGood = words.flag();
    words.skip(2); // successor and current profile: neither decides anything here
    const opened = words.number(40);
    const until = orNull(words.number(40));
    const compromisedSince = orNull(words.number(40));
    const role = words.number(8);
    const revoked = words.flag();
    let window: KeyWindow | null = null;
    if (opened && role === BigInt(registries.SIGNING_ROLE)) {
      window = { opened, until, compromisedSince, closedAt };
    }
    return { registeredAt, closedAt, closedForGood, window, revoked };
  }

  async profileTime(issuer: IssuerReference, profileHash: Uint8Array): Promise<bigint | null> {
    return orNull((await this.#issuers(profileTimeCall(issuer, profileHash), 1)).number(40));
  }

  async endorsement(
    accreditor: IssuerReference,
    subject: IssuerReference,
    profileHash: Uint8Array,
  ): Promise<Endorsement | null> {
    const words = await this.#issuers(endorsementCall(accreditor, subject, profileHash), 3);
    const opened = words.number(40);
    const until = orNull(words.number(40));
    const withdrawnSince = orNull(words.number(40));
    return opened ? { opened, until, withdrawnSince } : null;
  }

  async #issuers(call: Uint8Array, words: number): Promise<Words> {
    return new Words(await this.view.askIssuers(call), words);
  }
}

/** Both registries as evidence proves them, for the one credential that it came with. */
export class ProvenRegistries implements RegistryView {
  private constructor(
    readonly block: Block,
    readonly facts: RegistryFacts,
  ) {}

  /** Prove the answers. Throws MalformedError and EvidenceFault. */
  static fromEvidence(evidence: Evidence, questions: Questions): ProvenRegistries {
    const facts = evidence.prove(questions);
    const { number, hash, time } = evidence.block;
    return new ProvenRegistries({ number, hash, time }, facts);
  }

  async anchor(): Promise<AnchorSlot | null> {
    return this.facts.anchor;
  }

  async issuer(): Promise<IssuerState> {
    return this.facts.issuer;
  }

  async profileTime(): Promise<bigint | null> {
    return this.facts.profileRecordedAt;
  }

  /** A proven endorsement; null also for an accreditor that was not asked about. */
  async endorsement(accreditor: IssuerReference): Promise<Endorsement | null> {
    return this.facts.endorsements.get(toHex(accreditor.issuerId)) ?? null;
  }

  /** Tell whether it is proved that an accreditor endorsed, or did not. */
  speaksOf(accreditor: IssuerReference): boolean {
    return this.facts.endorsements.has(toHex(accreditor.issuerId));
  }
}

/** An answer taken apart word by word. */
class Words {
  #next = 0;

  constructor(
    readonly answer: Uint8Array,
    words: number,
  ) {
    if (answer.length !== words * WORD) {
      throw new ChainUnavailable(`a registry's answer has ${answer.length} bytes instead of ${words * WORD}`);
    }
  }

  number(bits: number): bigint {
    const value = toNumber(this.answer.subarray(this.#next, this.#next + WORD));
    this.#next += WORD;
    if (value >> BigInt(bits)) throw new ChainUnavailable("a registry's answer holds a number out of range");
    return value;
  }

  flag(): boolean {
    return this.number(1) === 1n;
  }

  skip(words: number): void {
    this.#next += words * WORD;
  }
}
