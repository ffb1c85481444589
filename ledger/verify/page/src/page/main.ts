// verifier.html: takes what a person gives, has it checked, and shows what came of it.

import "./style.css";
import type { Report } from "../verify/index";
import { showAbout } from "./about";
import { check } from "./checking";
import { copy, encodeReports, save } from "./document";
import { byId, make, printable, within } from "./elements";
import { carriesCredential, fromFiles, fromFragment, fromText, type Given } from "./given";
import { reportBody, verdictBox } from "./report";
import { SettingFault, Settings } from "./settings";
import { summaryBody, summaryBox } from "./summary";
import { OUTCOMES } from "./words";

const live = byId("live", HTMLElement);
const result = byId("result", HTMLElement);
const settings = new Settings(settingsChanged);

/** What was given last, for "check again"; the number tells an overtaken check that it is. */
let last: readonly Given[] = [];
let run = 0;

async function checkAll(given: readonly Given[]): Promise<void> {
  const mine = ++run;
  last = given;
  let options;
  try {
    options = await settings.options();
  } catch (error) {
    if (!(error instanceof SettingFault)) throw error;
    showSettingFault(error);
    return;
  }
  if (mine !== run) return;
  const stop = showProgress(given.length);
  const reports: Report[] = [];
  let known = given.length;
  for await (const report of check(given, options, (name, done, total) => {
    known = total;
    if (mine === run) stop.tell(name, done, total);
  })) {
    if (mine !== run) return;
    reports.push(report);
    known = Math.max(known, reports.length);
    if (stop.asked) break;
  }
  if (mine === run) showReports(reports, known - reports.length);
}

function show(...nodes: readonly Node[]): void {
  result.replaceChildren(...nodes);
  result.hidden = false;
}

function focusHeading(): void {
  const heading = within(result, ".heading", HTMLElement);
  heading.focus({ preventScroll: true });
  result.scrollIntoView({ block: "start" });
}

interface Stop {
  asked: boolean;
  tell(name: string, done: number, total: number): void;
}

function showProgress(total: number): Stop {
  const bar = make("progress", { "aria-label": "Files checked" });
  const what = make("p", { class: "soft" }, " ");
  const stop: Stop = {
    asked: false,
    tell: (name, done, known) => {
      bar.max = known;
      bar.value = done;
      what.textContent = known > 1 ? `${done} of ${known} done; now ${printable(name)}` : printable(name);
    },
  };
  const button = make("button", { type: "button", class: "button", click: () => { stop.asked = true; } }, "Stop");
  const busy = make("div", { class: "verdict busy" }, make("span", { class: "sign", "aria-hidden": "true" }, "…"),
    make("div", {}, make("h2", { class: "heading", tabindex: "-1" }, "Checking…"), what, bar, ...(total > 1 ? [make("p", {}, button)] : [])));
  show(busy);
  live.textContent = total === 1 ? "Checking the file." : `Checking ${total} files.`;
  return stop;
}

function showReports(reports: readonly Report[], unchecked: number): void {
  const [only] = reports;
  const actions = actionsFor(reports);
  if (only !== undefined && reports.length === 1 && unchecked === 0) {
    show(verdictBox(only, 2, actions), ...reportBody(only, 2));
  } else {
    show(summaryBox(reports, unchecked, actions), ...summaryBody(reports));
  }
  const heading = within(result, ".heading", HTMLElement).textContent ?? "";
  document.title = `${heading} · Check a credential`;
  live.textContent = only !== undefined && reports.length === 1 ? `Finished. ${tally(only)}.` : `Finished: ${reports.length} files.`;
  focusHeading();
  performance.mark("verdict");
}

/** "4 passed, 2 notes, 1 could not check" */
function tally(report: Report): string {
  const counts = Object.entries(OUTCOMES)
    .map(([outcome, { word }]) => ({ word, count: report.steps.filter((step) => step.outcome === outcome).length }))
    .filter(({ count }) => count > 0);
  return counts.map(({ word, count }) => `${count} ${word.toLowerCase()}${word === "Note" && count > 1 ? "s" : ""}`).join(", ");
}

function actionsFor(reports: readonly Report[]): HTMLElement {
  const button = (name: string, act: () => void, kind = "button"): HTMLElement =>
    make("button", { type: "button", class: kind, click: act }, name);
  const unanswered = reports.some((report) => report.verdict === "incomplete");
  const copying = button("Copy report", () => {
    void copy(encodeReports(reports)).then((done) => {
      live.textContent = done ? "The report was copied." : "The browser did not let this page copy. Open the technical detail and copy it there.";
      copying.textContent = done ? "Copied" : "Could not copy";
    });
  });
  return make(
    "p",
    { class: "actions" },
    ...(unanswered ? [button("Enter an address", () => settings.askForAddress(), "button primary")] : []),
    button("Check again", () => void checkAll(last), "button again"),
    copying,
    button("Save report", () => save(encodeReports(reports), "report.json")),
    button("Print", () => window.print()),
  );
}

function showSettingFault(fault: SettingFault): void {
  show(
    make(
      "div",
      { class: "verdict blue" },
      make("span", { class: "sign", "aria-hidden": "true" }, "?"),
      make(
        "div",
        {},
        make("h2", { class: "heading", tabindex: "-1" }, "Not checked yet: a setting cannot be used"),
        make("p", {}, `${nameOf(fault.field)}: ${fault.message}`),
        make("p", { class: "next" }, make("strong", {}, "What to do: "), "put it right, then check again."),
        make(
          "p",
          { class: "actions" },
          make("button", { type: "button", class: "button primary", click: () => { fault.field.scrollIntoView({ block: "center" }); fault.field.focus(); } }, "Go to the setting"),
          make("button", { type: "button", class: "button again", click: () => void checkAll(last) }, "Check again"),
        ),
      ),
    ),
  );
  live.textContent = "Not checked yet.";
  focusHeading();
}

/** What the label of a field calls it. */
const nameOf = (field: HTMLElement): string =>
  document.querySelector(`label[for="${field.id}"]`)?.firstChild?.textContent?.trim() ?? field.id;

/** The report on the screen was made with other settings: say so beside the button that renews it. */
function settingsChanged(): void {
  const again = result.querySelector(".again");
  if (again === null || result.querySelector(".stale") !== null) return;
  again.classList.add("primary");
  again.closest("p")?.before(make("p", { class: "stale" }, "The settings have changed since: check again."));
}

/** Whatever nobody foresaw: a sentence, never silence. */
function showOwnFault(): void {
  run += 1;
  show(
    make(
      "div",
      { class: "verdict blue" },
      make("span", { class: "sign", "aria-hidden": "true" }, "?"),
      make(
        "div",
        {},
        make("h2", { class: "heading", tabindex: "-1" }, "We could not finish the check"),
        make("p", {}, "This page came to a fault of its own, which says nothing about the file."),
        make("p", { class: "next" }, make("strong", {}, "What to do: "), "reload the page and try again, try another browser, or use the command perdure verify."),
      ),
    ),
  );
  live.textContent = "The check could not be finished.";
  focusHeading();
}

function listen(): void {
  const files = byId("files", HTMLInputElement);
  files.addEventListener("change", () => {
    performance.mark("given");
    const chosen = [...(files.files ?? [])];
    files.value = ""; // the same file chosen again is a change again
    if (chosen.length > 0) void checkAll(fromFiles(chosen));
  });

  const drop = byId("drop", HTMLElement);
  drop.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("label, input") === null) files.click();
  });
  // Anywhere on the page: a browser would open a file that misses the frame.
  let depth = 0;
  const hover = (change: number): void => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", (event) => {
    event.preventDefault();
    hover(1);
  });
  document.addEventListener("dragleave", () => hover(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    performance.mark("given");
    event.preventDefault();
    hover(-depth);
    takeTransfer(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => {
    const into = event.target;
    if (into instanceof HTMLTextAreaElement || into instanceof HTMLInputElement) return;
    event.preventDefault();
    takeTransfer(event.clipboardData);
  });

  const pasted = byId("pasted", HTMLTextAreaElement);
  byId("paste-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    performance.mark("given");
    if (pasted.value.trim() === "") {
      live.textContent = "There is no text yet.";
      pasted.focus();
    } else {
      void checkAll([fromText(pasted.value)]);
    }
  });

  window.addEventListener("hashchange", checkFragment);
  window.addEventListener("error", showOwnFault);
  window.addEventListener("unhandledrejection", showOwnFault);
}

/** Files if there are any, else text: a browser drops a link as text. */
function takeTransfer(transfer: DataTransfer | null): void {
  if (transfer === null) return;
  const files = [...transfer.files];
  const text = transfer.getData("text/plain");
  if (files.length > 0) void checkAll(fromFiles(files));
  else if (text.trim() !== "") void checkAll([fromText(text)]);
}

function checkFragment(): void {
  if (!carriesCredential(location.hash)) return;
  performance.mark("given");
  void checkAll([fromFragment(location.hash)]);
}

byId("needs-script", HTMLElement).remove();
byId("tool", HTMLElement).hidden = false;
showAbout();
listen();
checkFragment();
