#!/usr/bin/env python3
"""Measure exported detectors on validation photos made harder: smaller, larger, drawn out, darker, turned, and with
rendered plates of other countries over the labelled ones.

    python harder.py plate.onnx ... --data FOLDER_OF_SETS

Coverage at Obscura's enlargement and false boxes a photo. All that is random follows from the photo's number.
"""

import argparse
import pathlib
from collections.abc import Callable

import cv2
import numpy as np

from data_list import read_data_list, split_held_out
from detector import Detector
from fonts import Fonts, find_fonts
from geometry import warp_boxes
from metrics import score
from paste import replace
from photos import Photo, read_dataset
from rng import Rng
from synth_plates import render_plate

Change = Callable[[Photo, int], Photo]
# Rendered plates of another shape are not pasted; another is tried.
TRIES = 8


def as_it_is(photo: Photo, _: int) -> Photo:
    return photo


def drawn_out(by: float) -> Change:
    """Wider by this factor."""

    def change(photo: Photo, _: int) -> Photo:
        image = cv2.resize(photo.image, None, fx=by, fy=1, interpolation=cv2.INTER_LINEAR)
        return Photo(image, photo.boxes * np.float32([by, 1, by, 1]), photo.dataset, photo.name)

    return change


def at_night(photo: Photo, number: int) -> Photo:
    """A quarter of the light, with noise of 6 of 255."""
    noise = np.random.RandomState(number).normal(0, 6, photo.image.shape)
    image = (photo.image.astype(np.float32) * 0.25 + noise).clip(0, 255).astype(np.uint8)
    return Photo(image, photo.boxes, photo.dataset, photo.name)


def turned(degrees: float) -> Change:
    def change(photo: Photo, _: int) -> Photo:
        height, width = photo.image.shape[:2]
        rotation = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        image = cv2.warpAffine(photo.image, rotation, (width, height), borderValue=(114, 114, 114))
        boxes = warp_boxes(np.vstack([rotation, [0, 0, 1]]), photo.boxes).clip(0, [width, height] * 2)
        return Photo(image, boxes.astype(np.float32), photo.dataset, photo.name)

    return change


def with_other_plates(fonts: Fonts, change_first: Change = as_it_is) -> Change:
    def change(photo: Photo, number: int) -> Photo:
        photo, rng = change_first(photo, number), Rng(number)
        image, boxes = photo.image.copy(), photo.boxes.copy()
        for index, place in enumerate(photo.boxes):
            tries = (replace(rng, image, render_plate(rng, fonts, 64), place, np.eye(3)) for _ in range(TRIES))
            replaced = next((box for box in tries if box is not None), None)
            if replaced is not None:
                boxes[index] = replaced.clip(0, [image.shape[1], image.shape[0]] * 2)
        return Photo(image, boxes, photo.dataset, photo.name)

    return change


def cases(fonts: Fonts) -> list[tuple[str, str, Change, int]]:
    """What it is called, the set, what is done to its photos, and the long side at which they are looked at."""
    dashcam, web, nothing = "plates_dashcam_valid", "plates_web_valid", "no_plates"
    return [
        *((f"dashcam at {side}", dashcam, as_it_is, side) for side in (320, 448, 640, 1280)),
        ("dashcam at night", dashcam, at_night, 640),
        ("dashcam turned", dashcam, turned(12), 640),
        ("dashcam, other plates", dashcam, with_other_plates(fonts), 640),
        *((f"web at {side}", web, as_it_is, side) for side in (416, 832)),
        ("web drawn out to 16:9", web, drawn_out(16 / 9), 896),
        ("web drawn out to 4:3", web, drawn_out(4 / 3), 640),
        ("web at night", web, at_night, 640),
        ("web turned", web, turned(-15), 640),
        *((f"web, other plates, {side}", web, with_other_plates(fonts, drawn_out(1.5)), side) for side in (640, 896)),
        *((f"no plates, held out, {side}", nothing, as_it_is, side) for side in (640, 896, 1280)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, nargs="+", help="ONNX files")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder that holds one folder a set")
    parser.add_argument("--fonts", type=pathlib.Path, nargs="+", default=[pathlib.Path("/usr/share/fonts")])
    parser.add_argument("--threshold", type=float, default=0.5)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    photos: dict[str, list[Photo]] = {}
    for listed in read_data_list():
        if listed["use"] != "never":
            kept, held_out = split_held_out(read_dataset(arguments.data / listed["name"]), listed)
            photos[listed["name"]] = held_out or kept
    detectors = [Detector.open(path) for path in arguments.models]
    for name, dataset, change, long_side in cases(find_fonts(arguments.fonts)):
        changed = [change(photo, number) for number, photo in enumerate(photos[dataset])]
        columns = []
        for detector in detectors:
            found = [detector.detect(photo.image, long_side) for photo in changed]
            result = score(changed, found, arguments.threshold)
            columns.append(f"{result.coverage[-1]:.3f} {result.false_boxes_per_photo:.2f}")
        print(f"{name:28}", "   ".join(columns), flush=True)


if __name__ == "__main__":
    main()
