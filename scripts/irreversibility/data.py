"""Labelled photos: folders with `annotations.json` (COCO, boxes in pixels) beside `images/`."""

import json
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np

Box = tuple[float, float, float, float]  # x, y, width, height


def boxes(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, Box]]:
    """Every box with its photo's path, in the file's order."""
    content = json.loads((folder / "annotations.json").read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    for annotation in content["annotations"]:
        yield folder / "images" / names[annotation["image_id"]], tuple(annotation["bbox"])


def load(path: pathlib.Path) -> np.ndarray:
    """A photo, BGR uint8 [height, width, 3]."""
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if photo is None:
        raise ValueError(f"expected a photo, found none that can be read: {path}")
    return photo


def crop(photo: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """The box, larger by a share of its longer side on every side, as far as the photo goes."""
    x, y, width, height = box
    extra = margin * max(width, height)
    top, left = max(0, int(y - extra)), max(0, int(x - extra))
    return photo[top : int(y + height + extra), left : int(x + width + extra)]
