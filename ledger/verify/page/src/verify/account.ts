// An Ethereum account and the slots of its storage, as proofs carry them. Yellow Paper 4.1.

import { fromHex } from "./bytes";
import { MalformedError } from "./errors";
import { keccak256 } from "./keys";
import { HASH_SIZE, type Nodes } from "./mpt";
import { decode, decodeNumber, isItems, type Rlp } from "./rlp";

const FIELDS = 4;

/** What is read of an account. */
export interface Account {
  readonly storageRoot: Uint8Array;
  readonly codeHash: Uint8Array;
}

/** The account at an address; null where there is none. Throws NodeMissing and MalformedError. */
export function findAccount(nodes: Nodes, stateRoot: Uint8Array, address: string): Account | null {
  const value = nodes.find(stateRoot, keccak256(fromHex(address.slice(2))));
  if (value === null) return null;
  const fields = decode(value);
  if (!isItems(fields) || fields.length !== FIELDS) {
    throw new MalformedError("account: not a list of four fields");
  }
  return { storageRoot: hashOf(fields[2]!), codeHash: hashOf(fields[3]!) };
}

/** The word in a slot of an account's storage. Throws NodeMissing and MalformedError. */
export function findSlot(nodes: Nodes, account: Account, slot: Uint8Array): bigint {
  const value = nodes.find(account.storageRoot, keccak256(slot));
  if (value === null) return 0n;
  const word = decode(value);
  // Ethereum takes zeros out of the trie; development nodes may keep one that was cleared.
  if (isItems(word) || word.length > HASH_SIZE) {
    throw new MalformedError("storage: not a number of at most 32 bytes");
  }
  return decodeNumber(word);
}

function hashOf(item: Rlp): Uint8Array {
  if (isItems(item) || item.length !== HASH_SIZE) throw new MalformedError("account: not a hash");
  return item;
}
