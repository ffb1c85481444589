// What a person hands to the page: files, text, or a link that carries a credential in its fragment.
// Format of the link: docs/verifier-page.md.

/** Something to check, or the sentence that says why it cannot be. */
export interface Given {
  readonly name: string;
  readonly data: Uint8Array;
  /** What is wrong with it, and whether that is known for sure or reading it just failed. */
  readonly fault?: { readonly kind: "refused" | "unreadable"; readonly detail: string };
}

/** One byte more than the largest archive that is read: enough to see that there are too many. */
const MOST_READ = 64 * 1024 * 1024 + 1;
/** A credential is at most 1 MiB. */
const MOST_IN_A_LINK = 1024 * 1024;
const FRAGMENT = "vc=";
const NOTHING = new Uint8Array();

/** The bytes of the files, none of them larger than anything that is read. */
export async function fromFiles(files: Iterable<File>): Promise<Given[]> {
  return Promise.all([...files].map(fromFile));
}

async function fromFile(file: File): Promise<Given> {
  try {
    return { name: file.name, data: new Uint8Array(await file.slice(0, MOST_READ).arrayBuffer()) };
  } catch (error) {
    // The file system, not us: the file is gone, protected, or it is a folder.
    const reason = error instanceof DOMException ? error.name : String(error);
    return {
      name: file.name,
      data: NOTHING,
      fault: {
        kind: "unreadable",
        detail: `The browser could not read it (${reason}). A folder has to be opened first, and its files dropped.`,
      },
    };
  }
}

/** What was pasted: the text of a file, or a link. */
export async function fromText(text: string): Promise<Given> {
  const trimmed = text.trim();
  const fragment = trimmed.indexOf(`#${FRAGMENT}`);
  if (/^(?:https?|file):\/\//i.test(trimmed) || trimmed.startsWith(`#${FRAGMENT}`)) {
    if (fragment >= 0) return fromFragment(trimmed.slice(fragment));
    return refused(
      "pasted link",
      "That is a link without a credential in it, and this page opens no links. Open it yourself, download the badge file, and drop that here.",
    );
  }
  return { name: "pasted text", data: new TextEncoder().encode(text) };
}

/** Whether the fragment of an address carries a credential. */
export const carriesCredential = (fragment: string): boolean => fragment.startsWith(`#${FRAGMENT}`);

/** The credential in a fragment `#vc=`: base64url of its JSON, packed by raw DEFLATE. */
export async function fromFragment(fragment: string): Promise<Given> {
  const name = "link";
  const text = fragment.slice(1 + FRAGMENT.length);
  // Packed data is never larger than what is in it by more than a few bytes.
  if (text.length > 2 * MOST_IN_A_LINK) return refused(name, "The link is longer than any credential.");
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) {
    return refused(name, "The link is damaged: part of it is missing, or something was added. Copy it again, whole.");
  }
  const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  try {
    const data = await inflated(packed, MOST_IN_A_LINK);
    return data === null ? refused(name, "The link holds more than any credential.") : { name, data };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // what DecompressionStream throws for damaged data
    return refused(name, "The link is damaged: part of it is missing, or something was added. Copy it again, whole.");
  }
}

/** Unpack, or give up with null as soon as there is more than allowed. Throws TypeError. */
async function inflated(packed: Uint8Array<ArrayBuffer>, most: number): Promise<Uint8Array | null> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      return null;
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

function refused(name: string, detail: string): Given {
  return { name, data: NOTHING, fault: { kind: "refused", detail } };
}
