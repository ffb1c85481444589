// Written by scripts/page_tables.py from ledger.verify.report; not to be edited.

export const STEPS = [
  "file",
  "content",
  "issuer",
  "record",
  "withdrawal",
  "dates",
  "person"
] as const;

export const FINDINGS = {
  "file.readable": {
    "outcome": "passed",
    "title": "The file is a credential we can read",
    "next": ""
  },
  "file.not_a_credential": {
    "outcome": "failed",
    "title": "This is not a credential file",
    "next": ""
  },
  "file.other_kind": {
    "outcome": "failed",
    "title": "This is a file of another kind",
    "next": ""
  },
  "file.unreadable": {
    "outcome": "could_not_check",
    "title": "We could not read the file",
    "next": "Try again."
  },
  "content.unchanged": {
    "outcome": "passed",
    "title": "Nothing in it has been changed",
    "next": ""
  },
  "content.changed": {
    "outcome": "failed",
    "title": "The content has been changed",
    "next": ""
  },
  "content.malformed": {
    "outcome": "failed",
    "title": "The content is not what an issuer can have signed",
    "next": ""
  },
  "issuer.trusted": {
    "outcome": "passed",
    "title": "We know who issued it",
    "next": ""
  },
  "issuer.endorsed": {
    "outcome": "passed",
    "title": "We know who issued it",
    "next": ""
  },
  "issuer.unknown": {
    "outcome": "note",
    "title": "We do not know this issuer",
    "next": ""
  },
  "issuer.not_final": {
    "outcome": "note",
    "title": "What the register says of the issuer is not final yet",
    "next": ""
  },
  "issuer.other_registry": {
    "outcome": "failed",
    "title": "The named issuer stands in no register that counts",
    "next": ""
  },
  "issuer.not_registered": {
    "outcome": "failed",
    "title": "There is no such issuer",
    "next": ""
  },
  "issuer.key_unknown": {
    "outcome": "failed",
    "title": "The signer is not the named issuer",
    "next": ""
  },
  "issuer.key_too_early": {
    "outcome": "failed",
    "title": "The key was not the issuer's on that day",
    "next": ""
  },
  "issuer.key_ended": {
    "outcome": "failed",
    "title": "The key was not the issuer's on that day",
    "next": ""
  },
  "issuer.key_compromised": {
    "outcome": "failed",
    "title": "The key was in other hands on that day",
    "next": ""
  },
  "issuer.closed": {
    "outcome": "failed",
    "title": "The issuer had closed by that day",
    "next": ""
  },
  "issuer.profile_unknown": {
    "outcome": "failed",
    "title": "The description of the issuer is not the recorded one",
    "next": ""
  },
  "record.final": {
    "outcome": "passed",
    "title": "It is recorded on the blockchain",
    "next": ""
  },
  "record.none": {
    "outcome": "note",
    "title": "Not on the blockchain yet",
    "next": ""
  },
  "record.not_final": {
    "outcome": "note",
    "title": "Recorded, not final yet",
    "next": ""
  },
  "record.not_found": {
    "outcome": "failed",
    "title": "The blockchain record does not fit",
    "next": ""
  },
  "record.mismatch": {
    "outcome": "failed",
    "title": "The blockchain record does not fit",
    "next": ""
  },
  "record.other_registry": {
    "outcome": "failed",
    "title": "The blockchain record does not fit",
    "next": ""
  },
  "withdrawal.none": {
    "outcome": "passed",
    "title": "The issuer has not withdrawn it",
    "next": ""
  },
  "withdrawal.as_of": {
    "outcome": "note",
    "title": "Not withdrawn then; what came later cannot be seen offline",
    "next": ""
  },
  "withdrawal.withdrawn": {
    "outcome": "failed",
    "title": "The issuer has withdrawn it",
    "next": ""
  },
  "withdrawal.no_issuer": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": ""
  },
  "dates.current": {
    "outcome": "passed",
    "title": "It is in date",
    "next": ""
  },
  "dates.expired": {
    "outcome": "note",
    "title": "It is out of date",
    "next": ""
  },
  "dates.not_yet_valid": {
    "outcome": "note",
    "title": "It has not started yet",
    "next": ""
  },
  "person.matches": {
    "outcome": "passed",
    "title": "The e-mail you entered is the one it was issued to",
    "next": ""
  },
  "person.other": {
    "outcome": "failed",
    "title": "That e-mail is not the one it was issued to",
    "next": ""
  },
  "person.not_asked": {
    "outcome": "note",
    "title": "Whether it was issued to the person before you was not asked",
    "next": ""
  },
  "record.evidence_malformed": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_incomplete": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_surplus": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_elsewhere": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_stitched": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_no_registry": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_too_old": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_mismatch": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "record.evidence_other_block": {
    "outcome": "failed",
    "title": "The evidence in the file does not hold",
    "next": "Ask the holder for the original file, or refresh this one from a network address."
  },
  "issuer.unreachable": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Try again, or choose another network address."
  },
  "issuer.unknown_network": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "If you accept this chain, name it in a networks file."
  },
  "issuer.no_address": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Give the address of a node of this chain."
  },
  "issuer.other_chain": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Choose another network address."
  },
  "issuer.no_registry": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Choose another network address."
  },
  "issuer.disagreement": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Check again; if it stays so, find out which one is wrong."
  },
  "issuer.evidence_broken": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Give the address of a node of this chain."
  },
  "issuer.evidence_untrusted": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Get the hash of that block from a source you trust, or give the address of a node."
  },
  "issuer.evidence_other_chain": {
    "outcome": "could_not_check",
    "title": "We could not read the issuer register",
    "next": "Get a block hash of the issuer's own chain."
  },
  "record.unreachable": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "Try again, or choose another network address."
  },
  "record.unknown_network": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "If you accept this chain, name it in a networks file."
  },
  "record.no_address": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "Give the address of a node of this chain."
  },
  "record.other_chain": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "Choose another network address."
  },
  "record.no_registry": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "Choose another network address."
  },
  "record.disagreement": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "Check again; if it stays so, find out which one is wrong."
  },
  "record.evidence_untrusted": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "Get the hash of that block from a source you trust, or give the address of a node."
  },
  "record.evidence_other_chain": {
    "outcome": "could_not_check",
    "title": "We could not reach the blockchain, so we cannot say",
    "next": "Get a block hash of the issuer's own chain."
  },
  "withdrawal.unreachable": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Try again, or choose another network address."
  },
  "withdrawal.unknown_network": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "If you accept this chain, name it in a networks file."
  },
  "withdrawal.no_address": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Give the address of a node of this chain."
  },
  "withdrawal.other_chain": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Choose another network address."
  },
  "withdrawal.no_registry": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Choose another network address."
  },
  "withdrawal.disagreement": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Check again; if it stays so, find out which one is wrong."
  },
  "withdrawal.behind": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Check this computer's clock, or choose another network address."
  },
  "withdrawal.evidence_broken": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Give the address of a node of this chain."
  },
  "withdrawal.evidence_untrusted": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Get the hash of that block from a source you trust, or give the address of a node."
  },
  "withdrawal.evidence_other_chain": {
    "outcome": "could_not_check",
    "title": "We could not check for withdrawal",
    "next": "Get a block hash of the issuer's own chain."
  },
  "file.not_checked": {
    "outcome": "not_checked",
    "title": "File",
    "next": ""
  },
  "content.not_checked": {
    "outcome": "not_checked",
    "title": "Content",
    "next": ""
  },
  "issuer.not_checked": {
    "outcome": "not_checked",
    "title": "Issuer",
    "next": ""
  },
  "record.not_checked": {
    "outcome": "not_checked",
    "title": "Record",
    "next": ""
  },
  "withdrawal.not_checked": {
    "outcome": "not_checked",
    "title": "Withdrawal",
    "next": ""
  },
  "dates.not_checked": {
    "outcome": "not_checked",
    "title": "Dates",
    "next": ""
  },
  "person.not_checked": {
    "outcome": "not_checked",
    "title": "Person",
    "next": ""
  }
} as const;

export const WORDINGS = {
  "not_a_credential": {
    "heading": "This is not a credential file",
    "tone": "blue",
    "exitCode": 1,
    "next": "Ask the holder for the badge file or its link; a screenshot or print-out carries no proof."
  },
  "changed": {
    "heading": "Do not rely on this file",
    "tone": "red",
    "exitCode": 1,
    "next": "Ask the holder for the original."
  },
  "contradicted": {
    "heading": "Do not rely on this credential",
    "tone": "red",
    "exitCode": 1,
    "next": "See the failed step; ask the issuer."
  },
  "withdrawn": {
    "heading": "Withdrawn by the issuer",
    "tone": "red",
    "exitCode": 1,
    "next": "Ask the holder whether it was replaced."
  },
  "incomplete": {
    "heading": "We could not finish the check",
    "tone": "blue",
    "exitCode": 2,
    "next": "Try again, or choose another network address."
  },
  "unknown_issuer": {
    "heading": "Genuine file, unknown issuer",
    "tone": "amber",
    "exitCode": 3,
    "next": "Confirm the issuer with a source you trust."
  },
  "not_recorded": {
    "heading": "Signed, not yet on the blockchain",
    "tone": "amber",
    "exitCode": 3,
    "next": "Usually recorded within the hour; check again."
  },
  "expired": {
    "heading": "Genuine, but expired",
    "tone": "amber",
    "exitCode": 3,
    "next": "Ask whether it was renewed."
  },
  "not_yet_valid": {
    "heading": "Genuine, not valid yet",
    "tone": "amber",
    "exitCode": 3,
    "next": "Check again when it has started."
  },
  "genuine_as_of": {
    "heading": "Genuine as of the block that was read",
    "tone": "amber",
    "exitCode": 3,
    "next": "Nothing later could be seen; refresh the file with any network address."
  },
  "genuine": {
    "heading": "Genuine and current",
    "tone": "green",
    "exitCode": 0,
    "next": "Keep this file: it can be checked without us."
  }
} as const;

export const EXIT_ORDER = [
  1,
  2,
  3,
  0
] as const;
