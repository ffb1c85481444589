// proof[1] of a durable credential: how its leaf leads to a sealed root, and where that stands.
// A closed set of members, one encoding for each. docs/spec/anchor-proof.md.

import { same, toHex } from "./bytes";
import type { Json, JsonObject } from "./canonical";
import { closed, hash, integer, list, text } from "./closed";
import { MalformedError, ProofError } from "./errors";
import { Evidence } from "./evidence";
import { IssuerProfile } from "./issuer";
import { InclusionProof } from "./merkle";
import { encodeTime, parseTime } from "./time";

const TYPE = "MerkleAnchorProof2026";
const PURPOSE = "assertionMethod";
const MAX_ANCHORS = 8;
const ADDRESS = /^0x[0-9a-f]{40}$/;
const CHAIN = /^eip155:([1-9][0-9]{0,15})$/;
const MEMBERS = [
  "type",
  "proofPurpose",
  "leafIndex",
  "treeSize",
  "inclusionPath",
  "sealedRoot",
  "issuerProfile",
  "anchors",
];
const ANCHOR_MEMBERS = ["chainId", "registry", "blockNumber", "time"];

/** Where one chain keeps a sealed root. Only the home chain's anchor may have evidence. */
export interface Anchor {
  readonly chainId: number;
  readonly registry: string;
  readonly blockNumber: number;
  readonly time: number;
  readonly evidence: Evidence | null;
}

/** The anchor proof. The issuer's home chain stands first, the others by ascending chain id. */
export interface AnchorProof {
  readonly inclusion: InclusionProof;
  readonly sealedRoot: Uint8Array;
  readonly issuerProfile: IssuerProfile;
  readonly anchors: readonly Anchor[];
  /** The anchor on the issuer's home chain. */
  readonly home: Anchor;
}

/** Recompute the sealed root from a leaf. Throws ProofError if it is another one. */
export function checkAnchorProof(proof: AnchorProof, leaf: Uint8Array): void {
  if (!same(proof.inclusion.sealedRoot(leaf), proof.sealedRoot)) {
    throw new ProofError("the inclusion path does not lead to the sealed root");
  }
}

/** Read an anchor proof. Throws MalformedError. */
export function readAnchorProof(value: Json): AnchorProof {
  const where = "proof[1]";
  const members = closed(value, MEMBERS, where);
  for (const [member, constant] of [["type", TYPE], ["proofPurpose", PURPOSE]] as const) {
    if (members.get(member) !== constant) throw new MalformedError(`${where}.${member}: not ${constant}`);
  }
  const path = list(members.get("inclusionPath")!, `${where}.inclusionPath`);
  const listed = list(members.get("anchors")!, `${where}.anchors`);
  const inclusion = new InclusionProof(
    integer(members.get("leafIndex")!, `${where}.leafIndex`),
    integer(members.get("treeSize")!, `${where}.treeSize`),
    path.map((sibling, at) => hash(sibling, `${where}.inclusionPath[${at}]`)),
  );
  const sealedRoot = hash(members.get("sealedRoot")!, `${where}.sealedRoot`);
  const issuerProfile = IssuerProfile.fromJson(members.get("issuerProfile")!);
  const anchors = listed.map((anchor, at) => readAnchor(anchor, `${where}.anchors[${at}]`));
  checkAnchors(anchors);
  return { inclusion, sealedRoot, issuerProfile, anchors, home: anchors[0]! };
}

function checkAnchors(anchors: readonly Anchor[]): void {
  if (anchors.length < 1 || anchors.length > MAX_ANCHORS) {
    throw new MalformedError(`a proof has between 1 and ${MAX_ANCHORS} anchors`);
  }
  const chains = anchors.map((anchor) => anchor.chainId);
  if (new Set(chains).size !== chains.length) throw new MalformedError("a proof names no chain twice");
  const others = chains.slice(1);
  if (others.some((chain, at) => at > 0 && chain < others[at - 1]!)) {
    throw new MalformedError("anchors after the first stand by ascending chain id");
  }
  if (anchors.slice(1).some((anchor) => anchor.evidence !== null)) {
    throw new MalformedError("evidence stands with the home chain's anchor alone");
  }
}

function readAnchor(value: Json, where: string): Anchor {
  const members = closed(value, ANCHOR_MEMBERS, where, ["evidence"]);
  const chain = CHAIN.exec(text(members.get("chainId")!, `${where}.chainId`));
  if (chain === null) throw new MalformedError(`${where}.chainId: not eip155: and a number`);
  const anchor = {
    chainId: Number(chain[1]),
    registry: text(members.get("registry")!, `${where}.registry`),
    blockNumber: integer(members.get("blockNumber")!, `${where}.blockNumber`),
    time: parseTime(text(members.get("time")!, `${where}.time`)),
    evidence: members.has("evidence") ? Evidence.fromJson(members.get("evidence")!, `${where}.evidence`) : null,
  };
  if (anchor.chainId > Number.MAX_SAFE_INTEGER) {
    throw new MalformedError("an anchor's chain id lies between 1 and 2^53 - 1");
  }
  if (!ADDRESS.test(anchor.registry)) {
    throw new MalformedError("an anchor's registry is 0x and 40 lower-case hex digits");
  }
  if (anchor.blockNumber < 0) throw new MalformedError("an anchor's block number is out of range");
  if (anchor.time < 0) throw new MalformedError("an anchor's time is out of range");
  return anchor;
}

/** Write the proof from what was read: what is not carried is lost here, and seen. */
export function encodeAnchorProof(proof: AnchorProof): JsonObject {
  return new Map<string, Json>([
    ["type", TYPE],
    ["proofPurpose", PURPOSE],
    ["leafIndex", proof.inclusion.leafIndex],
    ["treeSize", proof.inclusion.treeSize],
    ["inclusionPath", proof.inclusion.path.map((node) => `0x${toHex(node)}`)],
    ["sealedRoot", `0x${toHex(proof.sealedRoot)}`],
    ["issuerProfile", proof.issuerProfile.document],
    ["anchors", proof.anchors.map(encodeAnchor)],
  ]);
}

function encodeAnchor(anchor: Anchor): JsonObject {
  const document = new Map<string, Json>([
    ["chainId", `eip155:${anchor.chainId}`],
    ["registry", anchor.registry],
    ["blockNumber", anchor.blockNumber],
    ["time", encodeTime(anchor.time)],
  ]);
  if (anchor.evidence !== null) document.set("evidence", anchor.evidence.toJson());
  return document;
}
