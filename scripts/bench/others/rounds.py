"""
A competitor in a process of its own: a question in, its answer and a time per round out.

The first line on stdin is the question (JSON), the first on stdout what it makes of it, to be
compared; each further line asks for one round, answered by its CPU seconds. scripts.bench.contender
is the other end. Standard library only: competitors run in environments of their own.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

Round = Callable[[], object]


def serve(prepare: Callable[[Any], tuple[object, Round]]) -> None:
    """Answer until stdin ends."""
    answers = sys.stdout
    # One of them prints while it decodes; that is part of its work, but no answer.
    with Path(os.devnull).open("w") as sys.stdout:
        answer, run = prepare(json.loads(sys.stdin.readline()))
        print(json.dumps(answer), file=answers, flush=True)
        for _ in sys.stdin:
            gc.collect()
            start = process_time()
            run()
            print(process_time() - start, file=answers, flush=True)
    sys.stdout = answers
