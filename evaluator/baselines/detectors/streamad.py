"""Detectors of streamad, anomaly detection for data streams, as constructed without arguments."""

from collections.abc import Callable

import numpy as np
from streamad.base import BaseDetector
from streamad.model import KNNDetector, SpotDetector, SRDetector
from streamad.process import ZScoreCalibrator

from detectors.base import SATURATED, Step, Streaming

# SpotDetector may fall back on numpy's global random numbers.
SEED = 42


def stepper(build: Callable[[], BaseDetector]) -> Callable[[], Step]:
    """Turn a class of streamad into a maker of steps; its first window has no score."""

    def make() -> Step:
        np.random.seed(SEED)
        model = build()
        return lambda _at_s, value: model.fit_score(np.array([value]))

    return make


def calibrated_knn() -> Step:
    """Build the distance to neighbors behind streamad's calibrator: 1 is an extreme distance."""
    model, calibrator = KNNDetector(), ZScoreCalibrator()
    return lambda _at_s, value: calibrator.normalize(model.fit_score(np.array([value])))


BASELINES = [
    Streaming("streamad-spot", "streamad", SATURATED, stepper(SpotDetector)),
    Streaming("streamad-knn", "streamad", None, stepper(KNNDetector)),
    Streaming("streamad-knn-calibrated", "streamad", SATURATED, calibrated_knn),
    Streaming("streamad-sr", "streamad", None, stepper(SRDetector)),
]
