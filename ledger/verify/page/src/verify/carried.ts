// The evidence that a file carries: whether it holds, who vouches for its block, and whether a
// node says otherwise. docs/spec/verification.md.

import type { Anchor } from "./anchor";
import { toHex } from "./bytes";
import { type Checkpoint, names } from "./checkpoints";
import { ChainUnavailable, MalformedError } from "./errors";
import { type Evidence, EvidenceFault, type IssuerState, type Questions } from "./evidence";
import type { KeyWindow } from "./issuer";
import { caip2, type Network } from "./networks";
import { ProvenRegistries } from "./registry";
import { codeOf, sentence, step, type Step } from "./report";
import type { Block } from "./rpc";
import { moment } from "./time";
import { sameBlock, Unsettled, type Witnesses } from "./witnesses";

/** The evidence of one file, judged against the registries of the verifier's network. */
export class Carried {
  /** What is proved; null if nothing is. */
  readonly proven: ProvenRegistries | null;
  /** The step that says why the evidence contradicts the file; null if it does not. */
  readonly fault: Step | null;

  constructor(
    evidence: Evidence,
    anchor: Anchor,
    questions: Questions,
    readonly network: Network,
    readonly checkpoints: readonly Checkpoint[],
  ) {
    const judged = judge(evidence, questions);
    this.proven = judged instanceof ProvenRegistries ? judged : null;
    this.fault = judged instanceof ProvenRegistries ? againstTheFile(judged, anchor) : judged;
  }

  /** Give what is proved, if the verifier trusts the block. Throws Unsettled. */
  offline(): ProvenRegistries {
    if (this.proven === null || this.fault !== null) {
      throw new Unsettled("evidence_broken", "the evidence in the file does not hold");
    }
    if (!this.#isVouchedFor(this.proven.block)) throw this.#nobodyVouches(this.proven.block);
    return this.proven;
  }

  /**
   * Compare the evidence's block with the nodes', as far as that is final for them.
   * The step that says that it is another block; Unsettled if the verifier trusts it.
   */
  async compare(chain: Witnesses): Promise<Step | null> {
    if (this.proven === null || this.fault !== null) return null;
    const { block } = this.proven;
    if (block.number > (await chain.view("finalized")).block.number) return null;
    const canonical = await blockIfKept(chain, block.number);
    if (canonical === null || sameBlock(canonical, block)) return null;
    const shown = `0x${toHex(canonical.hash)}`;
    const where = chain.readers.map((reader) => reader.address).join(" and ");
    if (this.#isVouchedFor(block)) {
      throw new Unsettled(
        "disagreement",
        `${where} shows ${shown} as block ${block.number}; the block that you trust is 0x${toHex(block.hash)}`,
      );
    }
    return step(
      "record.evidence_other_block",
      `The evidence is of a block ${block.number} with the hash 0x${toHex(block.hash)}; ${where} shows ${shown}.`,
    );
  }

  /**
   * Compare what a node says of issuer and key with what was so earlier. Throws Unsettled.
   * Windows only ever become shorter, so one that is longer later is a lie of somebody.
   */
  checkIssuer(seen: IssuerState, at: Block, sources: string): void {
    if (this.proven === null || this.proven.block.number > at.number) return;
    const earlier = this.proven.facts.issuer;
    if (
      [null, seen.registeredAt].includes(earlier.registeredAt) &&
      [null, seen.closedAt].includes(earlier.closedAt) &&
      isShortened(earlier.window, seen.window)
    ) {
      return;
    }
    throw new Unsettled(
      "disagreement",
      `the evidence in the file, of block ${this.proven.block.number}, shows an issuer or a key that` +
        ` ${sources}, at block ${at.number}, cannot have any more`,
    );
  }

  /** Compare a node's "not withdrawn" with what is proved. Throws Unsettled. */
  checkStatus(seen: IssuerState, at: Block, sources: string): void {
    if (this.proven === null || seen.revoked || !this.proven.facts.issuer.revoked) return;
    throw new Unsettled(
      "disagreement",
      `the evidence in the file proves that it was withdrawn at block ${this.proven.block.number};` +
        ` ${sources}, at block ${at.number}, does not show that.` +
        " If it was given back since, a refreshed file shows it",
    );
  }

  /** What is proved, with who says it, if it is of a later block than this one. */
  after(block: Block): readonly (readonly [string, ProvenRegistries])[] {
    if (this.proven === null || this.proven.block.number <= block.number) return [];
    return [["the evidence in the file", this.proven]];
  }

  #isVouchedFor(block: Block): boolean {
    return this.checkpoints.some(
      (checkpoint) => checkpoint.chainId === this.network.chainId && names(checkpoint, block),
    );
  }

  #nobodyVouches(block: Block): Unsettled {
    const chain = caip2(this.network.chainId);
    const name = `${chain}:0x${toHex(block.hash)}`;
    const when = `block ${block.number} of ${moment(block.time)}`;
    if (this.checkpoints.length === 0) {
      return new Unsettled(
        "no_address",
        `no network address for ${this.network.name} was given, and no block hash to check the file's` +
          ` evidence against; that is of ${name}, ${when}`,
      );
    }
    const other = this.checkpoints.find((checkpoint) => names(checkpoint, block));
    if (other !== undefined) {
      return new Unsettled(
        "evidence_other_chain",
        `the hash of the evidence's block was given for ${caip2(other.chainId)}; the issuer is at home on ${chain}`,
      );
    }
    return new Unsettled(
      "evidence_untrusted",
      `the evidence is of ${name}, ${when}, which is none of the blocks that you trust`,
    );
  }
}

function judge(evidence: Evidence, questions: Questions): ProvenRegistries | Step {
  try {
    return ProvenRegistries.fromEvidence(evidence, questions);
  } catch (error) {
    if (error instanceof EvidenceFault) {
      return step(codeOf("record", `evidence_${error.fault}`), sentence(error));
    }
    if (error instanceof MalformedError) return step("record.evidence_malformed", sentence(error));
    throw error;
  }
}

/** The nodes' block of that number; null where they do not keep it. */
async function blockIfKept(chain: Witnesses, number: bigint): Promise<Block | null> {
  try {
    return await chain.blockAt(number);
  } catch (error) {
    if (error instanceof Unsettled || !(error instanceof ChainUnavailable)) throw error;
    return null;
  }
}

function againstTheFile(proven: ProvenRegistries, anchor: Anchor): Step | null {
  const { block } = proven;
  const slot = proven.facts.anchor;
  if (block.number < BigInt(anchor.blockNumber)) {
    return step(
      "record.evidence_too_old",
      `It is of block ${block.number}; the file says that it was recorded in block ${anchor.blockNumber}.`,
    );
  }
  if (slot === null) {
    return step(
      "record.evidence_mismatch",
      `It proves that the registry did not know the file at block ${block.number}.`,
    );
  }
  if (slot.time !== BigInt(anchor.time) || slot.blockNumber !== BigInt(anchor.blockNumber)) {
    return step(
      "record.evidence_mismatch",
      `The file says block ${anchor.blockNumber} of ${moment(BigInt(anchor.time))}; the evidence proves block` +
        ` ${slot.blockNumber} of ${moment(slot.time)}.`,
    );
  }
  return null;
}

/** Whether the later window can have come from the earlier one. */
function isShortened(earlier: KeyWindow | null, later: KeyWindow | null): boolean {
  if (earlier === null) return true;
  if (later === null || later.opened !== earlier.opened) return false;
  const pairs = [
    [earlier.until, later.until],
    [earlier.compromisedSince, later.compromisedSince],
  ] as const;
  return pairs.every(([before, after]) => before === null || (after !== null && after <= before));
}
