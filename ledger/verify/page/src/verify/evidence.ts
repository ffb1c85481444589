// Evidence: what both registries say about one credential, provable from one block hash.
// docs/spec/evidence.md.

import * as registries from "../generated/registries";
import { findAccount, findSlot } from "./account";
import { fromHex, fromNumber, join, same, toHex } from "./bytes";
import { isList, type Json, type JsonObject } from "./canonical";
import { closed } from "./closed";
import { MalformedError, ProofError } from "./errors";
import { type BlockHeader, MAX_HEADER, readHeader } from "./header";
import { covers, type KeyWindow } from "./issuer";
import { decodeBase64url, encodeBase64url, keccak256 } from "./keys";
import { NodeMissing, Nodes } from "./mpt";
import { count } from "./text";

const MAX_NODES = 1_024;
const MAX_NODE_BYTES = 65_536;
const MAX_ACCREDITORS = 16;
const HASH = /^0x[0-9a-f]{64}$/;

/** Why evidence of the right form proves nothing. */
export type Fault =
  | "incomplete" // a node is missing
  | "surplus" // a node that no proof needs
  | "elsewhere" // of this block, but of another account or another slot
  | "stitched" // of another block, or changed
  | "no_registry"; // no registry at its address, or one with other code

/** Well-formed evidence that does not prove the answers. */
export class EvidenceFault extends ProofError {
  override readonly name = "EvidenceFault";

  constructor(
    readonly fault: Fault,
    message: string,
  ) {
    super(message);
  }
}

// ---------------------------------------------------------------- what registries say

/** When a sealed root was anchored, in the chain's own words. */
export interface AnchorSlot {
  readonly time: bigint;
  readonly blockNumber: bigint;
}

/** An issuer, one signing key of it, one status bit. */
export interface IssuerState {
  readonly registeredAt: bigint | null; // null: there is no such issuer
  readonly closedAt: bigint | null;
  readonly closedForGood: boolean; // closed, and no successor: nobody can withdraw any more
  readonly window: KeyWindow | null; // null: never a signing key of this issuer
  readonly revoked: boolean;
}

/** An accreditor's word for one issuer and one profile. */
export interface Endorsement {
  readonly opened: bigint;
  readonly until: bigint | null;
  readonly withdrawnSince: bigint | null;
}

/** Whether an endorsement stood at T: from <= T < min(until, withdrawnSince). */
export function endorsementCovers(endorsement: Endorsement, t: bigint): boolean {
  return covers(endorsement.opened, [endorsement.until, endorsement.withdrawnSince], t);
}

/** The answers to the questions of one credential, all at one block. */
export interface RegistryFacts {
  readonly anchor: AnchorSlot | null; // null: proved to be in no block up to this one
  readonly issuer: IssuerState;
  readonly profileRecordedAt: bigint | null;
  /** accreditor (hex) -> its endorsement, null if there is none; others were not asked about */
  readonly endorsements: ReadonlyMap<string, Endorsement | null>;
}

/** What is to be proved of one credential, and at which addresses: the verifier's own. */
export interface Questions {
  readonly anchorRegistry: string;
  readonly issuerRegistry: string;
  readonly sealedRoot: Uint8Array;
  readonly issuerId: Uint8Array;
  readonly profileHash: Uint8Array;
  readonly keyId: Uint8Array;
  readonly statusIndex: number;
}

// ---------------------------------------------------------------- where they say it

function anchorSlots(questions: Questions): readonly Uint8Array[] {
  return [slotOf(registries.ANCHORS_SLOT, questions.sealedRoot)];
}

/** The slots of IssuerRegistry, in the order of the proofs. */
function issuerSlots(questions: Questions, accreditors: readonly Uint8Array[]): readonly Uint8Array[] {
  const { issuerId, profileHash, keyId } = questions;
  const word = fromNumber(BigInt(questions.statusIndex >> 8), 32);
  return [
    slotOf(registries.ISSUERS_SLOT, issuerId),
    slotOf(registries.PROFILES_SLOT, issuerId, profileHash),
    slotOf(registries.KEYS_SLOT, issuerId, keyId),
    slotOf(registries.STATUS_SLOT, issuerId, word),
    ...accreditors.map((each) => slotOf(registries.ENDORSEMENTS_SLOT, each, issuerId, profileHash)),
  ];
}

/** Where a value of a (nested) mapping stands: keccak256(key ++ slot), outermost first. */
function slotOf(mapping: number, ...keys: readonly Uint8Array[]): Uint8Array {
  return keys.reduce((slot, key) => keccak256(join(key, slot)), fromNumber(BigInt(mapping), 32));
}

function part(word: bigint, place: registries.Packed): bigint {
  return (word >> BigInt(place.shift)) & ((1n << BigInt(place.bits)) - 1n);
}

/** A number, and null for the 0 that stands for "none". */
export function orNull(number: bigint): bigint | null {
  return number === 0n ? null : number;
}

// ---------------------------------------------------------------- evidence

/** A header, the nodes below it, and the accreditors whose endorsements are proved. */
export class Evidence {
  private constructor(
    readonly header: Uint8Array,
    readonly nodes: readonly Uint8Array[],
    readonly accreditors: readonly Uint8Array[],
  ) {
    if (header.length < 1 || header.length > MAX_HEADER) {
      throw new MalformedError(`evidence.header: 1 to ${MAX_HEADER} bytes`);
    }
    if (nodes.length < 1 || nodes.some((node) => node.length === 0)) {
      throw new MalformedError(`evidence.nodes: 1 to ${MAX_NODES}, none of them empty`);
    }
    if (nodes.reduce((size, node) => size + node.length, 0) > MAX_NODE_BYTES) {
      throw new MalformedError(`evidence.nodes: more than ${MAX_NODE_BYTES} bytes`);
    }
    if (accreditors.some((each, at) => at > 0 && toHex(each) <= toHex(accreditors[at - 1]!))) {
      throw new MalformedError("evidence.accreditors: ascending, each once");
    }
  }

  /** Read the closed set of members. Throws MalformedError. */
  static fromJson(value: Json, where: string): Evidence {
    const members = closed(value, ["header", "nodes"], where, ["accreditors"]);
    let accreditors: readonly Uint8Array[] = [];
    if (members.has("accreditors")) {
      const listed = bounded(members.get("accreditors")!, `${where}.accreditors`, MAX_ACCREDITORS);
      if (listed.length === 0) throw new MalformedError(`${where}.accreditors: empty, so left out`);
      accreditors = listed.map((each) => idOf(each, `${where}.accreditors`));
    }
    const nodes = bounded(members.get("nodes")!, `${where}.nodes`, MAX_NODES);
    return new Evidence(
      bytes(members.get("header")!, `${where}.header`, MAX_HEADER),
      nodes.map((node, at) => bytes(node, `${where}.nodes[${at}]`, MAX_NODE_BYTES)),
      accreditors,
    );
  }

  /** Write the members. */
  toJson(): JsonObject {
    const document = new Map<string, Json>([
      ["header", `u${encodeBase64url(this.header)}`],
      ["nodes", this.nodes.map((node) => `u${encodeBase64url(node)}`)],
    ]);
    if (this.accreditors.length > 0) {
      document.set("accreditors", this.accreditors.map((each) => `0x${toHex(each)}`));
    }
    return document;
  }

  /** The block that everything is proved at. Throws MalformedError. */
  get block(): BlockHeader {
    return readHeader(this.header);
  }

  /**
   * Answer from header and nodes alone. Throws MalformedError for a header or node that is
   * none, or another order of the nodes; EvidenceFault for all else that proves nothing.
   */
  prove(questions: Questions): RegistryFacts {
    const root = this.block.stateRoot;
    const nodes = new Nodes(this.nodes);
    let facts: RegistryFacts;
    try {
      facts = answer(root, nodes, questions, this.accreditors);
    } catch (error) {
      throw error instanceof NodeMissing ? diagnosis(this, questions) : error;
    }
    if (nodes.unused.length > 0) {
      throw new EvidenceFault("surplus", `${nodes.unused.length} nodes that no proof needs`);
    }
    if (nodes.used.some((node, at) => node !== this.nodes[at])) {
      throw new MalformedError("the nodes do not stand in the order of first use");
    }
    return facts;
  }
}

// ---------------------------------------------------------------- walking the proofs

/** A contract that must stand at an address, with this code. */
interface Registry {
  readonly name: string;
  readonly address: string;
  readonly codeHash: string;
}

function anchorRegistry(questions: Questions): Registry {
  const codeHash = registries.ANCHOR_REGISTRY_CODE_HASH;
  return { name: "AnchorRegistry", address: questions.anchorRegistry, codeHash };
}

function issuerRegistry(questions: Questions): Registry {
  const codeHash = registries.ISSUER_REGISTRY_CODE_HASH;
  return { name: "IssuerRegistry", address: questions.issuerRegistry, codeHash };
}

function answer(
  stateRoot: Uint8Array,
  nodes: Nodes,
  questions: Questions,
  accreditors: readonly Uint8Array[],
): RegistryFacts {
  const [anchor] = words(nodes, stateRoot, anchorRegistry(questions), anchorSlots(questions)) as [bigint];
  const [issuer, profile, key, status, ...endorsements] = words(
    nodes,
    stateRoot,
    issuerRegistry(questions),
    issuerSlots(questions, accreditors),
  ) as [bigint, bigint, bigint, bigint, ...bigint[]];
  const time = part(anchor, registries.ANCHOR_TIME);
  const revoked = ((status >> BigInt(questions.statusIndex & 255)) & 1n) === 1n;
  return {
    anchor: time ? { time, blockNumber: part(anchor, registries.ANCHOR_BLOCK_NUMBER) } : null,
    issuer: issuerState(issuer, key, revoked),
    profileRecordedAt: orNull(profile),
    endorsements: new Map(accreditors.map((each, at) => [toHex(each), endorsementIn(endorsements[at]!)])),
  };
}

/** The words in these slots of a registry. Code is compared before storage is believed. */
function words(
  nodes: Nodes,
  stateRoot: Uint8Array,
  registry: Registry,
  slots: readonly Uint8Array[],
): readonly bigint[] {
  const account = findAccount(nodes, stateRoot, registry.address);
  if (account === null || toHex(account.codeHash) !== registry.codeHash) {
    const found = account === null ? "no account" : "another contract";
    throw new EvidenceFault(
      "no_registry",
      `${found} at ${registry.address}, where the ${registry.name} should be`,
    );
  }
  return slots.map((slot) => findSlot(nodes, account, slot));
}

function issuerState(issuer: bigint, key: bigint, revoked: boolean): IssuerState {
  const closedAt = orNull(part(issuer, registries.ISSUER_CLOSED_AT));
  const opened = part(key, registries.KEY_FROM);
  let window: KeyWindow | null = null;
  if (opened && part(key, registries.KEY_ROLE) === BigInt(registries.SIGNING_ROLE)) {
    window = {
      opened,
      until: orNull(part(key, registries.KEY_UNTIL)),
      compromisedSince: orNull(part(key, registries.KEY_COMPROMISED_SINCE)),
      closedAt,
    };
  }
  return {
    registeredAt: orNull(part(issuer, registries.ISSUER_REGISTERED_AT)),
    closedAt,
    closedForGood: part(issuer, registries.ISSUER_CLOSED_FOR_GOOD) !== 0n,
    window,
    revoked,
  };
}

/** Read the slot of an endorsement; null if it was never given. */
function endorsementIn(word: bigint): Endorsement | null {
  const opened = part(word, registries.ENDORSEMENT_FROM);
  if (!opened) return null;
  return {
    opened,
    until: orNull(part(word, registries.ENDORSEMENT_UNTIL)),
    withdrawnSince: orNull(part(word, registries.ENDORSEMENT_WITHDRAWN_SINCE)),
  };
}

// ---------------------------------------------------------------- what is wrong with it

/** Tell why a node is missing, from the nodes that are there instead. */
function diagnosis(evidence: Evidence, questions: Questions): EvidenceFault {
  const { stateRoot, number } = evidence.block;
  const nodes = new Nodes(evidence.nodes);
  const asked: readonly (readonly [Registry, readonly Uint8Array[]])[] = [
    [anchorRegistry(questions), anchorSlots(questions)],
    [issuerRegistry(questions), issuerSlots(questions, evidence.accreditors)],
  ];
  for (const [registry, slots] of asked) {
    // Each slot for itself: what the others need is not to be taken for surplus.
    for (const slot of slots) walk(nodes, stateRoot, registry, slot);
  }
  const unused = nodes.unused;
  if (unused.length === 0) return new EvidenceFault("incomplete", "a node that a proof needs is missing");
  if (isReachable(nodes.used, unused)) {
    return new EvidenceFault(
      "elsewhere",
      "it proves another account or another slot than those of this credential",
    );
  }
  return new EvidenceFault(
    "stitched",
    `${unused.length} nodes do not hang together with the state of block ${number}: changed, or of another block`,
  );
}

function walk(nodes: Nodes, stateRoot: Uint8Array, registry: Registry, slot: Uint8Array): void {
  try {
    words(nodes, stateRoot, registry, [slot]);
  } catch (error) {
    if (!(error instanceof NodeMissing) && !(error instanceof EvidenceFault)) throw error;
  }
}

/** Whether some of the others hang below known nodes, all of them taken together. */
function isReachable(known: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return others.some((other) => {
    const name = keccak256(other);
    return known.some((node) => contains(node, name));
  });
}

function contains(data: Uint8Array, wanted: Uint8Array): boolean {
  for (let at = 0; at + wanted.length <= data.length; at++) {
    if (data[at] === wanted[0] && same(data.subarray(at, at + wanted.length), wanted)) return true;
  }
  return false;
}

// ---------------------------------------------------------------- JSON

function bounded(value: Json, where: string, most: number): readonly Json[] {
  if (!isList(value)) throw new MalformedError(`${where}: not a list`);
  if (value.length > most) throw new MalformedError(`${where}: more than ${most}`);
  return value;
}

function bytes(value: Json, where: string, most: number): Uint8Array {
  if (typeof value !== "string" || !value.startsWith("u")) {
    throw new MalformedError(`${where}: not base64url with a leading u`);
  }
  if (count(value) > Math.floor((most * 4) / 3) + 3) {
    throw new MalformedError(`${where}: more than ${most} bytes`);
  }
  try {
    return decodeBase64url(value.slice(1));
  } catch (error) {
    throw error instanceof MalformedError ? new MalformedError(`${where}: ${error.message}`) : error;
  }
}

function idOf(value: Json, where: string): Uint8Array {
  if (typeof value !== "string" || !HASH.test(value)) {
    throw new MalformedError(`${where}: not 0x and 64 lower-case hex digits`);
  }
  return fromHex(value.slice(2));
}
