"""One figure of the benchmark: ours, what it is compared with, and the bound that must hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from scripts.bench.timing import interleave


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds, and a divisor of what each of them does."""

    rounds: int = 7
    divisor: int = 1

    def count(self, full: int) -> int:
        return max(1, full // self.divisor)


QUICK = Effort(rounds=5, divisor=5)
FULL = Effort(rounds=9)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure; `ratio` counts if there is a baseline, else `ours` itself does."""

    name: str
    unit: str
    ours: float
    baseline: float | None
    #: What the baseline is.
    against: str
    at_least: float | None = None
    at_most: float | None = None
    ratio: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        judged = self.ours if self.ratio is None else self.ratio
        return (self.at_least is None or judged >= self.at_least) and (
            self.at_most is None or judged <= self.at_most
        )

    @property
    def bound(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "baseline": self.baseline,
            "against": self.against,
            "ratio": self.ratio,
            "minimum": self.at_least,
            "maximum": self.at_most,
            "passed": self.passed,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """Something to time: it does `items` of the thing whenever it is called."""

    run: Callable[[], None]
    items: int


def compare(
    name: str,
    ours: Work,
    baseline: Work,
    *,
    against: str,
    at_least: float | None,
    effort: Effort,
    note: str = "",
) -> Row:
    """CPU time of one item, ours and theirs, in interleaved rounds; the ratio of the medians."""
    works: Mapping[str, Work] = {"ours": ours, "baseline": baseline}
    for work in works.values():
        work.run()
    timings = interleave({key: work.run for key, work in works.items()}, effort.rounds)
    each = {
        key: median(timings[key].seconds) / work.items * 1e6
        for key, work in works.items()
    }
    return Row(
        name=name,
        unit="us",
        ours=round(each["ours"], 1),
        baseline=round(each["baseline"], 1),
        against=against,
        at_least=at_least,
        ratio=round(each["baseline"] / each["ours"], 2),
        note=note,
    )
