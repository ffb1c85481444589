"""Timing on a machine that others use too: interleaved rounds, CPU time, medians."""

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import process_time


@dataclass(frozen=True, slots=True)
class Timing:
    """The CPU seconds of one contender, round by round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round: one that somebody disturbed does not move it."""
        return median(self.seconds)

    @property
    def span(self) -> str:
        """Fastest, middle and slowest round, for reading."""
        fastest, slowest = min(self.seconds), max(self.seconds)
        return f"{self.median:.3f} s ({fastest:.3f} to {slowest:.3f})"


def interleave(
    contenders: Mapping[str, Callable[[], None]],
    rounds: int,
    *,
    after_round: Callable[[int], None] = lambda number: None,
) -> dict[str, Timing]:
    """Run every contender once per round, so that drift of the machine meets them all."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(1, rounds + 1):
        for name, run in contenders.items():
            gc.collect()
            start = process_time()
            run()
            seconds[name].append(process_time() - start)
        after_round(number)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}
