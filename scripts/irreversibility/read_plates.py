"""A text recogniser on real plates: what it reads when they are clear is the truth, if it is sure of it."""

import pathlib
import shutil
import tempfile
from dataclasses import dataclass

import numpy as np

import cells
import data
import product
from chance import Figure, by_permutation
from reader import Reader, common, stretched

SETS = ("plates_web_valid", "plates_web_train", "plates_dashcam_valid", "plates_dashcam_train")
SURE = 0.9
LENGTHS = range(4, 10)
MARGIN = 0.04
# Readings that share so much are of one plate, seen twice.
SAME = 0.7
# What the program shows, and what it refuses: there the recogniser must succeed, or it proves nothing.
SHOWN = [("solid", 1), ("mosaic", 1), ("blur", 1), ("mosaic", 2), ("blur", 2), ("mosaic", 4), ("blur", 4)]
SHOWN += [("mosaic", 8), ("blur", 8)]
REFUSED = [("mosaic", 16), ("blur", 16), ("mosaic", 32), ("blur", 32), ("mosaic", 48), ("blur", 48)]


@dataclass(frozen=True)
class Plate:
    """A plate that can be read when it is clear."""

    photo: pathlib.Path
    box: data.Box
    text: str

    @property
    def name(self) -> str:
        """A name of its own for its photo."""
        return f"{self.photo.parent.parent.name}-{self.photo.name}"


def readable(folder: pathlib.Path, reader: Reader) -> list[Plate]:
    """One photo of each plate that is read surely, the surest first."""
    read = []
    for name in SETS:
        if (folder / name).is_dir():
            for path, box in data.boxes(folder / name):
                text, sure = reader.read(data.crop(data.load(path), box, MARGIN))
                if sure >= SURE and len(text) in LENGTHS:
                    read.append((sure, Plate(path, box, text)))
    plates: list[Plate] = []
    for _, plate in sorted(read, key=lambda item: -item[0]):
        if all(common(plate.text, other.text) < SAME * max(len(plate.text), len(other.text)) for other in plates):
            plates.append(plate)
    return plates


def attack(folder: pathlib.Path, program: pathlib.Path) -> list[dict]:
    """A row of figures for each style and strength."""
    reader = Reader()
    plates = readable(folder, reader)
    rows = []
    with tempfile.TemporaryDirectory() as staged:
        for plate in plates:
            shutil.copyfile(plate.photo, pathlib.Path(staged) / plate.name)
        for style, count in SHOWN:
            settings = ["--plate-style", style, "--plate-cells", str(count)]
            results = product.redact(program, pathlib.Path(staged), settings)
            seen = [
                (plate, data.crop(results[plate.name].picture, plate.box, MARGIN), results[plate.name].redacted)
                for plate in plates
                if plate.name in results and product.coverage(plate.box, results[plate.name].redacted) >= 0.995
            ]
            rows.append(_row(reader, style, count, True, [(plate, picture) for plate, picture, _ in seen]))
        for style, count in REFUSED:
            shown = [(plate, _by_formula(plate, rects, style, count)) for plate, _, rects in seen]
            rows.append(_row(reader, style, count, False, shown))
    return rows


def _by_formula(plate: Plate, rects: list[product.Rect], style: str, count: int) -> np.ndarray:
    photo = data.load(plate.photo)
    for x, y, width, height in rects:
        photo[y : y + height, x : x + width] = cells.obscured(photo[y : y + height, x : x + width], style, count)
    return data.crop(photo, plate.box, MARGIN)


def _row(reader: Reader, style: str, count: int, shown: bool, seen: list[tuple[Plate, np.ndarray]]) -> dict:
    figure, silent = score(reader, seen)
    row = {"style": style, "cells": count, "by_program": shown, "plates": len(seen), "nothing_read": silent}
    return row | figure.to_json()


def score(reader: Reader, seen: list[tuple[Plate, np.ndarray]]) -> tuple[Figure, int]:
    """Characters read of each plate, as it is and with its contrast stretched, whichever is better; and how many were
    not read at all.
    """
    readings = [[reader.read(picture)[0], reader.read(stretched(picture))[0]] for _, picture in seen]
    truths = [plate.text for plate, _ in seen]
    hits = np.array([[max(common(text, truth) for text in texts) for truth in truths] for texts in readings])
    silent = sum(not any(texts) for texts in readings)
    return by_permutation(hits, np.array([len(truth) for truth in truths])), silent
