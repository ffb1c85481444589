// What a given file is to the verifier: one file, or an archive whose files are checked one by
// one. An archive that could surprise a reader is refused whole. docs/spec/files.md.

import { type Archive, type Entry, openArchive, readEntry, SIGNATURES } from "./archive";
import { beginsWith } from "./bytes";
import { MalformedError } from "./errors";
import { sentence, step, type Step } from "./report";

const CARRIERS = [".json", ".png", ".svg", ".pdf"];
const ARCHIVE = ".zip";
const MANIFEST = "manifest.json";
const FORKS = "__MACOSX";

/** Something to check, or the step that says why it cannot be. */
export interface Candidate {
  readonly name: string;
  readonly data: Uint8Array;
  readonly fault: Step | null;
}

const NOTHING = new Uint8Array(0);

/** The file itself, or what in an archive can be a credential, each under its own name. */
export function candidatesIn(name: string, data: Uint8Array): Candidate[] {
  if (!isArchive(data)) return [{ name, data, fault: null }];
  let archive: Archive;
  try {
    archive = openArchive(data);
  } catch (error) {
    if (error instanceof MalformedError) return [refused(name, sentence(error))];
    throw error;
  }
  const chosen = archive.entries.filter((entry) => mayBeOne(entry.name));
  if (chosen.length === 0) {
    return [refused(name, "The archive holds no file that could be one: .json, .png, .svg or .pdf.")];
  }
  return chosen.map((entry) => new Packed(`${name}/${entry.name}`, archive, entry));
}

/** Unpack a candidate that is still packed: once, however often its parts are looked at. */
export function opened(candidate: Candidate): Candidate {
  return candidate instanceof Packed ? candidate.open() : candidate;
}

function isArchive(beginning: Uint8Array): boolean {
  return SIGNATURES.some((signature) => beginsWith(beginning, signature));
}

/** A file in an archive, unpacked when it is asked for and not kept: there may be 256 MB of them. */
class Packed implements Candidate {
  readonly #archive: Archive;
  readonly #entry: Entry;

  constructor(
    readonly name: string,
    archive: Archive,
    entry: Entry,
  ) {
    this.#archive = archive;
    this.#entry = entry;
  }

  get data(): Uint8Array {
    return this.open().data;
  }

  get fault(): Step | null {
    return this.open().fault;
  }

  open(): Candidate {
    if (this.#entry.name.toLowerCase().endsWith(ARCHIVE)) return nested(this.name);
    let data: Uint8Array;
    try {
      data = readEntry(this.#archive, this.#entry);
    } catch (error) {
      if (error instanceof MalformedError) return refused(this.name, sentence(error));
      throw error;
    }
    return isArchive(data) ? nested(this.name) : { name: this.name, data, fault: null };
  }
}

function nested(name: string): Candidate {
  return refused(name, "An archive inside an archive is not opened.");
}

function refused(name: string, why: string): Candidate {
  return { name, data: NOTHING, fault: step("file.not_a_credential", why) };
}

function mayBeOne(name: string): boolean {
  const parts = name.split("/");
  const last = parts.at(-1)!;
  const dot = last.lastIndexOf(".");
  const suffix = dot > 0 && dot < last.length - 1 ? last.slice(dot).toLowerCase() : "";
  return (
    !parts.some((part) => part.startsWith(".") || part === FORKS) &&
    last !== MANIFEST &&
    (CARRIERS.includes(suffix) || suffix === ARCHIVE)
  );
}
