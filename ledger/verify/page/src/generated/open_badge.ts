// Written by scripts/page_tables.py from ledger.core.open_badge; not to be edited.

import type { Kind } from "../verify/open_badge";

export type TextName =
  | "urn:uuid: and a UUIDv4"
  | "a line of at most 200 characters"
  | "a did:key (Ed25519) or a did:web"
  | "an http or https URL"
  | "eip155:<chain id>:0x…:0x…"
  | "an e-mail address"
  | "an instant like 2026-11-25T08:44:00Z"
  | "an instant at midnight, UTC"
  | "sha256$ and 64 hex digits"
  | "a salt of 16 to 64 characters"
  | "an http(s) URL without fragment, or a URN"
  | "one of Competency, Certificate, MicroCredential, Certification, Award"
  | "a text of at most 10,000 characters"
  | "a did:key, a did:web or an http(s) URL"
  | "a code of letters, digits and . _ -"
  | "a language tag"
  | "the achievement's id and #score"
  | "a number from 0 to 100"
  | "the list's URL, # and the index"
  | "an index of at most 9 digits"
  | "an http or https URL without fragment";

export const MAX_CREDENTIAL_BYTES = 262144;

export const CREDENTIAL_CONTEXTS = [
  "https://www.w3.org/ns/credentials/v2",
  "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
  "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
] as const;

export const CREDENTIAL: Kind = {
  "object": "OpenBadgeCredential",
  "required": {
    "@context": {
      "fixed": "[\"https://www.w3.org/ns/credentials/v2\",\"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json\",\"https://purl.imsglobal.org/spec/ob/v3p0/extensions.json\"]"
    },
    "id": {
      "text": "urn:uuid: and a UUIDv4"
    },
    "type": {
      "fixed": "[\"VerifiableCredential\",\"OpenBadgeCredential\"]"
    },
    "name": {
      "text": "a line of at most 200 characters"
    },
    "issuer": {
      "object": "Profile (issuer)",
      "required": {
        "id": {
          "text": "a did:key (Ed25519) or a did:web"
        },
        "type": {
          "fixed": "[\"Profile\"]"
        },
        "name": {
          "text": "a line of at most 200 characters"
        },
        "url": {
          "text": "an http or https URL"
        },
        "otherIdentifier": {
          "list": {
            "object": "IdentifierEntry",
            "required": {
              "type": {
                "fixed": "\"IdentifierEntry\""
              },
              "identifierType": {
                "fixed": "\"ext:IssuerRegistry\""
              },
              "identifier": {
                "text": "eip155:<chain id>:0x…:0x…"
              }
            },
            "optional": {}
          },
          "least": 1,
          "most": 1,
          "says": "array of 1: IdentifierEntry"
        }
      },
      "optional": {
        "email": {
          "text": "an e-mail address"
        }
      }
    },
    "validFrom": {
      "text": "an instant like 2026-11-25T08:44:00Z"
    },
    "awardedDate": {
      "text": "an instant at midnight, UTC"
    },
    "credentialSubject": {
      "object": "AchievementSubject",
      "required": {
        "type": {
          "fixed": "[\"AchievementSubject\"]"
        },
        "identifier": {
          "list": {
            "by": "identityType",
            "choices": {
              "emailAddress": {
                "object": "IdentityObject (emailAddress)",
                "required": {
                  "type": {
                    "fixed": "\"IdentityObject\""
                  },
                  "identityType": {
                    "fixed": "\"emailAddress\""
                  },
                  "hashed": {
                    "fixed": "true"
                  },
                  "identityHash": {
                    "text": "sha256$ and 64 hex digits"
                  },
                  "salt": {
                    "text": "a salt of 16 to 64 characters"
                  }
                },
                "optional": {}
              },
              "name": {
                "object": "IdentityObject (name)",
                "required": {
                  "type": {
                    "fixed": "\"IdentityObject\""
                  },
                  "identityType": {
                    "fixed": "\"name\""
                  },
                  "hashed": {
                    "fixed": "false"
                  },
                  "identityHash": {
                    "text": "a line of at most 200 characters"
                  }
                },
                "optional": {}
              }
            },
            "says": "IdentityObject (emailAddress) or IdentityObject (name)"
          },
          "least": 1,
          "most": 2,
          "says": "array of 1 to 2: IdentityObject (emailAddress) or IdentityObject (name)"
        },
        "achievement": {
          "object": "Achievement",
          "required": {
            "id": {
              "text": "an http(s) URL without fragment, or a URN"
            },
            "type": {
              "fixed": "[\"Achievement\"]"
            },
            "achievementType": {
              "text": "one of Competency, Certificate, MicroCredential, Certification, Award"
            },
            "name": {
              "text": "a line of at most 200 characters"
            },
            "description": {
              "text": "a text of at most 10,000 characters"
            },
            "criteria": {
              "object": "Criteria",
              "required": {
                "narrative": {
                  "text": "a text of at most 10,000 characters"
                }
              },
              "optional": {}
            },
            "creator": {
              "object": "Profile",
              "required": {
                "id": {
                  "text": "a did:key, a did:web or an http(s) URL"
                },
                "type": {
                  "fixed": "[\"Profile\"]"
                },
                "name": {
                  "text": "a line of at most 200 characters"
                },
                "url": {
                  "text": "an http or https URL"
                }
              },
              "optional": {}
            },
            "humanCode": {
              "text": "a code of letters, digits and . _ -"
            },
            "version": {
              "text": "a code of letters, digits and . _ -"
            },
            "inLanguage": {
              "text": "a language tag"
            }
          },
          "optional": {
            "tag": {
              "list": {
                "text": "a line of at most 200 characters"
              },
              "least": 1,
              "most": 100,
              "says": "array of 1 to 100: a line of at most 200 characters"
            },
            "alignment": {
              "list": {
                "object": "Alignment",
                "required": {
                  "type": {
                    "fixed": "[\"Alignment\"]"
                  },
                  "targetName": {
                    "text": "a line of at most 200 characters"
                  },
                  "targetUrl": {
                    "text": "an http or https URL"
                  }
                },
                "optional": {
                  "targetFramework": {
                    "text": "a line of at most 200 characters"
                  },
                  "targetCode": {
                    "text": "a line of at most 200 characters"
                  },
                  "targetDescription": {
                    "text": "a text of at most 10,000 characters"
                  }
                }
              },
              "least": 1,
              "most": 100,
              "says": "array of 1 to 100: Alignment"
            },
            "image": {
              "object": "Image",
              "required": {
                "id": {
                  "text": "an http or https URL"
                },
                "type": {
                  "fixed": "\"Image\""
                }
              },
              "optional": {}
            },
            "resultDescription": {
              "list": {
                "object": "ResultDescription",
                "required": {
                  "id": {
                    "text": "the achievement's id and #score"
                  },
                  "type": {
                    "fixed": "[\"ResultDescription\"]"
                  },
                  "name": {
                    "text": "a line of at most 200 characters"
                  },
                  "resultType": {
                    "fixed": "\"Percent\""
                  },
                  "valueMin": {
                    "fixed": "\"0\""
                  },
                  "valueMax": {
                    "fixed": "\"100\""
                  }
                },
                "optional": {
                  "requiredValue": {
                    "text": "a number from 0 to 100"
                  }
                }
              },
              "least": 1,
              "most": 1,
              "says": "array of 1: ResultDescription"
            }
          }
        }
      },
      "optional": {
        "result": {
          "list": {
            "object": "Result",
            "required": {
              "type": {
                "fixed": "[\"Result\"]"
              },
              "resultDescription": {
                "text": "the achievement's id and #score"
              },
              "value": {
                "text": "a number from 0 to 100"
              }
            },
            "optional": {}
          },
          "least": 1,
          "most": 1,
          "says": "array of 1: Result"
        },
        "narrative": {
          "text": "a text of at most 10,000 characters"
        },
        "source": {
          "object": "Profile",
          "required": {
            "id": {
              "text": "a did:key, a did:web or an http(s) URL"
            },
            "type": {
              "fixed": "[\"Profile\"]"
            },
            "name": {
              "text": "a line of at most 200 characters"
            },
            "url": {
              "text": "an http or https URL"
            }
          },
          "optional": {}
        }
      }
    },
    "credentialStatus": {
      "object": "BitstringStatusListEntry",
      "required": {
        "id": {
          "text": "the list's URL, # and the index"
        },
        "type": {
          "fixed": "\"BitstringStatusListEntry\""
        },
        "statusPurpose": {
          "fixed": "\"revocation\""
        },
        "statusListIndex": {
          "text": "an index of at most 9 digits"
        },
        "statusListCredential": {
          "text": "an http or https URL without fragment"
        }
      },
      "optional": {}
    }
  },
  "optional": {
    "validUntil": {
      "text": "an instant like 2026-11-25T08:44:00Z"
    },
    "evidence": {
      "list": {
        "object": "Evidence",
        "required": {
          "id": {
            "text": "an http or https URL"
          },
          "type": {
            "fixed": "[\"Evidence\"]"
          }
        },
        "optional": {}
      },
      "least": 1,
      "most": 100,
      "says": "array of 1 to 100: Evidence"
    }
  }
};
