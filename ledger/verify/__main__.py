"""`python -m ledger.verify FILE...`: the verifier without anything else of the ledger."""

import sys

from ledger.verify.command import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], program="python -m ledger.verify"))
