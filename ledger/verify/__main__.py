"""`python -m ledger.verify FILE...`: the verifier without anything else of the ledger."""

import sys

from ledger.verify.command import run
from ledger.verify.output import ends_with_its_reader

if __name__ == "__main__":
    with ends_with_its_reader():
        code = run(sys.argv[1:], program="python -m ledger.verify")
    sys.exit(code)
