"""Robust random cut forest: how much the model of the data changes when a point leaves it.

Trees, shingle and tree size are those of the package's streaming example.
"""

from collections import deque

import numpy as np
import rrcf

from detectors.base import Streaming

N_TREES = 40
SHINGLE_LEN = 4
TREE_LEN = 256


class Forest:
    """A forest over the latest shingles (the last few values as one point)."""

    def __init__(self) -> None:
        """Plant the trees, each with its own seed."""
        self._trees = [rrcf.RCTree(random_state=seed) for seed in range(N_TREES)]
        self._shingle: deque[float] = deque(maxlen=SHINGLE_LEN)
        self._index = -1

    def step(self, _at_s: float, value: float) -> float:
        """Return the mean collusive displacement of the newest shingle."""
        self._shingle.append(value)
        if len(self._shingle) < SHINGLE_LEN:
            return 0.0
        self._index += 1
        point = np.array(self._shingle)
        return sum(self._displacement(tree, point) for tree in self._trees) / N_TREES

    def _displacement(self, tree: rrcf.RCTree, point: np.ndarray) -> float:
        if len(tree.leaves) == TREE_LEN:
            tree.forget_point(self._index - TREE_LEN)
        tree.insert_point(point, index=self._index)
        return tree.codisp(self._index)


BASELINES = [Streaming("rrcf", "rrcf", None, lambda: Forest().step)]
