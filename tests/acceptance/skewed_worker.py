"""The worker with a clock of its own: `python -m tests.acceptance.skewed_worker SECONDS ...`."""

import sys
from datetime import UTC, datetime, timedelta

from anchor_worker import __main__ as worker


def main() -> int:
    """Everything the worker calls now is so many seconds off."""
    skew = timedelta(seconds=float(sys.argv[1]))
    vars(worker)["_now"] = lambda: datetime.now(UTC) + skew
    return worker.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
