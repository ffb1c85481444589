// One report: the verdict and what to do next, what the file says, what was checked, the technical detail.

import type { Claims, Report, Step } from "../verify/index";
import { encodeReports } from "./document";
import { make } from "./elements";
import { OUTCOMES, day, moment, toneSign } from "./words";

type Level = 2 | 3;
const heading = (level: Level): "h2" | "h3" => `h${level}`;
const below = (level: Level): "h3" | "h4" => (level === 2 ? "h3" : "h4");

/** The tinted box; `level` is that of its heading, which can be focused. */
export function verdictBox(report: Report, level: Level, ...more: readonly Node[]): HTMLElement {
  const box = make(
    "div",
    { class: `verdict ${report.tone}` },
    toneSign(report.tone),
    make(
      "div",
      {},
      make("p", { class: "of" }, make("bdi", {}, report.file), ", checked ", moment(now())),
      make(heading(level), { class: "heading", tabindex: "-1" }, report.heading),
      ...issuerLine(report),
      make("p", { class: "next" }, make("strong", {}, "What to do: "), report.next ?? "Nothing."),
      ...more,
    ),
  );
  return box;
}

function issuerLine({ issuer, verdict }: Report): Node[] {
  if (issuer === null) return [];
  const named = make("strong", {}, make("bdi", {}, issuer.name));
  const known = ["Known from ", make("bdi", {}, `“${issuer.by}”`), "."];
  const lead = verdict === "contradicted" ? "The issuer that it names: " : "Issued by ";
  return [make("p", {}, lead, named, ". ", ...known)];
}

/** Everything below the box. */
export function reportBody(report: Report, level: Level): Node[] {
  return [
    ...(report.claims === null ? [] : [claimsCard(report.claims, report, level)]),
    stepsCard(report, level),
    technicalDetail(report, level),
    colophon(report),
  ];
}

function claimsCard(claims: Claims, report: Report, level: Level): HTMLElement {
  const muted = report.tone === "red";
  const rows: [string, Node | string][] = [["Achievement", achievement(claims)]];
  if (claims.recipient !== null) rows.unshift(["Awarded to", claims.recipient]);
  rows.push(["Awarded on", day(claims.awarded)], ["Issuer", claims.issuer]);
  if (claims.creator !== null) rows.push(["Created by", claims.creator]);
  if (claims.source !== null) rows.push(["Assessed by", claims.source]);
  rows.push(["Valid", validity(claims)]);
  return make(
    "section",
    { class: muted ? "card claims muted" : "card claims" },
    make(below(level), {}, "The file says"),
    ...(muted ? [make("p", { class: "warning" }, "Do not rely on what is said here.")] : []),
    make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", { dir: "auto" }, value)])),
  );
}

function achievement({ achievement, version }: Claims): Node | string {
  if (version === null) return achievement;
  return make("span", {}, achievement, make("span", { class: "soft" }, ` (version ${version})`));
}

function validity({ validFrom, validUntil }: Claims): Node {
  const end = validUntil === null ? ["; it does not expire"] : [" until ", moment(validUntil)];
  return make("span", { dir: "ltr" }, "from ", moment(validFrom), ...end);
}

function stepsCard(report: Report, level: Level): HTMLElement {
  return make(
    "section",
    { class: "card checks" },
    make(below(level), {}, "What was checked"),
    make("ol", { class: "steps" }, ...report.steps.map(stepItem)),
    ...report.remarks.map((remark) => make("p", { class: "remark" }, remark)),
  );
}

function stepItem(step: Step): HTMLElement {
  const { sign, word } = OUTCOMES[step.outcome];
  return make(
    "li",
    { class: step.outcome, "data-code": step.code },
    make("span", { class: "sign", "aria-hidden": "true" }, sign),
    make(
      "div",
      {},
      make("p", { class: "title" }, make("strong", {}, step.title), " ", make("span", { class: "word" }, word)),
      ...(step.detail === null ? [] : [make("p", { class: "detail" }, step.detail)]),
      ...(step.next === null ? [] : [make("p", { class: "detail" }, step.next)]),
    ),
  );
}

function technicalDetail(report: Report, level: Level): HTMLElement {
  const rows: [string, string][] = [
    ["Verdict", report.verdict],
    ["Codes", report.steps.map((step) => step.code).join(", ")],
    ["Home chain", report.network ?? "not among the networks"],
    ...readRows(report),
    ["Read from", report.sources.join(", ") || "no address"],
  ];
  if (report.claims !== null) rows.push(["Credential", report.claims.id], ["Issuer record", report.claims.issuerId]);
  return make(
    "details",
    { class: "card technical" },
    make("summary", {}, "Technical detail"),
    make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, make("code", {}, value))])),
    make(below(level), {}, "Report as JSON"),
    make("pre", { class: "code", tabindex: "0", role: "region", "aria-label": `Report on ${report.file} as JSON` }, encodeReports([report])),
  );
}

function readRows(report: Report): [string, string][] {
  return report.read.map((read) => [`Block, ${read.head}`, `${read.number} of ${read.time}, ${read.block}`]);
}

/** On paper alone: the technical detail is folded there. */
function colophon(report: Report): HTMLElement {
  const lines = readRows(report).map(([name, value]) => `${name}: ${value}`);
  if (report.claims !== null) lines.push(`Credential: ${report.claims.id}`);
  const checked = `Checked at ${now()} with verifier.html ${__VERSION__}. A print-out carries no proof; the file does.`;
  return make("div", { class: "colophon" }, ...[...lines, checked].map((line) => make("p", {}, line)));
}

const now = (): string => `${new Date().toISOString().slice(0, 19)}Z`;
