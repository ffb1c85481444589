// Reports as the command prints them, to take along.

import { worst, type Report } from "../verify/index";
import { make } from "./elements";

/** The JSON document of `perdure verify --json`, letter by letter. */
export function encodeReports(reports: readonly Report[]): string {
  const document = { version: 1, files: reports, exitCode: worst(reports) };
  // ASCII: no character of a file can become anything but a letter where this is pasted.
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${JSON.stringify(document, null, 2).replace(/[\u007f-\uffff]/g, escape)}\n`;
}

/** Put text on the clipboard. False if the browser does not let us. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    // No clipboard outside of https and file://, and none against the person's will.
    if (error instanceof DOMException || error instanceof TypeError) return false;
    throw error;
  }
}

/** Let the browser save text as a file. */
export function save(text: string, name: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  make("a", { href: address, download: name }).click();
  // The browser has taken hold of it once the click is handled.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
