// The networks a verifier accepts. docs/spec/networks-and-trust.md. A credential names a chain
// and a registry; whether they count is decided here.

import { NETWORKS } from "../generated/networks";
import { fromHex } from "./bytes";
import type { Json } from "./canonical";
import { closed, text } from "./closed";
import { named, parseDocument, readList, readName } from "./documents";
import { MalformedError } from "./errors";

const MAX_BYTES = 262_144;
const MAX_NETWORKS = 100;
const CHAIN_ID = /^eip155:([1-9][0-9]{0,15})$/;
const ADDRESS = /^0x[0-9a-f]{40}$/;
const HASH = /^0x[0-9a-f]{64}$/;
const MEMBERS = ["name", "chainId", "genesisHash", "anchorRegistry", "issuerRegistry", "test"];

/** One chain, told from its look-alikes by id, first block and registry addresses. */
export interface Network {
  readonly name: string;
  readonly chainId: number;
  readonly genesisHash: Uint8Array;
  readonly anchorRegistry: string;
  readonly issuerRegistry: string;
  readonly test: boolean;
}

/** Accepted without any file. */
export const BUILT_IN: readonly Network[] = NETWORKS.map((network) => ({
  ...network,
  genesisHash: fromHex(network.genesisHash),
}));

/** Write a chain id as CAIP-2 does. */
export function caip2(chainId: number): string {
  return `eip155:${chainId}`;
}

/** Find the one entry of a chain; null if the verifier does not accept it. */
export function findNetwork(networks: readonly Network[], chainId: number): Network | null {
  return networks.find((network) => network.chainId === chainId) ?? null;
}

/** Read a networks file; no chain and no name may stand in it twice. Throws MalformedError. */
export function parseNetworks(data: Uint8Array): readonly Network[] {
  const document = parseDocument(data, ["networks"], "networks file", MAX_BYTES);
  const entries = readList(document.get("networks")!, "networks", MAX_NETWORKS);
  if (entries.length === 0) throw new MalformedError("networks: empty, so nothing could ever be accepted");
  const networks = entries.map((entry, at) => readNetwork(entry, `networks[${at}]`));
  const chains = new Set<number>();
  const names = new Set<string>();
  for (const { chainId, name } of networks) {
    if (chains.has(chainId)) throw new MalformedError(`networks: ${caip2(chainId)} stands there twice`);
    if (names.has(name)) throw new MalformedError(`networks: two are called ${name}`);
    chains.add(chainId);
    names.add(name);
  }
  return networks;
}

function readNetwork(value: Json, where: string): Network {
  const entry = closed(value, MEMBERS, where);
  const [anchorRegistry, chainId, genesisHash, issuerRegistry, name] = [
    "anchorRegistry",
    "chainId",
    "genesisHash",
    "issuerRegistry",
    "name",
  ].map((member) => text(entry.get(member)!, `${where}.${member}`)) as [string, string, string, string, string];
  const chain = CHAIN_ID.exec(chainId);
  if (chain === null) throw new MalformedError(`${where}.chainId: eip155: and a number expected`);
  if (!HASH.test(genesisHash)) {
    throw new MalformedError(`${where}.genesisHash: 0x and 64 lower-case hex digits`);
  }
  const test = entry.get("test")!;
  if (typeof test !== "boolean") throw new MalformedError(`${where}.test: true or false expected`);
  const network = {
    name,
    chainId: Number(chain[1]),
    genesisHash: fromHex(genesisHash.slice(2)),
    anchorRegistry,
    issuerRegistry,
    test,
  };
  named(where, () => checkNetwork(network));
  return network;
}

function checkNetwork(network: Network): void {
  readName(network.name, "network.name");
  if (network.chainId > Number.MAX_SAFE_INTEGER) {
    throw new MalformedError("network.chainId: between 1 and 2^53 - 1");
  }
  for (const member of ["anchorRegistry", "issuerRegistry"] as const) {
    if (!ADDRESS.test(network[member])) {
      throw new MalformedError(`network.${member}: 0x and 40 lower-case hex digits`);
    }
  }
  if (network.anchorRegistry === network.issuerRegistry) {
    throw new MalformedError("network: both registries at one address");
  }
}
