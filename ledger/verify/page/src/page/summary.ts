// Several reports: what came of all, a table with the worst first, and each report folded below it.

import { worst, type Report } from "../verify/index";
import { make, within } from "./elements";
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
      make("p", { class: "next" }, make("strong", {}, "What to do: "), "see each file in the table; the worst stands first."),
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

/** The table, and below it the report of the row that was chosen; first that of the worst. */
export function summaryBody(reports: readonly Report[]): Node[] {
  const chosen = make("section", { id: "chosen", class: "report", "aria-label": "Report on one file" });
  const buttons: HTMLButtonElement[] = [];
  const choose = (at: number): void => {
    const report = sorted[at];
    if (report === undefined) return;
    for (const [other, button] of buttons.entries()) button.setAttribute("aria-expanded", String(other === at));
    chosen.replaceChildren(verdictBox(report, 3), ...reportBody(report, 3));
  };
  const sorted = worstFirst(reports);
  const rows = sorted.map((report, at) => {
    const button = make(
      "button",
      {
        type: "button",
        class: "link",
        "aria-controls": "chosen",
        click: () => {
          choose(at);
          within(chosen, ".heading", HTMLElement).focus();
        },
      },
      make("bdi", {}, report.file),
    );
    buttons.push(button);
    return make(
      "tr",
      {},
      make("td", {}, make("span", { class: `tell ${report.tone}` }, toneSign(report.tone), make("span", {}, report.heading))),
      make("th", { scope: "row" }, button),
      make("td", {}, make("bdi", {}, said(report))),
    );
  });
  choose(0);
  const head = ["Verdict", "File", "The file says"].map((name) => make("th", { scope: "col" }, name));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return [
    make(
      "section",
      { class: "card" },
      make("h3", {}, "All files"),
      make("div", { class: "scroll", role: "region", "aria-label": "All files", tabindex: "0" }, table),
    ),
    chosen,
  ];
}

function said({ claims }: Report): string {
  if (claims === null) return "–";
  return claims.recipient === null ? claims.achievement : `${claims.achievement}, ${claims.recipient}`;
}
