// The three steps that are read from the issuer's home chain: record, issuer, withdrawal. Each
// fails to be read on its own: what is known stays known. docs/spec/verification.md.

import type { AnchorProof } from "./anchor";
import { Carried } from "./carried";
import type { Checkpoint } from "./checkpoints";
import { ChainUnavailable } from "./errors";
import { endorsementCovers, type IssuerState } from "./evidence";
import { type IssuerProfile, type IssuerReference, type KeyWindow, windowCovers } from "./issuer";
import { caip2, findNetwork, type Network } from "./networks";
import {
  anchorCall,
  CalledRegistries,
  endorsementCall,
  issuerCall,
  profileTimeCall,
  ProvenRegistries,
  type RegistryView,
} from "./registry";
import { codeOf, type KnownIssuer, type ReadBlock, readBlock, sentence, step, type Step, type StepName } from "./report";
import type { ChainReader, Tag } from "./rpc";
import { moment } from "./time";
import { accreditorsBeside, findTrusted, type TrustList } from "./trust";
import { type Foreseen, reasonOf, Unsettled, Witnesses } from "./witnesses";

/**
 * How far, in seconds, the newest block's time may be from the verifier's clock. Further, and
 * the address shows the past, where what is withdrawn today still stands. Networks for tests
 * make blocks only when somebody needs one.
 */
const MAX_BEHIND = 3_600n;

/** So many accreditors are asked for before it is known that the first ones did not endorse. */
const ACCREDITORS_AT_ONCE = 3;

/** What the signed bytes name, and the anchor proof if the file carries one. */
export interface Subject {
  readonly issuer: IssuerReference;
  readonly keyId: Uint8Array;
  readonly statusIndex: number;
  readonly claimedName: string;
  readonly proof: AnchorProof | null;
}

/** What the verifier decides, and not the file. */
export interface Given {
  readonly readers: readonly ChainReader[];
  readonly networks: readonly Network[];
  readonly checkpoints: readonly Checkpoint[];
  readonly trust: TrustList | null;
  /** Seconds. */
  readonly now: bigint;
}

type Chain = Witnesses | ProvenRegistries | ChainUnavailable;

/** The home chain of one credential. Ask for record, issuer and withdrawal, in this order. */
export class HomeChain {
  #unreadRecord: ChainUnavailable | null = null;
  #state: IssuerState | null = null;
  /** The time T from which the record shows the credential to exist; null: not known. */
  #t: bigint | null = null;
  /** Who the issuer is, if a source that the verifier trusts says so. */
  known: KnownIssuer | null = null;

  private constructor(
    readonly subject: Subject,
    readonly given: Given,
    readonly network: Network | null,
    readonly carried: Carried | null,
    readonly chain: Chain,
  ) {}

  static async open(subject: Subject, given: Given): Promise<HomeChain> {
    const network = findNetwork(given.networks, subject.issuer.chainId);
    const carried = network === null ? null : carriedBy(subject, network, given.checkpoints);
    const chain = await gather(subject, network, carried, given);
    return new HomeChain(subject, given, network, carried, chain);
  }

  /** The addresses that were believed. */
  get sources(): readonly string[] {
    return this.chain instanceof Witnesses ? this.chain.readers.map((reader) => reader.address) : [];
  }

  /** The blocks that answers were read at. */
  get read(): readonly ReadBlock[] {
    const name = caip2(this.subject.issuer.chainId);
    if (this.chain instanceof ChainUnavailable) return [];
    if (this.chain instanceof ProvenRegistries) return [readBlock("evidence", name, this.chain.block)];
    return this.chain.read.map(([tag, block]) => readBlock(tag, name, block));
  }

  // ---------------------------------------------------------------- record

  /** Find the sealed root in the AnchorRegistry, and with it the time T. */
  async record(): Promise<Step> {
    const { proof } = this.subject;
    if (proof === null) return step("record.none", "It is signed, but carries no anchor proof.");
    const fault = this.carried?.fault ?? null;
    try {
      const found = await this.#record(proof);
      // Whatever else fails is told first: evidence is beside the record.
      return found.outcome === "failed" ? found : (fault ?? found);
    } catch (error) {
      if (!(error instanceof ChainUnavailable)) throw error;
      this.#unreadRecord = error;
      return fault ?? unread("record", error, "This is not the credential's fault.");
    }
  }

  async #record(proof: AnchorProof): Promise<Step> {
    const anchor = proof.home;
    const network = this.#network();
    if (anchor.chainId !== network.chainId || anchor.registry !== network.anchorRegistry) {
      return step(
        "record.other_registry",
        `The file names the registry ${anchor.registry} on ${caip2(anchor.chainId)};` +
          ` ${network.name} has its own at ${network.anchorRegistry}.`,
      );
    }
    const view = await this.#view("finalized");
    const slot = await view.anchor(proof.sealedRoot);
    if (slot === null) return this.#missing(proof, view);
    this.#t = slot.time;
    const found = `block ${slot.blockNumber} of ${moment(slot.time)}`;
    if (slot.time !== BigInt(anchor.time) || slot.blockNumber !== BigInt(anchor.blockNumber)) {
      return step(
        "record.mismatch",
        `The file says block ${anchor.blockNumber} of ${moment(BigInt(anchor.time))}; the registry says ${found}.`,
      );
    }
    if (this.carried !== null && this.chain instanceof Witnesses) {
      const otherBlock = await this.carried.compare(this.chain);
      if (otherBlock !== null) return otherBlock;
    }
    return step("record.final", `In ${network.name}, ${found}. It existed then in exactly this form.`);
  }

  async #missing(proof: AnchorProof, view: RegistryView): Promise<Step> {
    const { number } = view.block;
    const { blockNumber } = proof.home;
    if (number < BigInt(blockNumber)) {
      return step("record.not_final", `Block ${blockNumber} is not final; final is block ${number}.`);
    }
    if ((await (await this.#view("latest")).anchor(proof.sealedRoot)) !== null) {
      return step("record.not_final", `Not there yet at final block ${number}.`);
    }
    return step(
      "record.not_found",
      `The registry at block ${number} does not know what the file claims to have stood there since block ${blockNumber}.`,
    );
  }

  // ---------------------------------------------------------------- issuer

  /** Check the key against the issuer's record at T, and say who the issuer is. */
  async issuer(): Promise<Step> {
    try {
      return await this.#issuer();
    } catch (error) {
      if (error instanceof ChainUnavailable) return unread("issuer", error);
      throw error;
    }
  }

  async #issuer(): Promise<Step> {
    const network = this.#network();
    const reference = this.subject.issuer;
    if (reference.registry !== network.issuerRegistry) {
      return step(
        "issuer.other_registry",
        `The file names the register ${reference.registry}; ${network.name} has its own at ${network.issuerRegistry}.`,
      );
    }
    const view = await this.#view("finalized");
    const state = await this.#issuerState(view);
    this.#state = state;
    this.carried?.checkIssuer(state, view.block, this.#teller);
    let pending = false;
    if (state.window === null) {
      pending = await this.#openedSince();
      if (!pending) return this.#stranger(state);
    } else {
      // Whether the key was good at T is not known.
      if (this.#t === null && this.#unreadRecord !== null) throw this.#unreadRecord;
      const fault = this.#fault(state.window, view);
      if (fault !== null) return fault;
      await this.#checkLater(view);
    }
    const { proof } = this.subject;
    if (proof !== null && !(await this.#records(view, proof.issuerProfile))) {
      if (!(await this.#records(await this.#view("latest"), proof.issuerProfile))) {
        return step(
          "issuer.profile_unknown",
          "The issuer's register entry never had the description that came with the file.",
        );
      }
      pending = true;
    }
    return this.#identity(view, pending);
  }

  /**
   * Tell whether issuer and key were recorded after the finalized block. Only of use to a file
   * without a final anchor: a final one is older than such a key.
   */
  async #openedSince(): Promise<boolean> {
    if (this.#t !== null) return false;
    const latest = await this.#view("latest");
    const { window } = await this.#issuerState(latest);
    return window !== null && windowCovers(window, latest.block.time);
  }

  #stranger(state: IssuerState): Step {
    const { text } = this.subject.issuer;
    if (state.registeredAt === null) return step("issuer.not_registered", `No register entry ${text}.`);
    return step("issuer.key_unknown", `The key that signed was never recorded as a signing key of ${text}.`);
  }

  #fault(window: KeyWindow, view: RegistryView): Step | null {
    // Without a final record only a key that is open now can be relied on: the holder of one
    // that was lost yesterday can sign today.
    const at = this.#t ?? view.block.time;
    const when = this.#t === null ? `not recorded by ${moment(at)}` : `recorded ${moment(at)}`;
    if (windowCovers(window, at)) return null;
    if (at < window.opened) {
      return step("issuer.key_too_early", `Credential ${when}; key recorded ${moment(window.opened)}.`);
    }
    const bounds = [
      ["issuer.key_compromised", "key compromised since", window.compromisedSince],
      ["issuer.closed", "issuer closed", window.closedAt],
      ["issuer.key_ended", "key ended", window.until],
    ] as const;
    for (const [code, what, bound] of bounds) {
      if (bound !== null && bound <= at) return step(code, `Credential ${when}; ${what} ${moment(bound)}.`);
    }
    throw new Error("a key window that covers nothing and has no bound");
  }

  /**
   * Ask whoever knows a later block whether the key is still good there. Throws Unsettled.
   * An address that lags, or says so, would hide a compromise declared since.
   */
  async #checkLater(view: RegistryView): Promise<void> {
    const proven = this.chain instanceof Witnesses ? (this.carried?.after(view.block) ?? []) : [];
    for (const [source, registry] of [...(await this.#later("finalized")), ...proven]) {
      const { window } = await this.#issuerState(registry);
      if (window !== null && this.#fault(window, view) === null) continue;
      throw new Unsettled(
        "disagreement",
        `${source}, further on at block ${registry.block.number}, shows another window of the key than there` +
          ` was at block ${view.block.number}, the last that all have`,
      );
    }
  }

  async #records(view: RegistryView, profile: IssuerProfile): Promise<boolean> {
    return (await view.profileTime(this.subject.issuer, profile.hash)) !== null;
  }

  async #identity(view: RegistryView, pending: boolean): Promise<Step> {
    const claimed = this.subject.claimedName;
    const introduced = await this.#introduce(view);
    if (introduced === null) {
      return step(
        "issuer.unknown",
        `The file says “${claimed}”, but no list or accreditor that you trust says who` +
          ` ${this.subject.issuer.text} is.`,
      );
    }
    this.known = introduced.known;
    const detail =
      introduced.known.name === claimed ? introduced.detail : `${introduced.detail} The file says “${claimed}”.`;
    return step(pending ? "issuer.not_final" : introduced.code, detail);
  }

  /** Who the issuer is: from the trust list, or from an endorsed profile; null: nobody says. */
  async #introduce(view: RegistryView): Promise<Introduction | null> {
    const { trust } = this.given;
    const { proof, issuer } = this.subject;
    if (trust === null) return null;
    const entry = findTrusted(trust, issuer);
    if (entry !== undefined) {
      return {
        code: "issuer.trusted",
        known: { name: entry.name, by: trust.name },
        detail: `${entry.name}, on the list “${trust.name}”.`,
      };
    }
    if (proof === null) return null;
    const at = this.#t ?? view.block.time;
    const profile = proof.issuerProfile;
    for (const accreditor of accreditorsBeside(trust, issuer)) {
      const endorsement = await view.endorsement(accreditor.reference, issuer, profile.hash);
      if (endorsement !== null && endorsementCovers(endorsement, at)) {
        return {
          code: "issuer.endorsed",
          known: { name: profile.name, by: accreditor.name },
          detail:
            `${profile.name} (${hostOf(profile.url)}), endorsed by ${accreditor.name}` +
            ` since ${moment(endorsement.opened)}.`,
        };
      }
    }
    return null;
  }

  // ---------------------------------------------------------------- withdrawal

  /** Ask for the status bit: always, also for a file without an anchor proof. */
  async withdrawal(): Promise<Step> {
    try {
      return await this.#withdrawal();
    } catch (error) {
      if (error instanceof ChainUnavailable) return unread("withdrawal", error);
      throw error;
    }
  }

  async #withdrawal(): Promise<Step> {
    const network = this.#network();
    if (this.subject.issuer.registry !== network.issuerRegistry) {
      return step("withdrawal.no_issuer", "The file names another register.");
    }
    const view = await this.#view("latest");
    const state = await this.#issuerState(view);
    const { block } = view;
    const seen = `as of ${moment(block.time)}, block ${block.number}, from ${this.#teller}.`;
    if (state.registeredAt === null) return step("withdrawal.no_issuer", `No such issuer ${seen}`);
    if (state.revoked) {
      return step(
        "withdrawal.withdrawn",
        `Seen ${seen} The register keeps neither the day nor the reason.`,
      );
    }
    if (this.chain instanceof ProvenRegistries) {
      return state.closedForGood
        ? step("withdrawal.none", `Seen ${seen} Nobody can withdraw it since.`)
        : step("withdrawal.as_of", `Seen ${seen}`);
    }
    this.carried?.checkStatus(state, block, this.#teller);
    this.#checkAge(view, network);
    for (const [source, registry] of await this.#later("latest")) {
      if (!(await this.#issuerState(registry)).revoked) continue;
      throw new Unsettled(
        "disagreement",
        `${source}, further on at block ${registry.block.number}, shows that it was withdrawn since block` +
          ` ${block.number}, the last that all have`,
      );
    }
    return step("withdrawal.none", `Seen ${seen}`);
  }

  /** Who says it. */
  get #teller(): string {
    return this.sources.join(" and ") || "the evidence in the file";
  }

  #checkAge(view: RegistryView, network: Network): void {
    const { time, number } = view.block;
    const distance = this.given.now - time;
    const sources = this.#teller;
    if (!network.test && (distance > MAX_BEHIND || -distance > MAX_BEHIND)) {
      throw new Unsettled(
        "behind",
        `the newest block of ${sources} is of ${moment(time)}, and it is ${moment(this.given.now)} here`,
      );
    }
    const read = this.chain instanceof Witnesses ? this.chain.read : [];
    for (const [, block] of read) {
      if (block.number > number) {
        throw new Unsettled(
          "behind",
          `${sources}: final block ${block.number}, but newest block ${number}`,
        );
      }
    }
  }

  // ---------------------------------------------------------------- beside the steps

  /** What to know besides, once the issuer step did not fail. */
  remarks(issuer: Step): readonly string[] {
    const remarks: string[] = [];
    const closed = this.#state?.closedAt ?? null;
    if (closed !== null && issuer.outcome !== "failed") {
      remarks.push(
        `This issuer closed on ${moment(closed)}. The record does not depend on it.` +
          (this.#state?.closedForGood ? " It named no successor, so nobody can withdraw it any more." : ""),
      );
    }
    remarks.push(...this.#silence(issuer));
    const others = this.subject.proof?.anchors.slice(1) ?? [];
    if (others.length > 0) {
      const chains = others.map((anchor) => caip2(anchor.chainId)).join(", ");
      remarks.push(`The file also names ${chains}; this was not checked.`);
    }
    return remarks;
  }

  /** Offline only those accreditors count whose word is in the evidence. */
  #silence(issuer: Step): readonly string[] {
    const { chain } = this;
    const { trust } = this.given;
    if (!(chain instanceof ProvenRegistries) || trust === null || issuer.code !== "issuer.unknown") return [];
    const [first, ...more] = accreditorsBeside(trust, this.subject.issuer).filter(
      (accreditor) => !chain.speaksOf(accreditor.reference),
    );
    if (first === undefined) return [];
    return [
      `The evidence does not say whether ${first.name}` +
        (more.length > 0 ? ` and ${more.length} more` : "") +
        " endorsed this issuer; refreshing the file with your trust list adds that.",
    ];
  }

  // ---------------------------------------------------------------- the chain

  #network(): Network {
    return accepted(this.network, this.subject);
  }

  async #view(tag: Tag): Promise<RegistryView> {
    if (this.chain instanceof ChainUnavailable) throw this.chain;
    if (this.chain instanceof ProvenRegistries) return this.chain; // one block is all there is
    return new CalledRegistries(await this.chain.view(tag));
  }

  /** The registries at later blocks than all addresses have, by who shows them. */
  async #later(tag: Tag): Promise<readonly (readonly [string, RegistryView])[]> {
    if (!(this.chain instanceof Witnesses)) return [];
    return (await this.chain.ahead(tag)).map(([source, view]) => [source, new CalledRegistries(view)] as const);
  }

  async #issuerState(view: RegistryView): Promise<IssuerState> {
    return view.issuer(this.subject.issuer, this.subject.keyId, this.subject.statusIndex);
  }
}

interface Introduction {
  readonly code: "issuer.trusted" | "issuer.endorsed";
  readonly known: KnownIssuer;
  readonly detail: string;
}

/** Judge the evidence in the file; null if it carries none. */
function carriedBy(subject: Subject, network: Network, checkpoints: readonly Checkpoint[]): Carried | null {
  const { proof } = subject;
  if (proof === null || proof.home.evidence === null) return null;
  const questions = {
    anchorRegistry: network.anchorRegistry,
    issuerRegistry: network.issuerRegistry,
    sealedRoot: proof.sealedRoot,
    issuerId: subject.issuer.issuerId,
    profileHash: proof.issuerProfile.hash,
    keyId: subject.keyId,
    statusIndex: subject.statusIndex,
  };
  return new Carried(proof.home.evidence, proof.home, questions, network, checkpoints);
}

async function gather(
  subject: Subject,
  network: Network | null,
  carried: Carried | null,
  given: Given,
): Promise<Chain> {
  try {
    const home = accepted(network, subject);
    return await Witnesses.gather(home, given.readers, foresee(subject, home, carried, given.trust));
  } catch (error) {
    if (!(error instanceof ChainUnavailable)) throw error;
    if (reasonOf(error) !== "no_address" || carried === null) return error;
  }
  try {
    return carried.offline();
  } catch (error) {
    if (error instanceof Unsettled) return error;
    throw error;
  }
}

/** What the three steps ask of a chain that has nothing to object to. */
function foresee(
  { issuer, keyId, statusIndex, proof }: Subject,
  network: Network,
  carried: Carried | null,
  trust: TrustList | null,
): Readonly<Record<Tag, Foreseen>> {
  const isAnchored = proof !== null && proof.home.registry === network.anchorRegistry;
  const anchors = isAnchored ? [anchorCall(proof.sealedRoot)] : [];
  const blocks = isAnchored && carried?.proven && carried.fault === null ? [carried.proven.block.number] : [];
  if (issuer.registry !== network.issuerRegistry) {
    return { finalized: { anchors, issuers: [], blocks }, latest: { anchors: [], issuers: [], blocks: [] } };
  }
  const state = issuerCall(issuer, keyId, statusIndex);
  const issuers = [state];
  if (proof !== null) {
    const { hash } = proof.issuerProfile;
    const isListed = trust === null || findTrusted(trust, issuer) !== undefined;
    const accreditors = isListed ? [] : accreditorsBeside(trust, issuer).slice(0, ACCREDITORS_AT_ONCE);
    issuers.push(
      profileTimeCall(issuer, hash),
      ...accreditors.map(({ reference }) => endorsementCall(reference, issuer, hash)),
    );
  }
  return { finalized: { anchors, issuers, blocks }, latest: { anchors: [], issuers: [state], blocks: [] } };
}

function accepted(network: Network | null, subject: Subject): Network {
  if (network !== null) return network;
  throw new Unsettled(
    "unknown_network",
    `the issuer is at home on ${caip2(subject.issuer.chainId)}, which is no network that you accept`,
  );
}

function unread(name: StepName, error: ChainUnavailable, comfort = ""): Step {
  const why = sentence(error);
  return step(codeOf(name, reasonOf(error)), comfort === "" ? why : `${why} ${comfort}`);
}

/** The host of a URL that was checked: no user name, no brackets. */
function hostOf(url: string): string {
  const rest = url.slice(url.indexOf("://") + 3);
  return rest.slice(0, rest.search(/[/:?#]|$/)).toLowerCase();
}
