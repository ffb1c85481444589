// The tree over a batch: RFC 9162 section 2.1 with SHA-256, and the sealed root.
// docs/spec/leaf-and-tree.md.

import { sha256 } from "@noble/hashes/sha2.js";

import { encodeText, fromNumber, join } from "./bytes";
import { MalformedError, ProofError } from "./errors";

export const HASH_SIZE = 32;
const MAX_TREE_SIZE = Number.MAX_SAFE_INTEGER;
const MAX_PATH_LENGTH = 53; // the path of the largest tree

const LEAF = Uint8Array.of(0x00);
const NODE = Uint8Array.of(0x01);
const SEAL = Uint8Array.of(0x02);

/** RFC 9162 2.1.1: the hash of one entry. The 0x00 keeps a node from posing as a leaf. */
export function leafHash(text: string): Uint8Array {
  return sha256(join(LEAF, encodeText(text)));
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(join(NODE, left, right));
}

/** The way from one leaf to the root: RFC 9162 2.1.3, siblings from the leaf upwards. */
export class InclusionProof {
  /** Throws MalformedError for numbers that no tree has. */
  constructor(
    readonly leafIndex: number,
    readonly treeSize: number,
    readonly path: readonly Uint8Array[],
  ) {
    if (leafIndex < 0 || leafIndex >= MAX_TREE_SIZE) {
      throw new MalformedError(`leaf index ${leafIndex} is out of range`);
    }
    if (treeSize < 1) throw new MalformedError(`tree size ${treeSize} is out of range`);
    if (path.length > MAX_PATH_LENGTH) {
      throw new MalformedError(`a path has at most ${MAX_PATH_LENGTH} hashes`);
    }
  }

  /** RFC 9162 2.1.3.2. Throws ProofError if index, size and length disagree. */
  root(leaf: Uint8Array): Uint8Array {
    if (this.leafIndex >= this.treeSize) {
      throw new ProofError(`leaf ${this.leafIndex} is not in a tree of ${this.treeSize}`);
    }
    let index = BigInt(this.leafIndex);
    let last = BigInt(this.treeSize) - 1n;
    let node = leaf;
    for (const sibling of this.path) {
      if (last === 0n) throw new ProofError("the path is longer than its tree is high");
      if (index & 1n || index === last) {
        node = nodeHash(sibling, node);
        // The last node of an odd level was promoted: climb to where it has a sibling.
        while (index && !(index & 1n)) {
          index >>= 1n;
          last >>= 1n;
        }
      } else {
        node = nodeHash(node, sibling);
      }
      index >>= 1n;
      last >>= 1n;
    }
    if (last !== 0n) throw new ProofError("the path ends below the root");
    return node;
  }

  /** What is anchored: the root bound to the size of its tree. Throws ProofError. */
  sealedRoot(leaf: Uint8Array): Uint8Array {
    return sha256(join(SEAL, fromNumber(BigInt(this.treeSize), 8), this.root(leaf)));
  }
}
