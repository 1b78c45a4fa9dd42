"""A face recogniser on street photos: does a redacted face look more like itself in the clear than like others?

The network is dlib's (a ResNet of 128 numbers a face, CC0), with its finder of five landmarks (CC0). The landmarks are
those of the clear face, which an attacker would have to guess.
"""

import pathlib
import shutil
import tempfile
from dataclasses import dataclass

import cv2
import dlib
import numpy as np

import cells
import data
import packaged
import product
from chance import by_permutation

SET = "faces_street"
PACKAGE = "face_recognition_models"
SMALLEST_PX = 40
MOST = 300
SHOWN = [("solid", 1), ("mosaic", 2), ("blur", 2), ("mosaic", 3), ("blur", 3), ("mosaic", 4), ("blur", 4)]
SHOWN += [("mosaic", 8), ("blur", 8)]
REFUSED = [("mosaic", 16), ("blur", 16), ("mosaic", 32), ("blur", 32)]


@dataclass(frozen=True)
class Face:
    """A labelled face, large enough to be recognised."""

    photo: pathlib.Path
    box: data.Box


class Recogniser:
    """What makes a face comparable."""

    def __init__(self) -> None:
        self._landmarks = dlib.shape_predictor(packaged.model(PACKAGE, "shape_predictor_5_*.dat"))
        self._network = dlib.face_recognition_model_v1(packaged.model(PACKAGE, "dlib_face_recognition_*.dat"))

    def describe(self, clear: np.ndarray, shown: np.ndarray, box: data.Box, turned: bool = False) -> np.ndarray:
        """128 numbers of the face in the box of `shown`, placed as it is in `clear`; both BGR. `turned`: as another
        photo of the same face would show it.
        """
        x, y, width, height = (round(value) for value in box)
        rect = dlib.rectangle(x, y, x + width, y + height)
        shape = self._landmarks(np.ascontiguousarray(clear[..., ::-1]), rect)
        chip = dlib.get_face_chip(np.ascontiguousarray(shown[..., ::-1]), shape, 150, 0.25)
        return np.array(self._network.compute_face_descriptor(another_photo(chip) if turned else chip))


def another_photo(chip: np.ndarray) -> np.ndarray:
    """The face mirrored, turned a little, in dimmer and bluer light."""
    turn = cv2.getRotationMatrix2D((75, 75), 4, 1.03)
    turned = cv2.warpAffine(chip[:, ::-1], turn, (150, 150), borderMode=cv2.BORDER_REPLICATE)
    lit = (turned / 255.0) ** 1.4 * (205, 220, 235)
    return np.ascontiguousarray(lit.astype(np.uint8))


def largest(folder: pathlib.Path) -> list[Face]:
    """The largest faces of the set."""
    faces = [Face(path, box) for path, box in data.boxes(folder / SET) if box[3] >= SMALLEST_PX]
    return sorted(faces, key=lambda face: -face.box[3])[:MOST]


def attack(folder: pathlib.Path, program: pathlib.Path) -> list[dict]:
    """A row of figures for each style and strength, and one for faces that were not redacted."""
    recogniser = Recogniser()
    faces = largest(folder)
    clear = {face.photo: data.load(face.photo) for face in faces}
    gallery = {turned: _describe_all(recogniser, clear, clear, faces, turned) for turned in (False, True)}
    rows = [_row("clear", 0, False, gallery[False], gallery)]
    with tempfile.TemporaryDirectory() as staged:
        for photo in clear:
            shutil.copyfile(photo, pathlib.Path(staged) / photo.name)
        for style, count in SHOWN:
            settings = ["--face-style", style, "--face-cells", str(count)]
            results = product.redact(program, pathlib.Path(staged), settings)
            rects = {face.photo: results[face.photo.name].redacted for face in faces if face.photo.name in results}
            shown = {photo: results[photo.name].picture for photo in rects}
            rows.append(_covered_row(recogniser, style, count, True, faces, clear, shown, rects, gallery))
        for style, count in REFUSED:
            shown = {photo: _by_formula(clear[photo], rects[photo], style, count) for photo in rects}
            rows.append(_covered_row(recogniser, style, count, False, faces, clear, shown, rects, gallery))
    return rows


def _by_formula(photo: np.ndarray, rects: list[product.Rect], style: str, count: int) -> np.ndarray:
    shown = photo.copy()
    for x, y, width, height in rects:
        shown[y : y + height, x : x + width] = cells.obscured(photo[y : y + height, x : x + width], style, count)
    return shown


def _describe_all(recogniser: Recogniser, clear: dict, shown: dict, faces: list[Face], turned: bool) -> np.ndarray:
    return np.stack([recogniser.describe(clear[at.photo], shown[at.photo], at.box, turned) for at in faces])


def _covered_row(
    recogniser: Recogniser,
    style: str,
    count: int,
    by_program: bool,
    faces: list[Face],
    clear: dict[pathlib.Path, np.ndarray],
    shown: dict[pathlib.Path, np.ndarray],
    rects: dict[pathlib.Path, list[product.Rect]],
    gallery: dict[bool, np.ndarray],
) -> dict:
    """Only faces that were found: what a detector misses is measured elsewhere."""
    kept = [at for at, face in enumerate(faces) if product.coverage(face.box, rects.get(face.photo, [])) >= 0.99]
    probes = _describe_all(recogniser, clear, shown, [faces[at] for at in kept], False)
    return _row(style, count, by_program, probes, {turned: of[kept] for turned, of in gallery.items()})


def _row(style: str, count: int, by_program: bool, probes: np.ndarray, gallery: dict[bool, np.ndarray]) -> dict:
    row = {"style": style, "cells": count, "by_program": by_program, "faces": len(probes)}
    for turned, name in ((False, "same_photo"), (True, "another_photo")):
        row[name] = compare(probes, gallery[turned])
    return row


def compare(probes: np.ndarray, gallery: np.ndarray) -> dict:
    """How often the nearest of the gallery is the right one, and how often it is nearer than another (AUC)."""
    distances = np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    nearest = (distances == distances.min(axis=1, keepdims=True)).astype(float)
    nearest /= nearest.sum(axis=1, keepdims=True)
    farther = (distances[:, :, None] < distances[:, None, :]).sum(2) + 0.5 * (
        (distances[:, :, None] == distances[:, None, :]).sum(2) - 1
    )
    ones = np.ones(len(probes))
    first = by_permutation(nearest, ones)
    rank = by_permutation(farther / (len(probes) - 1), ones)
    return {"first": first.to_json(), "auc": rank.to_json()}
