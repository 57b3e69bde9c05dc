"""What every baseline is: a name, where it comes from, its alarm rule, and scores for series."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple

from series import Series

# Infinite scores (a deviation of 0) are written as this, so that every score is a finite number.
SCORE_MAX = 1e9

# A detector whose score ends at 1 and whose rule is "1 is an anomaly" has this threshold, so that
# 1 comes out above 1. It is well below any rounding of 1 and well above any other score it gives.
SATURATED = 0.999999

# One sample in, its score out: `step(at_s, value)`.
Step = Callable[[float, float], float]


class Scored(NamedTuple):
    """The scores of one series, the processor time they cost, and how many samples failed."""

    series: Series
    scores: list[float]
    cpu_s: float
    n_failed: int


@dataclass(frozen=True)
class Streaming:
    """A detector that is given one sample after the other, in this process."""

    name: str
    package: str
    threshold: float | None
    make: Callable[[], Step]

    def version(self) -> str:
        """Name the package and its installed version."""
        return f"{self.package} {version(self.package)}"

    def score(self, all_series: Iterable[Series]) -> Iterator[Scored]:
        """Score each series with a fresh detector."""
        for series in all_series:
            yield self._score_one(series)

    def _score_one(self, series: Series) -> Scored:
        step = self.make()
        scores, failures = [], []
        began_s = time.process_time()
        for at_s, value in zip(series.at_s, series.values, strict=True):
            raw = 0.0
            if not math.isnan(value):
                # What a package throws on real data is a result, counted in `cost.csv`.
                try:
                    raw = step(at_s, value)
                except Exception as error:
                    failures.append(error)
            scores.append(in_thresholds(raw, self.threshold))
        cpu_s = time.process_time() - began_s
        if failures:
            print(f"{self.name}: {series.path}: first failure: {failures[0]!r}", file=sys.stderr)
        return Scored(series, scores, cpu_s, len(failures))


def in_thresholds(raw: float | None, threshold: float | None) -> float:
    """Return a finite score in units of the threshold; no opinion (none, NaN) is 0."""
    if raw is None or math.isnan(raw):
        return 0.0
    return max(-SCORE_MAX, min(SCORE_MAX, float(raw) / (threshold or 1.0)))
