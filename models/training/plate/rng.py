"""The only source of chance of one training process, so that a run can be repeated and resumed exactly."""

import math
import random
from typing import Any

import numpy as np


class Rng(random.Random):
    """Python's generator for single numbers and choices, NumPy's (`arrays`) for arrays, both from one seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.arrays = np.random.RandomState(seed)

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def log_uniform(self, low: float, high: float) -> float:
        """A number in [low, high] whose logarithm is uniform: sizes are spread evenly over octaves."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def snapshot(self) -> dict[str, Any]:
        """Both states in plain Python types, which a checkpoint can hold without pickled classes."""
        name, keys, position, has_gauss, cached_gaussian = self.arrays.get_state()
        return {
            "numbers": self.getstate(),
            "arrays": (name, keys.tolist(), position, has_gauss, cached_gaussian),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        self.setstate(snapshot["numbers"])
        name, keys, *rest = snapshot["arrays"]
        self.arrays.set_state((name, np.array(keys, np.uint32), *rest))
