"""What an earlier detector finds in the training photos and the labels do not know.

Hard negatives where there surely is no plate, boxes to be ignored where there may be one.
"""

import pathlib

import numpy as np

from detector import Detector
from photos import Photo

LONG_SIDES = (480, 800, 1280)  # pixels; a photo is looked at at each
MISTAKEN_FROM = 0.2  # scores
# What is narrower, in pixels, looks like a distant plate to anybody, and is no lesson.
MISTAKEN_MIN_WIDTH = 20
# Sets with plates that nobody labelled: from this score on a find is more likely such a plate than a mistake.
UNSURE_FROM = {"plates_dashcam_train": 0.3, "plates_web_train": 0.75}
# Distant plates of this set are unlabelled: what scores low there may be one too, and is no lesson.
NO_MISTAKES_FROM = ("plates_dashcam_train",)


class Miner:
    """An exported detector that looks through training photos."""

    def __init__(self, model: pathlib.Path) -> None:
        self._detector = Detector.open(model)

    def mine(self, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
        """What is likely a plate without a label, and what was mistaken for one, float32 [n, 4] each."""
        found = np.concatenate([self._detector.detect(photo.image, long_side) for long_side in LONG_SIDES])
        return sort_finds(found, photo)


def sort_finds(found: np.ndarray, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """Finds [n, 5] (x0 y0 x1 y1 score) that touch no labelled plate, as `Miner.mine` returns them."""
    unlabelled = [box for box in found if not any(touches(box[:4], plate) for plate in photo.boxes)]
    boxes = np.array(unlabelled, np.float32).reshape(-1, 5)
    unsure = boxes[:, 4] >= UNSURE_FROM.get(photo.dataset, np.inf)
    found_there = boxes[:, 4] >= MISTAKEN_FROM
    narrow = boxes[:, 2] - boxes[:, 0] < MISTAKEN_MIN_WIDTH
    if photo.dataset in UNSURE_FROM:
        unsure |= found_there & narrow
    mistaken = found_there & ~unsure & ~narrow
    if photo.dataset in NO_MISTAKES_FROM:
        mistaken[:] = False
    return boxes[unsure, :4], boxes[mistaken, :4]


def touches(box: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.all(np.minimum(box[2:], other[2:]) > np.maximum(box[:2], other[:2])))
