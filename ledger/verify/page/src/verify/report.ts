// The report of a verification: seven steps in fixed order, one verdict from a closed list.
// docs/spec/verification.md. What a code means stands in the generated tables; `decide` alone
// gets from the one to the other.

import { EXIT_ORDER, FINDINGS, STEPS, WORDINGS } from "../generated/report";
import { toHex } from "./bytes";
import type { SignedCredential } from "./credential";
import { textAt, memberAt } from "./open_badge";
import { type Network, caip2 } from "./networks";
import type { Block } from "./rpc";
import { hides } from "./text";
import { encodeTime, moment } from "./time";

export type StepName = (typeof STEPS)[number];
export type Code = keyof typeof FINDINGS;
export type Verdict = keyof typeof WORDINGS;
export type Outcome = "passed" | "failed" | "note" | "could_not_check" | "not_checked";
export type Tone = "green" | "amber" | "red" | "blue";

/** One step and its one code; the code decides outcome and title. */
export interface Step {
  readonly step: StepName;
  readonly outcome: Outcome;
  readonly code: Code;
  readonly title: string;
  readonly detail: string | null;
  /** What to do about it; null if there is nothing of its own to do. */
  readonly next: string | null;
}

/** What the signed file says; what it leaves out is null. True only in so far as its issuer tells the truth. */
export interface Claims {
  readonly id: string;
  readonly achievement: string;
  readonly version: string | null;
  readonly recipient: string | null;
  readonly issuer: string;
  readonly issuerId: string;
  readonly creator: string | null;
  readonly source: string | null;
  readonly awarded: string;
  readonly validFrom: string;
  readonly validUntil: string | null;
}

/** Who the issuer is, by a source that the verifier trusts. */
export interface KnownIssuer {
  readonly name: string;
  /** The trust list or the accreditor. */
  readonly by: string;
}

/** A block that answers were read at, named with its chain: "finalized", "latest" or "evidence". */
export interface ReadBlock {
  readonly head: string;
  readonly number: number;
  readonly block: string;
  readonly time: string;
}

/** One file's report: exactly the JSON object that the command prints for it. */
export interface Report {
  readonly file: string;
  readonly verdict: Verdict;
  readonly heading: string;
  readonly tone: Tone;
  readonly exitCode: number;
  readonly test: boolean;
  readonly next: string;
  readonly steps: readonly Step[];
  readonly claims: Claims | null;
  readonly issuer: KnownIssuer | null;
  readonly network: string | null;
  readonly read: readonly ReadBlock[];
  readonly sources: readonly string[];
  readonly accordingTo: string | null;
  readonly remarks: readonly string[];
}

/** Everything one check found. */
export interface Findings {
  readonly claims: Claims | null;
  readonly issuer: KnownIssuer | null;
  readonly network: Network | null;
  readonly read: readonly ReadBlock[];
  readonly sources: readonly string[];
  readonly remarks: readonly string[];
}

const NOTHING: Findings = { claims: null, issuer: null, network: null, read: [], sources: [], remarks: [] };
const CAUTION = 3;
const SIGNS: Readonly<Record<Outcome, string>> = {
  passed: "✓",
  failed: "✕",
  note: "!",
  could_not_check: "?",
  not_checked: "–",
};
// Verdicts that say nothing about the chain do not name who told it.
const NOT_READ: readonly Verdict[] = ["not_a_credential", "changed", "incomplete"];

/** The step of a code. */
export function step(code: Code, detail = ""): Step {
  const { outcome, title, next } = FINDINGS[code];
  const name = code.slice(0, code.indexOf(".")) as StepName;
  return { step: name, outcome, code, title, detail: detail || null, next: next || null };
}

/** A code that is put together of a step and a reason. */
export function codeOf(name: StepName, reason: string): Code {
  const code = `${name}.${reason}`;
  if (!Object.hasOwn(FINDINGS, code)) throw new Error(`no finding is called ${code}`);
  return code as Code;
}

/** Complete a report that ends early: what follows was not checked. */
export function stoppedAfter(...steps: readonly Step[]): readonly Step[] {
  const rest = STEPS.filter((name) => !steps.some((done) => done.step === name));
  return [...steps, ...rest.map((name) => step(codeOf(name, "not_checked")))];
}

/** The report of these steps. */
export function report(file: string, steps: readonly Step[], findings: Findings = NOTHING): Report {
  if (steps.map((each) => each.step).join() !== STEPS.join()) {
    throw new Error("a report has all steps in their order");
  }
  const [verdict, decisive] = decide(steps);
  const wording = WORDINGS[verdict];
  const { network, sources, read } = findings;
  const test = network !== null && network.test;
  const alone = sources.length === 1 && !NOT_READ.includes(verdict);
  const accordingTo = alone ? sources[0]! : null;

  let heading: string = wording.heading;
  if (verdict === "genuine_as_of") {
    heading = `Genuine as of ${read.map((block) => block.time.split("T", 1)[0]).join(", ")}`;
  }
  if (test) heading = `TEST: ${heading}`;
  if (accordingTo !== null) heading = `${heading}, according to ${accordingTo}`;

  const next =
    test && verdict === "genuine"
      ? "This is a network for tests: outside of it nobody can rely on it."
      : (decisive?.next ?? wording.next);
  return {
    file,
    verdict,
    heading,
    // Nothing on a test network is green.
    tone: test && wording.tone === "green" ? "amber" : wording.tone,
    exitCode: test && wording.exitCode === 0 ? CAUTION : wording.exitCode,
    test,
    next,
    steps,
    claims: findings.claims,
    issuer: findings.issuer,
    network: network === null ? null : caip2(network.chainId),
    read,
    sources,
    accordingTo,
    remarks: findings.remarks,
  };
}

type Rule = readonly [Verdict, (step: Step) => boolean];

const failed = (...names: readonly StepName[]) => (each: Step) => each.outcome === "failed" && names.includes(each.step);
const noted = (...names: readonly StepName[]) => (each: Step) => each.outcome === "note" && names.includes(each.step);
const found = (code: Code) => (each: Step) => each.code === code;

const RULES: readonly Rule[] = [
  ["not_a_credential", failed("file")],
  ["changed", failed("content")],
  ["contradicted", failed("issuer", "record", "dates", "person")],
  ["withdrawn", failed("withdrawal")],
  ["incomplete", (each) => each.outcome === "could_not_check" || each.outcome === "not_checked"],
  ["unknown_issuer", found("issuer.unknown")],
  ["not_recorded", noted("issuer", "record")],
  ["expired", found("dates.expired")],
  ["not_yet_valid", found("dates.not_yet_valid")],
  ["genuine_as_of", noted("withdrawal")],
];

/** The verdict, and the step that made it: the first rule that applies. */
function decide(steps: readonly Step[]): readonly [Verdict, Step | null] {
  for (const [verdict, applies] of RULES) {
    const decisive = steps.find(applies);
    if (decisive !== undefined) return [verdict, decisive];
  }
  return ["genuine", null];
}

/** The exit code of several reports: the worst, in the order 1, 2, 3, 0. */
export function worst(reports: readonly Report[]): number {
  const codes = reports.map((each) => each.exitCode);
  return EXIT_ORDER.find((code) => codes.includes(code)) ?? 0;
}

/** What a credential says of itself. */
export function claimsOf(credential: SignedCredential): Claims {
  const achievement = memberAt(credential.document, "credentialSubject", "achievement")!;
  const creator = textAt(achievement, "creator", "name");
  const { validUntil, claimedIssuerName } = credential;
  return {
    id: credential.id,
    achievement: credential.achievementName,
    version: textAt(achievement, "version"),
    recipient: credential.recipientName,
    issuer: claimedIssuerName,
    issuerId: credential.issuerReference.text,
    creator: creator === claimedIssuerName ? null : creator,
    source: credential.claimedSourceName,
    awarded: credential.awardedDate,
    validFrom: encodeTime(credential.validFrom),
    validUntil: validUntil === null ? null : encodeTime(validUntil),
  };
}

/** A block as reports name it. */
export function readBlock(head: string, chain: string, block: Block): ReadBlock {
  return {
    head,
    number: Number(block.number),
    block: `${chain}:0x${toHex(block.hash)}`,
    time: moment(block.time),
  };
}

/** The report for a person, as the command tells it: the verdict first, what to do next last. */
export function toText(given: Report): string {
  const lines = [`${given.file}: ${given.heading}`, "", ...claimsText(given.claims)];
  for (const each of given.steps) {
    lines.push(`  ${SIGNS[each.outcome]} ${each.title}`);
    if (each.detail !== null) lines.push(`      ${each.detail}`);
  }
  lines.push("", ...given.remarks.map((remark) => `  ${remark}`));
  for (const read of given.read) {
    lines.push(`  Read at ${read.head} block ${read.number} of ${read.time}, ${read.block}`);
  }
  if (given.sources.length > 0) lines.push(`  Read from ${given.sources.join(" and ")}`);
  lines.push(`  Next: ${given.next}`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function claimsText(claims: Claims | null): readonly string[] {
  if (claims === null) return [];
  const version = claims.version === null ? "" : ` (version ${claims.version})`;
  const person = claims.recipient === null ? "" : ` to ${claims.recipient}`;
  const lines = [
    `  The file says: ${claims.achievement}${version}, awarded${person} on ${claims.awarded} by ${claims.issuer}`,
  ];
  if (claims.creator !== null) lines.push(`  The file says: created by ${claims.creator}`);
  if (claims.source !== null) lines.push(`  The file says: assessed by ${claims.source}`);
  return [...lines, ""];
}

/** An error's message with a full stop. */
export function sentence(error: Error): string {
  let end = error.message.length;
  while (end > 0 && error.message[end - 1] === ".") end--;
  return `${error.message.slice(0, end)}.`;
}

/** Keep a terminal safe: what could move the cursor or reorder text becomes its number. */
function printable(line: string): string {
  return Array.from(line, (character) => {
    if (!hides(character)) return character;
    return `<U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}>`;
  }).join("");
}
