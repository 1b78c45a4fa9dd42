"""Running the program itself, and proving that `cells` computes what it does."""

import json
import pathlib
import subprocess
import tempfile
from dataclasses import dataclass

import cv2
import numpy as np

import cells

Rect = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True)
class Result:
    """A redacted photo, BGR, and its receipt's regions."""

    picture: np.ndarray
    redacted: list[Rect]


def redact(program: pathlib.Path, photos: pathlib.Path, settings: list[str]) -> dict[str, Result]:
    """Redact a folder; what was quarantined is left out."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        command = [program, "redact", photos, "--out", out, "--receipts", *settings]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"expected exit code 0 or 1 of {program}, found {done.returncode}: {done.stderr[-500:]}")
        return {path.name: _result(path) for path in sorted(out.iterdir()) if path.suffix != ".json"}


def _result(path: pathlib.Path) -> Result:
    receipt = json.loads(path.with_name(path.name + ".receipt.json").read_text())
    rects = [(at["x"], at["y"], at["width"], at["height"]) for at in receipt["redacted"]]
    return Result(cv2.imread(str(path), cv2.IMREAD_COLOR), rects)


def coverage(box: tuple[float, float, float, float], rects: list[Rect]) -> float:
    """Share of a box that the regions cover together."""
    x, y, width, height = (round(value) for value in box)
    mask = np.zeros((max(1, height), max(1, width)), bool)
    for left, top, wide, high in rects:
        mask[max(0, top - y) : max(0, top + high - y), max(0, left - x) : max(0, left + wide - x)] = True
    return float(mask.mean())


def differences(program: pathlib.Path, photos: list[np.ndarray], style: str, count: int) -> tuple[int, int]:
    """How many samples of regions were compared with `cells`, and how many differ. Lossless, so they must be equal."""
    settings = ["--style", style, "--plate-cells", str(count), "--face-cells", str(count)]
    compared = different = 0
    with tempfile.TemporaryDirectory() as folder:
        for index, photo in enumerate(photos):
            cv2.imwrite(f"{folder}/{index}.png", photo)
        for name, result in redact(program, pathlib.Path(folder), settings).items():
            clear = photos[int(name.removesuffix(".png"))]
            expected = clear.copy()
            for x, y, width, height in result.redacted:
                part = clear[y : y + height, x : x + width]
                expected[y : y + height, x : x + width] = cells.obscured(part, style, count)
                compared += part.size
            different += int((expected != result.picture).sum())
    return compared, different
