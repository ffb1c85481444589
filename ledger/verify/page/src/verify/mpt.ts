// Reading Ethereum's Merkle-Patricia trie from the nodes of a proof. Yellow Paper appendix D.

import { toHex } from "./bytes";
import { MalformedError, ProofError } from "./errors";
import { keccak256 } from "./keys";
import { decode, isItems, type Rlp } from "./rlp";

export const HASH_SIZE = 32;
/** The root of a trie in which there is nothing. */
const EMPTY_ROOT = toHex(keccak256(Uint8Array.of(0x80)));

const BRANCH = 17;
const PATH = 2;
type Node = readonly Rlp[];

/** A proof leads to a node that is not there. */
export class NodeMissing extends ProofError {
  override readonly name = "NodeMissing";
}

/** The nodes of one or several proofs, and which of them were used so far. */
export class Nodes {
  readonly #raw = new Map<string, Uint8Array>();
  readonly #used = new Map<string, Node>();

  /** Throws MalformedError if one of them stands there twice. */
  constructor(nodes: readonly Uint8Array[]) {
    for (const node of nodes) {
      const name = toHex(keccak256(node));
      if (this.#raw.has(name)) throw new MalformedError("a node stands there twice");
      this.#raw.set(name, node);
    }
  }

  /** The nodes that proofs led to, in order of first use. */
  get used(): readonly Uint8Array[] {
    return Array.from(this.#used.keys(), (name) => this.#raw.get(name)!);
  }

  /** The nodes that no proof led to. */
  get unused(): readonly Uint8Array[] {
    return Array.from(this.#raw)
      .filter(([name]) => !this.#used.has(name))
      .map(([, node]) => node);
  }

  /**
   * The value at a key under a root; null where the nodes show that there is none.
   * Throws NodeMissing, and MalformedError for a node that cannot stand in a trie.
   */
  find(root: Uint8Array, key: Uint8Array): Uint8Array | null {
    if (toHex(root) === EMPTY_ROOT) return null;
    let path = toHex(key); // one character for each half byte
    let node = this.#node(root);
    for (;;) {
      let child: Rlp;
      if (node.length === BRANCH) {
        if (path === "") return orNull(valueOf(node[16]!));
        child = node[Number.parseInt(path[0]!, 16)]!;
        path = path.slice(1);
        if (child.length === 0 && !isItems(child)) return null;
      } else {
        const [shared, isLeaf] = sharedPath(node[0]!);
        if (isLeaf) {
          const value = valueOf(node[1]!, true);
          return shared === path ? value : null;
        }
        if (!path.startsWith(shared)) return null;
        child = node[1]!;
        path = path.slice(shared.length);
      }
      node = isItems(child) ? checked(child) : this.#node(child);
    }
  }

  #node(name: Uint8Array): Node {
    const written = toHex(name);
    const known = this.#used.get(written);
    if (known !== undefined) return known;
    if (name.length !== HASH_SIZE) refuse("a child that is neither a hash nor a node");
    const raw = this.#raw.get(written);
    if (raw === undefined) throw new NodeMissing(`the node 0x${written} is missing`);
    const node = checked(decode(raw));
    this.#used.set(written, node);
    return node;
  }
}

/** A node in its form; children are looked at when a proof leads there. */
function checked(item: Rlp): Node {
  if (!isItems(item) || (item.length !== BRANCH && item.length !== PATH)) {
    refuse("neither a branch nor a path");
  }
  return item;
}

/** The half bytes of a leaf or extension, and whether it is a leaf: hex-prefix form. */
function sharedPath(item: Rlp): [string, boolean] {
  if (isItems(item) || item.length === 0) refuse("a path that is no byte string");
  const text = toHex(item);
  const flag = item[0]! >> 4;
  if (flag > 3) refuse("a path of an unknown kind");
  const isLeaf = (flag & 2) !== 0;
  const isOdd = (flag & 1) !== 0;
  if (!isOdd && text[1] !== "0") refuse("a path with a filler other than 0");
  const shared = text.slice(isOdd ? 1 : 2);
  if (shared === "" && !isLeaf) refuse("an extension by nothing");
  return [shared, isLeaf];
}

function valueOf(item: Rlp, isLeaf = false): Uint8Array {
  if (isItems(item) || (isLeaf && item.length === 0)) refuse("a leaf without a value");
  return item;
}

function orNull(value: Uint8Array): Uint8Array | null {
  return value.length === 0 ? null : value;
}

function refuse(what: string): never {
  throw new MalformedError(`trie node: ${what}`);
}
