"""How good detections are for obscuring plates: recall, coverage, false boxes, redacted area.

Coverage is what counts here: a plate is covered where at least 90 % of its area lies under the union of the boxes, each
enlarged (as Obscura does by default, and by 10 % and 30 % of its width and height; half on each side).
"""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from photos import Photo

HIT_IOU = 0.5
COVERED_SHARE = 0.9
POLICY = (0.20, 0.40)  # of width and height: Obscura's defaults
ENLARGEMENTS = ((0.10, 0.10), (0.30, 0.30), POLICY)
# A box that overlaps every plate less than this is a false one.
TOUCHING = 0.1
RESAMPLINGS = 2000


@dataclass
class PlateResult:
    """What became of one plate."""

    relative_width: float  # plate width over the photo's longer side
    hit: bool  # a box has IoU >= 0.5 with it
    covered: tuple[bool, ...]  # at each of `ENLARGEMENTS`


@dataclass
class PhotoResult:
    """What became of one photo. Areas are in square pixels."""

    plates: list[PlateResult]
    false_boxes: int
    redacted_area: float  # of the union of all boxes enlarged by policy
    wanted_area: float  # of the union of the plates enlarged by policy


@dataclass
class Score:
    """Results of a set of photos at one threshold."""

    photos: list[PhotoResult]

    @property
    def plates(self) -> list[PlateResult]:
        return [plate for photo in self.photos for plate in photo.plates]

    @property
    def recall(self) -> float:
        return share(plate.hit for plate in self.plates)

    @property
    def coverage(self) -> tuple[float, ...]:
        """At each of `ENLARGEMENTS`."""
        return tuple(share(plate.covered[index] for plate in self.plates) for index in range(len(ENLARGEMENTS)))

    @property
    def false_boxes_per_photo(self) -> float:
        return sum(photo.false_boxes for photo in self.photos) / len(self.photos)

    @property
    def area_ratio(self) -> float:
        """Redacted area over wanted area on photos with plates; not a number where there are none."""
        with_plates = [photo for photo in self.photos if photo.plates]
        wanted = sum(photo.wanted_area for photo in with_plates)
        return sum(photo.redacted_area for photo in with_plates) / wanted if wanted else math.nan

    def interval(self, figure: Callable[["Score"], float]) -> tuple[float, float]:
        """95 % interval of any figure, by drawing as many photos again and again (bootstrap, seed 0)."""
        random = np.random.RandomState(0)
        draws = random.randint(0, len(self.photos), (RESAMPLINGS, len(self.photos)))
        figures = [figure(Score([self.photos[index] for index in draw])) for draw in draws]
        low, high = np.percentile(figures, [2.5, 97.5])
        return float(low), float(high)


def share(values: Iterable[bool]) -> float:
    """The share of true values; not a number where there are none."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def wilson_interval(successes: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share, usable for small sets and for shares near 1."""
    if not total:
        return math.nan, math.nan
    rate = successes / total
    centre = (rate + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return centre - half, centre + half


def covered_share(plate: np.ndarray, boxes: np.ndarray) -> float:
    """Share of `plate` [4] under the union of `boxes` [n, 4], x0 y0 x1 y1."""
    return covered_area(plate, boxes) / float((plate[2:] - plate[:2]).prod())


def covered_area(plate: np.ndarray, boxes: np.ndarray) -> float:
    """Area of `plate` [4] under the union of `boxes` [n, 4]; exact, on the grid of all edges."""
    low = np.maximum(boxes[:, :2], plate[:2])
    high = np.minimum(boxes[:, 2:], plate[2:])
    overlapping = (high > low).all(1)
    low, high = low[overlapping], high[overlapping]
    x_edges = np.unique(np.r_[low[:, 0], high[:, 0]])
    y_edges = np.unique(np.r_[low[:, 1], high[:, 1]])
    area = 0.0
    for left, right in itertools.pairwise(x_edges):
        for top, bottom in itertools.pairwise(y_edges):
            middle = np.array([(left + right) / 2, (top + bottom) / 2])
            if ((low <= middle) & (high >= middle)).all(1).any():
                area += (right - left) * (bottom - top)
    return float(area)


def enlarge(boxes: np.ndarray, by: tuple[float, float]) -> np.ndarray:
    """Boxes [n, 4] with width and height larger by the shares `by`, about the same centres."""
    margin = (boxes[:, 2:] - boxes[:, :2]) * by / 2
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], 1)


def overlaps(plate: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IoU of each box [n, 4] with the plate [4], and share of each box that lies on the plate."""
    sides = (np.minimum(boxes[:, 2:], plate[2:]) - np.maximum(boxes[:, :2], plate[:2])).clip(0)
    intersection = sides.prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    plate_area = (plate[2:] - plate[:2]).prod()
    return intersection / (areas + plate_area - intersection + 1e-9), intersection / (areas + 1e-9)


def score(photos: list[Photo], detections: list[np.ndarray], threshold: float) -> Score:
    """Compare detections (one [n, 5] a photo: x0 y0 x1 y1 score) at or above a threshold with the photos' plates."""
    return Score(
        [
            score_photo(photo, found[found[:, 4] >= threshold, :4].astype(np.float64))
            for photo, found in zip(photos, detections, strict=True)
        ]
    )


def score_photo(photo: Photo, boxes: np.ndarray) -> PhotoResult:
    """Compare boxes [n, 4] with the photo's plates."""
    height, width = photo.image.shape[:2]
    truth = photo.boxes.astype(np.float64)
    enlarged = [enlarge(boxes, by) for by in ENLARGEMENTS]
    best_overlap = np.zeros(len(boxes))
    plates: list[PlateResult] = []
    for plate in truth:
        iou, on_plate = overlaps(plate, boxes)
        best_overlap = np.maximum(best_overlap, np.maximum(iou, on_plate))
        covered = tuple(covered_share(plate, each) >= COVERED_SHARE for each in enlarged)
        plates.append(PlateResult((plate[2] - plate[0]) / max(height, width), bool((iou >= HIT_IOU).any()), covered))
    whole = np.array([0.0, 0.0, width, height])
    return PhotoResult(
        plates,
        false_boxes=int((best_overlap < TOUCHING).sum()),
        redacted_area=covered_area(whole, enlarge(boxes, POLICY)),
        wanted_area=covered_area(whole, enlarge(truth, POLICY)),
    )
