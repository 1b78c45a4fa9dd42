#!/usr/bin/env python3
"""Compare receipts with ground truth: what share of the true boxes was covered, and what was covered for nothing.

    obscura redact DATASET/images --out OUT --receipts
    python3 scripts/coverage.py --dataset DATASET --out OUT --class plate

The data set is COCO: `annotations.json` beside `images/`, boxes in upright pixels. A true box counts as covered if at
least 90 % of it lies under the redacted area. A false box is a detection of the class that touches no true box. The
area ratio compares what was redacted with the true boxes enlarged by policy, on photos that have some.

Exit code 1 if a bound given by `--min-coverage`, `--max-false` or `--max-area` is not met.
"""

import argparse
import json
import math
import pathlib
import sys

# Share by which a box grows in width and height: the defaults of `redact.face_enlarge` and `redact.plate_enlarge_*`.
ENLARGE = {"face": (0.4, 0.4), "plate": (0.2, 0.4)}
COVERED = 0.9


def corners(box: dict) -> tuple[float, float, float, float]:
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def union_area(boxes: list[tuple], within: tuple | None = None) -> float:
    """Area of the union, inside `within` if given, by cutting the plane at every corner."""
    if within:
        clip = lambda b: (max(b[0], within[0]), max(b[1], within[1]), min(b[2], within[2]), min(b[3], within[3]))
        boxes = [clip(box) for box in boxes]
    boxes = [box for box in boxes if box[2] > box[0] and box[3] > box[1]]
    xs = sorted({x for box in boxes for x in (box[0], box[2])})
    area = 0.0
    for left, right in zip(xs, xs[1:]):
        bottom = -math.inf
        for y0, y1 in sorted((box[1], box[3]) for box in boxes if box[0] <= left and box[2] >= right):
            area += (right - left) * max(0.0, y1 - max(y0, bottom))
            bottom = max(bottom, y1)
    return area


def enlarged(box: tuple, share: tuple[float, float]) -> tuple:
    dx, dy = (box[2] - box[0]) * share[0] / 2, (box[3] - box[1]) * share[1] / 2
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def touches(a: tuple, b: tuple) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval of 95 %."""
    if not count:
        return 0.0, 1.0
    z, share = 1.96, hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return centre - spread, centre + spread


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder with the receipts of the data set")
    parser.add_argument("--class", dest="kind", choices=ENLARGE, required=True)
    parser.add_argument("--min-height", type=float, default=0, help="leave out true boxes that are less high, in pixels")
    parser.add_argument("--min-coverage", type=float, default=0)
    parser.add_argument("--max-false", type=float, default=math.inf)
    parser.add_argument("--max-area", type=float, default=math.inf)
    args = parser.parse_args()

    truth = json.loads((args.dataset / "annotations.json").read_text())
    category = next(entry["id"] for entry in truth["categories"] if entry["name"] == args.kind)
    boxes_of: dict[int, list] = {image["id"]: [] for image in truth["images"]}
    for note in truth["annotations"]:
        if note["category_id"] == category:
            x, y, width, height = note["bbox"]
            boxes_of[note["image_id"]].append((x, y, x + width, y + height))

    covered = count = false = missing = 0
    redacted_area = true_area = 0.0
    for image in truth["images"]:
        path = args.out / (image["file_name"] + ".receipt.json")
        if not path.exists():
            missing += 1
            continue
        receipt = json.loads(path.read_text())
        true = boxes_of[image["id"]]
        redacted = [corners(box) for box in receipt["redacted"]]
        found = [corners(box) for box in receipt["regions"] if box["class"] == args.kind]
        for box in true:
            if box[3] - box[1] < args.min_height:
                continue
            count += 1
            covered += union_area(redacted, box) >= COVERED * (box[2] - box[0]) * (box[3] - box[1])
        false += sum(not any(touches(box, other) for other in true) for box in found)
        if true:
            whole = (0, 0, receipt["source"]["width"], receipt["source"]["height"])
            redacted_area += union_area(redacted)
            true_area += union_area([enlarged(box, ENLARGE[args.kind]) for box in true], whole)

    photos = len(truth["images"]) - missing
    coverage = covered / max(count, 1)
    low, high = interval(covered, count)
    rate, ratio = false / max(photos, 1), redacted_area / max(true_area, 1e-9)
    print(f"{args.dataset.name}: {photos} photos, {missing} without a receipt")
    print(f"  {args.kind}s covered    {coverage:.3f}  ({covered} of {count}, 95 % interval {low:.3f} to {high:.3f})")
    print(f"  false boxes       {rate:.2f} a photo")
    print(f"  redacted area     {ratio:.2f} times the true boxes enlarged by policy")
    good = not missing and coverage >= args.min_coverage and rate <= args.max_false and ratio <= args.max_area
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
