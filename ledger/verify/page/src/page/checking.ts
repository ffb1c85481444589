// From what was given to reports, one after the other: an address that fails is remembered, and
// memory holds one credential at a time.

import { candidates, verifyCandidate, type Candidate, type Options, type Report, type Step } from "../verify/index";
import { step } from "../verify/report";
import { GivenFault, type Given } from "./given";

/** Told before each file: its name, how many are done, and how many there are as far as is known. */
export type Progress = (name: string, done: number, known: number) => void;

/** Between two files the browser gets its turn, if it had none for so many milliseconds. */
const PATIENCE = 40;
const NOTHING = new Uint8Array();

/** A report for each file, and for each file in an archive. It never throws over a file. */
export async function* check(
  given: readonly Given[],
  options: Omit<Options, "now">,
  tell: Progress,
): AsyncGenerator<Report, void, void> {
  let done = 0;
  let known = given.length;
  let rested = performance.now();
  for (const one of given) {
    const found = await candidatesOf(one);
    known += found.length - 1;
    for (const candidate of found) {
      if (performance.now() - rested > PATIENCE) {
        tell(candidate.name, done, known);
        await new Promise((resolve) => setTimeout(resolve));
        rested = performance.now();
      }
      yield await reportOn(candidate, options);
      done += 1;
    }
  }
}

async function candidatesOf({ name, read }: Given): Promise<readonly Candidate[]> {
  try {
    return await candidates(name, await read());
  } catch (error) {
    if (!(error instanceof GivenFault)) return [{ name, data: NOTHING, fault: unreadable(ownFault(error)) }];
    const code = error.kind === "refused" ? "file.not_a_credential" : "file.unreadable";
    return [{ name, data: NOTHING, fault: step(code, error.message) }];
  }
}

async function reportOn(candidate: Candidate, options: Omit<Options, "now">): Promise<Report> {
  try {
    return await verifyCandidate(candidate, { ...options, now: new Date() });
  } catch (error) {
    return verifyCandidate({ ...candidate, fault: unreadable(ownFault(error)) }, { ...options, now: new Date() });
  }
}

// This is the outermost edge: whatever the checks did not foresee ends here, as "could not check".
function ownFault(error: unknown): string {
  console.error(error);
  const name = error instanceof Error ? error.name : "unknown";
  return `This page came to a fault of its own (${name}), which says nothing about the file. Try another browser, or the command perdure verify.`;
}

const unreadable = (detail: string): Step => step("file.unreadable", detail);
