"""Detectors of river, the library for learning from streams.

Each sample is scored before it is learned, as river's own documentation does.
"""

from itertools import pairwise
from statistics import median

from river import anomaly, preprocessing, time_series

from detectors.base import SATURATED, Step, Streaming

# Samples from which the usual interval, and so the length of a day, is estimated.
INTERVAL_SAMPLES = 20
DAY_S = 86_400
# River's example has 0.6 for 12 samples a season; with the 1,440 of a day the forecasts diverge.
GAMMA = 0.1


def half_space_trees() -> Step:
    """Build half-space trees behind a scaler: the pipeline of the class's documentation."""
    model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=42)

    def step(_at_s: float, value: float) -> float:
        score = model.score_one({"value": value})
        model.learn_one({"value": value})
        return score

    return step


def gaussian() -> Step:
    """Build a Gaussian over all of the past; the score is how much of it lies nearer its mean."""
    model = anomaly.GaussianScorer()

    def step(_at_s: float, value: float) -> float:
        score = model.score_one(None, value)
        model.learn_one(None, value)
        return score

    return step


class HoltWinters:
    """Compares each sample with a forecast by level, trend and time of day.

    Level and trend are smoothed as in river's example of `HoltWinters`. The season is a day, its
    length in samples, estimated from the first ones. Additive, because load may be 0.
    """

    def __init__(self) -> None:
        """Start without knowing the interval."""
        self._first: list[tuple[float, float]] = []
        self._model: anomaly.PredictiveAnomalyDetection | None = None

    def step(self, at_s: float, value: float) -> float:
        """Return squared error over river's dynamic threshold, 0 while a first day is learned."""
        if self._model is None:
            self._first.append((at_s, value))
            if len(self._first) == INTERVAL_SAMPLES:
                self._begin()
            return 0.0
        forecaster = self._model.predictive_model
        score = self._model.score_one(None, value) if forecaster.level else 0.0
        self._model.learn_one(None, value)
        return score

    def _begin(self) -> None:
        times = [at_s for at_s, _ in self._first]
        intervals = [b - a for a, b in pairwise(times) if b > a]
        season = max(2, round(DAY_S / median(intervals or [DAY_S])))
        forecaster = time_series.HoltWinters(alpha=0.3, beta=0.1, gamma=GAMMA, seasonality=season)
        self._model = anomaly.PredictiveAnomalyDetection(forecaster)
        for _, value in self._first:
            self._model.learn_one(None, value)


BASELINES = [
    Streaming("river-hst", "river", None, half_space_trees),
    Streaming("river-gaussian", "river", None, gaussian),
    Streaming("river-holt-winters", "river", SATURATED, lambda: HoltWinters().step),
]
