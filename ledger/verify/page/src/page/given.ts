// What a person hands to the page: files, text, or a link that carries a credential in its fragment.
// Format of the link: docs/verifier-page.md.

/** Something to check. It is read when its turn comes: a hundred archives do not fit into memory at once. */
export interface Given {
  readonly name: string;
  /** Throws GivenFault. */
  read(): Promise<Uint8Array>;
}

/** Nothing came of it: either it is known not to be a credential, or it could not be read this time. */
export class GivenFault extends Error {
  override readonly name = "GivenFault";
  constructor(readonly kind: "refused" | "unreadable", message: string) {
    super(message);
  }
}

/** One byte more than the largest archive that is read: enough to see that there are too many. */
const MOST_READ = 64 * 1024 * 1024 + 1;
/** A credential is at most 1 MiB. */
const MOST_IN_A_LINK = 1024 * 1024;
const FRAGMENT = "vc=";
const DAMAGED = "The link is damaged: part of it is missing, or something was added. Copy it again, whole.";
const NO_CREDENTIAL =
  "That is a link without a credential in it, and this page opens no links. Open it yourself, download the badge file, and drop that here.";

/** Files as they were chosen or dropped; none is read further than anything that is read. */
export const fromFiles = (files: Iterable<File>): Given[] => [...files].map(fromFile);

function fromFile(file: File): Given {
  return {
    name: file.name,
    read: async () => {
      try {
        return new Uint8Array(await file.slice(0, MOST_READ).arrayBuffer());
      } catch (error) {
        if (!(error instanceof DOMException)) throw error;
        // The file system's doing: the file is gone, changed or protected, or it is a folder.
        throw new GivenFault(
          "unreadable",
          `The browser could not read it (${error.name}). Choose it again; a folder has to be opened first, and its files dropped.`,
        );
      }
    },
  };
}

/** What was pasted: the text of a file, or a link. */
export function fromText(text: string): Given {
  const trimmed = text.trim();
  const at = trimmed.indexOf(`#${FRAGMENT}`);
  if (at === 0 || /^(?:https?|file):\/\//i.test(trimmed)) {
    return at < 0 ? { name: "pasted link", read: async () => refuse(NO_CREDENTIAL) } : fromFragment(trimmed.slice(at));
  }
  return { name: "pasted text", read: async () => new TextEncoder().encode(text) };
}

/** Whether the fragment of an address carries a credential. */
export const carriesCredential = (fragment: string): boolean => fragment.startsWith(`#${FRAGMENT}`);

/** The credential in a fragment `#vc=`: base64url of its JSON, packed by raw DEFLATE. */
export function fromFragment(fragment: string): Given {
  return { name: "link", read: () => unpacked(fragment.slice(1 + FRAGMENT.length)) };
}

async function unpacked(text: string): Promise<Uint8Array> {
  // Packed data is never larger than what is in it by more than a few bytes.
  if (text.length > 2 * MOST_IN_A_LINK) refuse("The link is longer than any credential.");
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) refuse(DAMAGED);
  const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  try {
    return await inflated(packed, MOST_IN_A_LINK);
  } catch (error) {
    if (error instanceof TypeError) refuse(DAMAGED); // what DecompressionStream throws for damaged data
    throw error;
  }
}

function refuse(why: string): never {
  throw new GivenFault("refused", why);
}

/** Unpack, and stop as soon as there is more than allowed. Throws TypeError, GivenFault. */
async function inflated(packed: Uint8Array<ArrayBuffer>, most: number): Promise<Uint8Array> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      refuse("The link holds more than any credential.");
    }
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
