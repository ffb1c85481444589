// Written by scripts/page_tables.py from ledger.core.registries; not to be edited.

/** Where a struct member sits in its first slot: bits from the low end. */
export interface Packed {
  readonly shift: number;
  readonly bits: number;
}

export const ANCHOR_REGISTRY = "0xe38391e4919adfb4280c4308e1b726738dcd09fe";

export const ISSUER_REGISTRY = "0x11348bc99bf41694b4717f6c7d06fd5c1fc2660b";

export const ANCHOR_REGISTRY_CODE_HASH = "0966071227bef9a59f66b0eae8fe43c1d1fd338e2fa6a5065d2fbaa191cbc7d4";

export const ISSUER_REGISTRY_CODE_HASH = "ec1cf3ad22bfd9a368868b5aa9483f4dbc9946741c8d91204715278b1d4ee291";

export const ANCHORED_AT_SELECTOR = "9591a610";

export const CHECK_SELECTOR = "3584a7a6";

export const PROFILE_RECORDED_AT_SELECTOR = "7b28695c";

export const ENDORSEMENT_SELECTOR = "4eec014a";

export const SIGNING_ROLE = 1;

export const REVOKING_ROLE = 2;

export const ANCHORS_SLOT = 0;

export const ISSUERS_SLOT = 0;

export const KEYS_SLOT = 1;

export const STATUS_SLOT = 2;

export const PROFILES_SLOT = 3;

export const ENDORSEMENTS_SLOT = 4;

export const ANCHOR_TIME: Packed = {
  "shift": 0,
  "bits": 64
};

export const ANCHOR_BLOCK_NUMBER: Packed = {
  "shift": 64,
  "bits": 64
};

export const ISSUER_CONTROLLER: Packed = {
  "shift": 0,
  "bits": 160
};

export const ISSUER_REGISTERED_AT: Packed = {
  "shift": 160,
  "bits": 40
};

export const ISSUER_CLOSED_AT: Packed = {
  "shift": 200,
  "bits": 40
};

export const ISSUER_CLOSED_FOR_GOOD: Packed = {
  "shift": 240,
  "bits": 8
};

export const KEY_FROM: Packed = {
  "shift": 0,
  "bits": 40
};

export const KEY_UNTIL: Packed = {
  "shift": 40,
  "bits": 40
};

export const KEY_COMPROMISED_SINCE: Packed = {
  "shift": 80,
  "bits": 40
};

export const KEY_ROLE: Packed = {
  "shift": 120,
  "bits": 8
};

export const ENDORSEMENT_FROM: Packed = {
  "shift": 0,
  "bits": 40
};

export const ENDORSEMENT_UNTIL: Packed = {
  "shift": 40,
  "bits": 40
};

export const ENDORSEMENT_WITHDRAWN_SINCE: Packed = {
  "shift": 80,
  "bits": 40
};
