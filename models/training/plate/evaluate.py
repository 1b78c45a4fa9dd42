#!/usr/bin/env python3
"""Measure an exported detector on photo sets with known plates.

    python evaluate.py MODEL.onnx ... --data FOLDER_OF_SETS [--sets NAME ...] [--sizes 640 960] [--thresholds 0.3 0.4]

Prints recall (IoU >= 0.5), coverage with boxes enlarged by 10 %, 30 % and by Obscura's policy, false boxes a photo, the
redacted area over that of the plates, both enlarged by policy, all with 95 % intervals; the median time of one run on
one thread, and recall and coverage by plate width. Of a set that `data_list.toml` holds photos out of, only those are
measured.
"""

import argparse
import itertools
import json
import pathlib
from collections.abc import Callable

import cv2
import numpy as np

from data_list import read_data_list, split_held_out
from detector import Detector
from metrics import ENLARGEMENTS, PlateResult, Score, score, share, wilson_interval
from photos import Photo, read_dataset

MEASURED_SETS = ("plates_web_valid", "plates_dashcam_valid", "no_plates")
# Distant plates of this set are unlabelled, so its false boxes say little.
FALSE_BOXES_UNRELIABLE = ("plates_dashcam_valid",)
VALIDATION_LONG_SIDE = 640
VALIDATION_THRESHOLD = 0.4
WIDTH_EDGES = (0, 16, 24, 32, 48, 64, 96, 128, 192, 10_000)  # pixels at the network's input
BY_WIDTH_THRESHOLD = 0.3


def validation_summary(model: pathlib.Path, photos: list[Photo]) -> dict:
    """Short figures during training: by set recall, coverage 10 %, coverage 30 %, false boxes a photo; and one score,
    the mean over sets of (recall + coverage 10 %) / 2 less a tenth of the false boxes where those are reliable."""
    detector = Detector.open(model)
    summary, scores = {}, []
    for dataset in sorted({photo.dataset for photo in photos}):
        members = [photo for photo in photos if photo.dataset == dataset]
        detections = [detector.detect(photo.image, VALIDATION_LONG_SIDE) for photo in members]
        result = score(members, detections, VALIDATION_THRESHOLD)
        figures = (result.recall, *result.coverage[:2], result.false_boxes_per_photo)
        summary[dataset] = [round(figure, 3) for figure in figures]
        penalty = 0 if dataset in FALSE_BOXES_UNRELIABLE else 0.1 * result.false_boxes_per_photo
        scores.append((result.recall + result.coverage[0]) / 2 - penalty)
    return summary | {"score": round(float(np.mean(scores)), 4)}


def figures(result: Score) -> str:
    """One line of a table."""

    def of_plates(values: list[bool]) -> str:
        # Near 1, where drawing plates again would only ever give 1.
        low, high = wilson_interval(sum(values), len(values))
        return f"{share(values):.3f} ({low:.2f}-{high:.2f})"

    def of_photos(figure: Callable[[Score], float]) -> str:
        low, high = result.interval(figure)
        return f"{figure(result):.3f} ({low:.2f}-{high:.2f})"

    false_boxes = f"false {of_photos(lambda some: some.false_boxes_per_photo)}"
    if not result.plates:
        return false_boxes
    small, large, policy = (of_plates([plate.covered[index] for plate in result.plates]) for index in range(3))
    return (
        f"recall {of_plates([plate.hit for plate in result.plates])}"
        f"  coverage 10 % {small}  30 % {large}  policy {policy}"
        f"  {false_boxes}  area {of_photos(lambda some: some.area_ratio)}"
    )


def by_width(plates: list[PlateResult], long_side: int) -> list[str]:
    """Lines of count, recall and coverage by plate width at the network's input."""
    lines = []
    for low, high in itertools.pairwise(WIDTH_EDGES):
        members = [plate for plate in plates if low <= plate.relative_width * long_side < high]
        if members:
            rates = [share(plate.hit for plate in members)]
            rates += [share(plate.covered[index] for plate in members) for index in range(len(ENLARGEMENTS))]
            lines.append(f"{low}-{high} px: {len(members)} plates, " + " / ".join(f"{rate:.2f}" for rate in rates))
    return lines


def evaluate(model: pathlib.Path, sets: dict[str, list[Photo]], sizes: list[int], thresholds: list[float]) -> dict:
    """Print the tables; returns all detections by size and set, for other analyses."""
    detections: dict = {}
    for long_side in sizes:
        detector = Detector.open(model)
        found = {name: [detector.detect(photo.image, long_side) for photo in photos] for name, photos in sets.items()}
        print(f"{model.name}, long side {long_side} px, median {np.median(detector.milliseconds):.1f} ms a run")
        for threshold in thresholds:
            for name, photos in sets.items():
                print(f"  {threshold:.2f}  {name:22} {figures(score(photos, found[name], threshold))}")
        plates = [plate for name in sets for plate in score(sets[name], found[name], BY_WIDTH_THRESHOLD).plates]
        print(f"  by plate width at threshold {BY_WIDTH_THRESHOLD}: recall / coverage 10 % / 30 % / policy")
        for line in by_width(plates, long_side):
            print(f"    {line}")
        detections[long_side] = {name: [each.round(2).tolist() for each in found[name]] for name in sets}
    return detections


def read_measured_set(root: pathlib.Path, name: str) -> list[Photo]:
    """The photos of a set, or those held out of it where the list holds some out."""
    photos = read_dataset(root / name)
    listed = next((entry for entry in read_data_list() if entry["name"] == name), {})
    _, held_out = split_held_out(photos, listed)
    return held_out or photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder that holds one folder a set")
    parser.add_argument("--sets", nargs="+", default=list(MEASURED_SETS), help="default: %(default)s")
    parser.add_argument("--sizes", nargs="+", type=int, default=[640], help="long sides in pixels")
    parser.add_argument("--thresholds", nargs="+", type=float, default=[0.2, 0.3, 0.4, 0.5])
    parser.add_argument("--out", type=pathlib.Path, help="write all detections to this JSON file")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sets = {name: read_measured_set(arguments.data, name) for name in arguments.sets}
    detections = {
        model.name: evaluate(model, sets, arguments.sizes, arguments.thresholds) for model in arguments.models
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(detections), encoding="utf-8")


if __name__ == "__main__":
    main()
