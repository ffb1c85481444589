// OpenZeppelin's merkle-tree: a tree of leaf hashes and the proof of each, which it checks as it gives it.
import { createHash } from "node:crypto";
import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { serve } from "./rounds.mjs";

const PREFIX = Buffer.of(1);

// Its proofs do not say on which side a sibling stands: pairs have to be sorted.
function nodeHash(one, other) {
  const pair = one < other ? [one, other] : [other, one];
  const hash = createHash("sha256").update(PREFIX);
  for (const node of pair) hash.update(Buffer.from(node.slice(2), "hex"));
  return `0x${hash.digest("hex")}`;
}

await serve(({ leaves }) => {
  const prove = () => {
    const tree = SimpleMerkleTree.of(leaves, { sortLeaves: false, nodeHash });
    return { root: tree.root, paths: leaves.map((_, index) => tree.getProof(index)) };
  };
  return { answer: prove(), run: prove };
});
