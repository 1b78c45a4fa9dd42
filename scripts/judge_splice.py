#!/usr/bin/env python3
"""An opinion from outside on spliced JPEGs: libjpeg's coefficients, by way of jpeglib.

Reads one JSON object a line: `before` and `after` name files, `rects` the redacted rectangles ([x, y, width, height], stored
pixels, whole MCUs). Every coefficient outside of them must be the same; inside, no block may keep its detail. Prints how many
blocks were compared; exit code 1 and the first difference if the judge disagrees.
"""

import json
import sys

import jpeglib
import numpy


def planes(picture: jpeglib.DCTJPEG) -> list[tuple[numpy.ndarray, int, int]]:
    """The blocks of every component, and the pixels of the photo that a block is wide and high."""
    found = [plane for plane in (picture.Y, picture.Cb, picture.Cr) if plane is not None]
    most_down, most_across = (max(side) for side in zip(*picture.samp_factor))
    sizes = [(8 * most_across // across, 8 * most_down // down) for down, across in picture.samp_factor]
    return [(plane, *size) for plane, size in zip(found, sizes)]


def judge(case: dict) -> tuple[int, str]:
    before, after = jpeglib.read_dct(case["before"]), jpeglib.read_dct(case["after"])
    same = lambda name: numpy.array_equal(getattr(before, name), getattr(after, name))
    for name in ("height", "width", "samp_factor", "qt", "quant_tbl_no", "num_components"):
        if not same(name):
            return 0, f"{name} differs"
    compared = 0
    for number, ((old, wide, high), (new, _, _)) in enumerate(zip(planes(before), planes(after))):
        touched = numpy.zeros(old.shape[:2], bool)
        for x, y, width, height in case["rects"]:
            touched[y // high : -(-(y + height) // high), x // wide : -(-(x + width) // wide)] = True
        differs = (old != new).any(axis=(2, 3))
        if (differs & ~touched).any():
            return 0, f"component {number}: {int((differs & ~touched).sum())} blocks outside the regions differ"
        # What had detail must not have the same one. DC alone says nothing.
        detail = numpy.count_nonzero(old, axis=(2, 3)) > 6
        unlike = old != new
        unlike[:, :, 0, 0] = False
        kept = ~unlike.any(axis=(2, 3)) & detail & touched
        if kept.any():
            return 0, f"component {number}: {int(kept.sum())} blocks inside the regions are as they were"
        compared += int((~touched).sum())
    return compared, ""


def main() -> int:
    total = cases = 0
    for line in sys.stdin:
        case = json.loads(line)
        compared, complaint = judge(case)
        if complaint:
            print(f"{case['before']} -> {case['after']}: {complaint}", file=sys.stderr)
            return 1
        total, cases = total + compared, cases + 1
    print(f"{cases} files, {total} blocks outside the regions: all the same")
    return 0 if cases else 1


if __name__ == "__main__":
    sys.exit(main())
