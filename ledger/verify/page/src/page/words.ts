// How outcomes, tones and moments are shown: always as a word and a sign, never as a colour alone.

import type { Outcome, Report, Tone } from "../verify/index";
import { make } from "./elements";

export const OUTCOMES: Readonly<Record<Outcome, { readonly sign: string; readonly word: string }>> = {
  passed: { sign: "✓", word: "Passed" },
  failed: { sign: "✕", word: "Failed" },
  note: { sign: "!", word: "Note" },
  could_not_check: { sign: "?", word: "Could not check" },
  not_checked: { sign: "–", word: "Not checked" },
};

const TONES: Readonly<Record<Tone, string>> = { green: "✓", amber: "!", red: "✕", blue: "?" };

/** The sign of a verdict, for the eye alone: the heading beside it says it in words. */
export const toneSign = (tone: Tone): HTMLElement => make("span", { class: "sign", "aria-hidden": "true" }, TONES[tone]);

/** The worst first, as the command counts; red before what is no credential at all. */
export function worstFirst(reports: readonly Report[]): Report[] {
  const codes = [1, 2, 3, 0];
  const tones: readonly Tone[] = ["red", "blue", "amber", "green"];
  const rank = (report: Report): number => codes.indexOf(report.exitCode) * tones.length + tones.indexOf(report.tone);
  return [...reports].sort((one, other) => rank(one) - rank(other));
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });

/** "30 June 2026" */
export function day(written: string): HTMLTimeElement {
  return make("time", { datetime: written }, DAY.format(new Date(written)));
}

/** "1 July 2026, 08:05 UTC" */
export function moment(written: string): HTMLTimeElement {
  const date = new Date(written);
  return make("time", { datetime: written }, `${DAY.format(date)}, ${TIME.format(date)} UTC`);
}
