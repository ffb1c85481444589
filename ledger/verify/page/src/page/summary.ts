// Several reports: what came of all, a table with the worst first, and each report folded below it.

import { worst, type Report } from "../verify/index";
import { make } from "./elements";
import { reportBody, verdictBox } from "./report";
import { toneSign, worstFirst } from "./words";

/** The box about all files. `unchecked` were left out when the person stopped it. */
export function summaryBox(reports: readonly Report[], unchecked: number, ...more: readonly Node[]): HTMLElement {
  const [first] = worstFirst(reports);
  const tone = first?.tone ?? "blue";
  const left = unchecked > 0 ? [make("p", {}, `You stopped it: ${files(unchecked)} not checked.`)] : [];
  return make(
    "div",
    { class: `verdict ${tone}` },
    toneSign(tone),
    make(
      "div",
      {},
      make("h2", { class: "heading", tabindex: "-1" }, headingOf(reports)),
      ...left,
      make("p", { class: "next" }, make("strong", {}, "What to do: "), "see each file below; the worst stands first."),
      ...more,
    ),
  );
}

const files = (count: number): string => (count === 1 ? "1 file" : `${count} files`);

function headingOf(reports: readonly Report[]): string {
  if (reports.length === 0) return "Nothing was checked";
  const code = worst(reports);
  const share = `${reports.filter((report) => report.exitCode === code).length} of ${files(reports.length)}`;
  switch (code) {
    case 0:
      return `All ${files(reports.length)} genuine and current`;
    case 1:
      return `Do not rely on ${share}`;
    case 2:
      return `The check of ${share} could not be finished`;
    default:
      return `Genuine, with a caution: ${share}`;
  }
}

/** The table, and the reports in its order. */
export function summaryBody(reports: readonly Report[]): Node[] {
  const views = worstFirst(reports).map((report) => ({ report, fold: fold(report) }));
  const rows = views.map(({ report, fold }) =>
    make(
      "tr",
      {},
      make("td", { class: `tell ${report.tone}` }, toneSign(report.tone), " ", report.heading),
      make("th", { scope: "row" }, make("button", { type: "button", class: "link", click: () => unfold(fold) }, make("bdi", {}, report.file))),
      make("td", { dir: "auto" }, said(report)),
    ),
  );
  const head = ["Verdict", "File", "The file says"].map((name) => make("th", { scope: "col" }, name));
  return [
    make(
      "section",
      { class: "card" },
      make("h3", {}, "All files"),
      make(
        "div",
        { class: "scroll", role: "region", "aria-label": "All files", tabindex: "0" },
        make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
      ),
    ),
    ...views.map(({ fold }) => fold),
  ];
}

function said({ claims }: Report): string {
  if (claims === null) return "–";
  return claims.recipient === null ? claims.achievement : `${claims.achievement}, ${claims.recipient}`;
}

function fold(report: Report): HTMLDetailsElement {
  return make(
    "details",
    { class: "report" },
    make("summary", {}, toneSign(report.tone), make("span", {}, make("bdi", {}, report.file), make("span", { class: "soft" }, ` ${report.heading}`))),
    verdictBox(report, 3),
    ...reportBody(report, 3),
  );
}

function unfold(view: HTMLDetailsElement): void {
  view.open = true;
  view.querySelector<HTMLElement>(".heading")?.focus();
}
