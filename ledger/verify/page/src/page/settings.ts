// What a check relies on. It is entered by the person, lives in this tab's memory, and is never
// taken from a file under test, its archive, or the link that opened the page.

import {
  BUILT_IN,
  MalformedError,
  SettingError,
  normaliseEmail,
  parseBlockHash,
  parseCheckpoints,
  parseNetworks,
  parseTrustList,
  rpcReader,
  type Checkpoint,
  type Network,
  type Options,
  type TrustList,
} from "../verify/index";
import { byId, printable, within } from "./elements";

/** A setting cannot be used: nothing is checked until it is put right. */
export class SettingFault extends Error {
  override readonly name = "SettingFault";
  constructor(readonly field: HTMLElement, message: string) {
    super(message);
  }
}

/** No file of settings is larger; one byte more, and its parser says so. */
const MOST_READ = 8_388_609;

/** A file of settings: read when it is chosen, refused whole if anything is wrong with it. */
class Loaded<Value> {
  value: Value | null = null;
  /** Why the file that was chosen is not used. */
  refusal: string | null = null;
  readonly input: HTMLInputElement;
  private readonly state: HTMLElement;
  private readonly fault: HTMLElement;
  private readonly remove: HTMLButtonElement;
  private reading: Promise<void> = Promise.resolve();
  private latest = 0;

  constructor(
    name: string,
    private readonly parse: (data: Uint8Array) => Value,
    private readonly describe: (value: Value) => string,
    private readonly changed: () => void,
  ) {
    this.input = byId(name, HTMLInputElement);
    this.state = byId(`${name}-state`, HTMLElement);
    this.fault = byId(`${name}-fault`, HTMLElement);
    this.remove = within(document, `[data-loads="${name}"] button`, HTMLButtonElement);
    this.input.addEventListener("change", () => {
      this.reading = this.load();
    });
    this.remove.addEventListener("click", () => {
      this.input.value = "";
      this.show(null, null);
      this.input.focus();
    });
  }

  private async load(): Promise<void> {
    const file = this.input.files?.[0];
    if (file === undefined) return; // the person closed the dialogue: what was there stays
    const mine = ++this.latest;
    let value: Value | null = null;
    let refusal: string | null = null;
    try {
      value = this.parse(new Uint8Array(await file.slice(0, MOST_READ).arrayBuffer()));
    } catch (error) {
      if (error instanceof MalformedError) refusal = `Not used: ${error.message}.`;
      else if (error instanceof DOMException) refusal = `Not used: the browser could not read it (${error.name}).`;
      else throw error;
    }
    if (mine === this.latest) this.show(value, refusal);
  }

  private show(value: Value | null, refusal: string | null): void {
    this.latest += 1;
    this.value = value;
    this.refusal = refusal;
    this.state.textContent = value === null ? "" : this.describe(value);
    this.state.hidden = value === null;
    showFault(this.input, this.fault, refusal);
    this.remove.hidden = value === null && refusal === null;
    this.changed();
  }

  /** The value, null without a file. Throws SettingFault for a file that was refused. */
  async given(): Promise<Value | null> {
    await this.reading;
    if (this.refusal !== null) throw new SettingFault(this.input, this.refusal);
    return this.value;
  }
}

/** Show or take away what is wrong with a field. */
function showFault(field: HTMLElement, place: HTMLElement, message: string | null): void {
  place.textContent = printable(message ?? "");
  place.hidden = message === null;
  if (message === null) field.removeAttribute("aria-invalid");
  else field.setAttribute("aria-invalid", "true");
}

const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

/** The settings of the page. */
export class Settings {
  private readonly addresses = byId("addresses", HTMLTextAreaElement);
  private readonly hashes = byId("hashes", HTMLTextAreaElement);
  private readonly email = byId("email", HTMLInputElement);
  private readonly signer = byId("signer", HTMLInputElement);
  private readonly trust: Loaded<TrustList>;
  private readonly checkpoints: Loaded<readonly Checkpoint[]>;
  private readonly networks: Loaded<readonly Network[]>;

  /** `changed` is called whenever a setting was changed. */
  constructor(changed: () => void) {
    this.trust = new Loaded("trust", parseTrustList, describeTrust, changed);
    this.checkpoints = new Loaded("checkpoints", parseCheckpoints, (all) => `In use: ${counted(all.length, "block")}.`, changed);
    this.networks = new Loaded("networks", parseNetworks, describeNetworks, changed);
    for (const field of [this.addresses, this.hashes, this.email, this.signer]) {
      field.addEventListener("input", () => {
        this.fault(field, null);
        changed();
      });
    }
  }

  /**
   * Everything that a check is given besides the file, with readers that are new: what one run
   * found out about an address does not count in the next. Throws SettingFault.
   */
  async options(): Promise<Omit<Options, "now">> {
    const email = this.email.value.trim();
    const trust = await this.trust.given();
    this.demandSigner(trust);
    return {
      addresses: this.lines(this.addresses, rpcReader, "the same address twice agrees with itself"),
      networks: (await this.networks.given()) ?? BUILT_IN,
      trust,
      checkpoints: [
        ...((await this.checkpoints.given()) ?? []),
        ...this.lines(this.hashes, parseBlockHash, "this block is there twice"),
      ],
      email: email === "" ? undefined : this.read(this.email, () => normaliseEmail(email), "not an e-mail address"),
    };
  }

  /** Take the person to where an address is entered. */
  askForAddress(): void {
    this.addresses.scrollIntoView({ block: "center" });
    this.addresses.focus();
  }

  private demandSigner(trust: TrustList | null): void {
    const signer = this.signer.value.trim();
    if (signer === "") return;
    if (trust === null) this.refuse(this.signer, "There is no trust list that this key could have signed.");
    const found = trust.signature?.signer ?? "nobody";
    if (found !== signer) this.refuse(this.signer, `The trust list is signed by ${found}, and you demand ${signer}.`);
  }

  private lines<Value>(field: HTMLTextAreaElement, read: (line: string) => Value, twice: string): Value[] {
    const lines = field.value.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    const values = lines.map((line) => this.read(field, () => read(line), null, line));
    const again = lines.find((line, at) => lines.indexOf(line) !== at);
    if (again !== undefined) this.refuse(field, `${again}: ${twice}.`);
    return values;
  }

  private read<Value>(field: HTMLTextAreaElement | HTMLInputElement, read: () => Value, instead: string | null, line?: string): Value {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof MalformedError || error instanceof SettingError)) throw error;
      return this.refuse(field, `${line ?? field.value.trim()}: ${instead ?? error.message}.`);
    }
  }

  private refuse(field: HTMLElement, message: string): never {
    this.fault(field, message);
    field.closest("details")?.setAttribute("open", "");
    throw new SettingFault(field, message);
  }

  private fault(field: HTMLElement, message: string | null): void {
    showFault(field, byId(`${field.id}-fault`, HTMLElement), message);
  }
}

function describeTrust(list: TrustList): string {
  const signed = list.signature === null
    ? "Nobody signed it."
    : `Signed by ${list.signature.signer}, who says on ${list.signature.created}.`;
  return `In use: “${list.name}”, ${counted(list.issuers.length, "issuer")} and ${counted(list.accreditors.length, "accreditor")}. ${signed}`;
}

function describeNetworks(networks: readonly Network[]): string {
  const named = networks.map((network) => `${network.name}${network.test ? " (TEST)" : ""}`);
  const shown = named.slice(0, 5).join(", ");
  return `In use: ${shown}${named.length > 5 ? ` and ${named.length - 5} more` : ""}. The built-in networks do not count now.`;
}
