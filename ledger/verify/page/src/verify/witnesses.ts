// Several readers of one chain, who count only as far as they agree: whatever two of them answer
// differently is not known at all, and nobody is outvoted.

import { ANCHOR_REGISTRY_CODE_HASH, ISSUER_REGISTRY_CODE_HASH } from "../generated/registries";
import { same, toHex } from "./bytes";
import { ChainUnavailable } from "./errors";
import { keccak256 } from "./keys";
import { caip2, type Network } from "./networks";
import { type Block, blockQuestion, callQuestion, type ChainReader, codeQuestion, type Question, type Tag } from "./rpc";

/** Why something on a chain could not be read, as machine codes end in it. */
export type Reason =
  | "unreachable" // no answer, or none that makes sense
  | "unknown_network" // the verifier does not accept this chain
  | "no_address" // no address was given for this chain
  | "other_chain" // right chain id, another first block
  | "no_registry" // the registry's code is not at its address
  | "disagreement" // two addresses answered differently
  | "behind" // the newest block is too old, or not born yet
  | "evidence_broken" // it does not hold
  | "evidence_untrusted" // nobody vouches for its block
  | "evidence_other_chain"; // its block's hash was given for another chain

/** Not known, for a reason that has a code of its own. */
export class Unsettled extends ChainUnavailable {
  override readonly name = "Unsettled";

  constructor(
    readonly code: Reason,
    message: string,
  ) {
    super(message);
  }
}

/** The reason of a failed reading. */
export function reasonOf(error: ChainUnavailable): Reason {
  return error instanceof Unsettled ? error.code : "unreachable";
}

/** What will probably be asked at the newest block of a kind, if nothing is wrong. */
export interface Foreseen {
  /** Calls of views of the two registries. */
  readonly anchors: readonly Uint8Array[];
  readonly issuers: readonly Uint8Array[];
  /** Older blocks. */
  readonly blocks: readonly bigint[];
}

/** One chain at one block, as all its witnesses see it. */
export class View {
  readonly #genuine = new Set<string>();

  constructor(
    readonly network: Network,
    readonly readers: readonly ChainReader[],
    readonly block: Block,
  ) {}

  /** Call a view of AnchorRegistry. Throws ChainUnavailable. */
  async askAnchors(data: Uint8Array): Promise<Uint8Array> {
    return this.#ask(this.network.anchorRegistry, ANCHOR_REGISTRY_CODE_HASH, data);
  }

  /** Call a view of IssuerRegistry. Throws ChainUnavailable. */
  async askIssuers(data: Uint8Array): Promise<Uint8Array> {
    return this.#ask(this.network.issuerRegistry, ISSUER_REGISTRY_CODE_HASH, data);
  }

  async #ask(registry: string, codeHash: string, data: Uint8Array): Promise<Uint8Array> {
    if (!this.#genuine.has(registry)) {
      await this.#checkCode(registry, codeHash);
      this.#genuine.add(registry);
    }
    const { number } = this.block;
    return agreed(
      this.readers,
      (reader) => reader.call(registry, data, number),
      same,
      `about the registry ${registry} at block ${number}`,
    );
  }

  async #checkCode(registry: string, codeHash: string): Promise<void> {
    for (const reader of this.readers) {
      const code = await reader.code(registry, this.block.number);
      // An empty answer would otherwise be read as zeros: "never withdrawn".
      if (toHex(keccak256(code)) !== codeHash) {
        const found = code.length > 0 ? "another contract" : "no contract";
        throw new Unsettled(
          "no_registry",
          `${reader.address} shows ${found} at ${registry}, where the registry should be`,
        );
      }
    }
  }
}

const TAGS: readonly Tag[] = ["finalized", "latest"];
const GENESIS = blockQuestion(0n);

/** The readers that speak for one network, asked together. */
export class Witnesses {
  readonly #views = new Map<Tag, View | ChainUnavailable>();
  readonly #heads = new Map<Tag, readonly Block[]>();

  private constructor(
    readonly network: Network,
    readonly readers: readonly ChainReader[],
    readonly foreseen: Readonly<Record<Tag, Foreseen>>,
  ) {}

  /** Pick the readers of this network and check that it is the one. Throws ChainUnavailable. */
  static async gather(
    network: Network,
    readers: readonly ChainReader[],
    foreseen: Readonly<Record<Tag, Foreseen>>,
  ): Promise<Witnesses> {
    const first = isEmpty(foreseen.finalized) ? [GENESIS] : [GENESIS, blockQuestion("finalized")];
    for (const reader of readers) {
      reader.forget();
      reader.prefetch(BigInt(network.chainId), first);
    }
    const mine: ChainReader[] = [];
    const others: string[] = [];
    for (const reader of readers) {
      const chainId = await reader.chainId();
      if (chainId === BigInt(network.chainId)) mine.push(reader);
      else others.push(`${reader.address} answers for eip155:${chainId}`);
    }
    if (mine.length === 0) {
      const found = others.join("; ") || "none was given";
      throw new Unsettled(
        "no_address",
        `no network address for ${network.name} (${caip2(network.chainId)}): ${found}`,
      );
    }
    for (const reader of mine) {
      const { hash } = await reader.block(0n);
      if (!same(hash, network.genesisHash)) {
        throw new Unsettled(
          "other_chain",
          `${reader.address} shows a chain that begins with 0x${toHex(hash)};` +
            ` ${network.name} begins with 0x${toHex(network.genesisHash)}`,
        );
      }
    }
    return new Witnesses(network, mine, foreseen);
  }

  /** The chain at the newest block of that kind that all have. Throws ChainUnavailable. */
  async view(tag: Tag): Promise<View> {
    const view = this.#views.get(tag) ?? (await this.#open(tag));
    this.#views.set(tag, view);
    if (view instanceof ChainUnavailable) throw view;
    return view;
  }

  async #open(tag: Tag): Promise<View | ChainUnavailable> {
    try {
      return new View(this.network, this.readers, await this.#block(tag));
    } catch (error) {
      if (error instanceof ChainUnavailable) return error;
      throw error;
    }
  }

  /** The block of that number, as all have it. Throws ChainUnavailable. */
  async blockAt(number: bigint): Promise<Block> {
    return agreed(this.readers, (reader) => reader.block(number), sameBlock, `about block ${number}`);
  }

  /**
   * Those whose own newest block of that kind is above the one that all have, by address.
   * Whoever lags, or says so, would otherwise choose how much of the past is read.
   * Throws ChainUnavailable.
   */
  async ahead(tag: Tag): Promise<readonly (readonly [string, View])[]> {
    const common = (await this.view(tag)).block.number;
    return this.readers.flatMap((reader, at) => {
      const head = this.#heads.get(tag)![at]!;
      return head.number > common ? [[reader.address, new View(this.network, [reader], head)] as const] : [];
    });
  }

  /** The blocks read so far, finalized first. */
  get read(): readonly (readonly [Tag, Block])[] {
    return TAGS.flatMap((tag) => {
      const view = this.#views.get(tag);
      return view instanceof View ? [[tag, view.block] as const] : [];
    });
  }

  async #block(tag: Tag): Promise<Block> {
    const heads: Block[] = [];
    for (const reader of this.readers) heads.push(await reader.block(tag));
    this.#heads.set(tag, heads);
    const common = heads.map((head) => head.number).reduce((lowest, number) => (number < lowest ? number : lowest));
    for (const reader of this.readers) reader.prefetch(BigInt(this.network.chainId), this.#next(tag, common));
    return this.blockAt(common);
  }

  /** What is going to be asked once the newest block of a kind is known. */
  #next(tag: Tag, number: bigint): readonly Question[] {
    const { anchorRegistry, issuerRegistry } = this.network;
    const { anchors, issuers, blocks } = this.foreseen[tag];
    const views = [
      [anchorRegistry, anchors],
      [issuerRegistry, issuers],
    ] as const;
    return [
      blockQuestion(number),
      ...views.flatMap(([registry, calls]) =>
        calls.length === 0
          ? []
          : [codeQuestion(registry, number), ...calls.map((data) => callQuestion(registry, data, number))],
      ),
      ...blocks.filter((block) => block <= number).map(blockQuestion),
      // Never before the final block is known: the newest must not be the older of the two.
      ...(tag === "finalized" && !isEmpty(this.foreseen.latest) ? [blockQuestion("latest")] : []),
    ];
  }
}

function isEmpty({ anchors, issuers, blocks }: Foreseen): boolean {
  return anchors.length + issuers.length + blocks.length === 0;
}

/** Whether two readers name the same block. */
export function sameBlock(one: Block, other: Block): boolean {
  return one.number === other.number && one.time === other.time && same(one.hash, other.hash);
}

async function agreed<Answer>(
  readers: readonly ChainReader[],
  ask: (reader: ChainReader) => Promise<Answer>,
  isSame: (one: Answer, other: Answer) => boolean,
  about: string,
): Promise<Answer> {
  const [first, ...rest] = readers as [ChainReader, ...ChainReader[]];
  const answer = await ask(first);
  for (const reader of rest) {
    if (!isSame(await ask(reader), answer)) {
      throw new Unsettled(
        "disagreement",
        `${first.address} and ${reader.address} give different answers ${about}`,
      );
    }
  }
  return answer;
}
