// From a file to a report: what is looked at, in which order, and what it means.
// docs/spec/verification.md. Nothing that comes with a file chooses whom to ask or whom to
// believe.

import { candidatesIn, type Candidate, opened } from "./archived";
import { extract } from "./baking";
import { isList, isObject, type JsonObject, parseObject } from "./canonical";
import type { Checkpoint } from "./checkpoints";
import { checkCredentialFile, type CredentialFile, parseCredentialFile } from "./durable";
import { MalformedError, ProofError } from "./errors";
import { HomeChain } from "./home_chain";
import type { SignedCredential } from "./credential";
import type { Network } from "./networks";
import { claimsOf, type Report, report, sentence, step, type Step, stoppedAfter } from "./report";
import type { ChainReader } from "./rpc";
import { encodeTime } from "./time";
import type { TrustList } from "./trust";

/** The decisions of the verifier. */
export interface Options {
  readonly addresses: readonly ChainReader[];
  readonly networks: readonly Network[];
  readonly trust: TrustList | null;
  readonly checkpoints: readonly Checkpoint[];
  readonly now: Date;
  readonly email?: string | undefined;
}

/** The file itself, or what in an archive can be a credential, each under its own name. */
export async function candidates(name: string, data: Uint8Array): Promise<Candidate[]> {
  return candidatesIn(name, data);
}

/** Check a candidate; one with a fault gets the report that says so. */
export async function verifyCandidate(candidate: Candidate, options: Options): Promise<Report> {
  const { name, data, fault } = opened(candidate);
  return fault === null ? verify(data, name, options) : report(name, stoppedAfter(fault));
}

/**
 * Check one credential file: JSON, baked PNG or SVG, or a PDF certificate. Every trouble with the
 * file or a chain is a step of the report. Throws MalformedError only for an `email` that is none.
 */
export async function verify(data: Uint8Array, file: string, options: Options): Promise<Report> {
  const content = await open(data);
  if (content instanceof Array) return report(file, stoppedAfter(...content));
  const { credential, proof } = content;
  const home = await HomeChain.open(
    {
      issuer: credential.issuerReference,
      keyId: credential.proof.key.keyId,
      statusIndex: credential.statusIndex,
      claimedName: credential.claimedIssuerName,
      proof,
    },
    {
      readers: options.addresses,
      networks: options.networks,
      checkpoints: options.checkpoints,
      trust: options.trust,
      now: BigInt(Math.trunc(options.now.getTime() / 1_000)),
    },
  );
  // The key is judged at the time that the record shows, so the record comes first.
  const record = await home.record();
  const issuer = await home.issuer();
  const withdrawal = await home.withdrawal();
  const steps = [
    READABLE,
    UNCHANGED,
    issuer,
    record,
    withdrawal,
    dates(credential, options.now),
    person(credential, options.email),
  ];
  return report(file, steps, {
    claims: claimsOf(credential),
    issuer: home.known,
    network: home.network,
    read: home.read,
    sources: home.sources,
    remarks: home.remarks(issuer),
  });
}

const READABLE = step("file.readable");
const UNCHANGED = step("content.unchanged", "The digital signature matches every word.");

/** Read a file and check its proofs; the steps that failed if it does not hold. */
async function open(data: Uint8Array): Promise<CredentialFile | Step[]> {
  let document: JsonObject;
  try {
    document = parseObject(extract(data));
  } catch (error) {
    if (error instanceof MalformedError) return [step("file.not_a_credential", sentence(error))];
    throw error;
  }
  if (!namesAnIssuerRecord(document)) {
    return [
      step("file.other_kind", "It is not an Open Badge whose issuer stands in an issuer register."),
    ];
  }
  try {
    const content = parseCredentialFile(data);
    await checkCredentialFile(content);
    return content;
  } catch (error) {
    if (error instanceof MalformedError) return [READABLE, step("content.malformed", sentence(error))];
    if (error instanceof ProofError) {
      const why = `Even one changed letter causes this: ${sentence(error)}`;
      return [READABLE, step("content.changed", why)];
    }
    throw error;
  }
}

/** Tells badges of others from ours, so that nobody is accused of having changed one of those. */
function namesAnIssuerRecord(document: JsonObject): boolean {
  const issuer = document.get("issuer");
  const entries = isObject(issuer) ? issuer.get("otherIdentifier") : undefined;
  return (
    isList(entries) &&
    entries.some((entry) => isObject(entry) && entry.get("identifierType") === "ext:IssuerRegistry")
  );
}

function dates(credential: SignedCredential, now: Date): Step {
  const { validFrom, validUntil } = credential;
  const seconds = now.getTime() / 1_000;
  const since = `from ${encodeTime(validFrom)}`;
  if (seconds < validFrom) return step("dates.not_yet_valid", `It starts on ${encodeTime(validFrom)}.`);
  if (validUntil === null) return step("dates.current", `Valid ${since}; it does not expire.`);
  const until = encodeTime(validUntil);
  if (seconds >= validUntil) return step("dates.expired", `It was valid ${since} until ${until}.`);
  return step("dates.current", `Valid ${since} until ${until}.`);
}

function person(credential: SignedCredential, email: string | undefined): Step {
  if (email === undefined) return step("person.not_asked");
  return step(credential.isFor(email) ? "person.matches" : "person.other");
}
