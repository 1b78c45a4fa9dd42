"""Tries to undo what Obscura did, with recognisers that are not its detectors: `make irreversibility DATA=dir`.

    python scripts/irreversibility --data DIR --program target/release/obscura [--only plates,faces,ideal,learned]

Writes the figures as JSON and as tables of Markdown, and fails if the defaults are not at chance.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time
import tomllib

import data
import inverse
import match_faces
import product
import read_plates
import report

EQUAL = [("solid", 1), ("mosaic", 1), ("mosaic", 4), ("mosaic", 7), ("blur", 3), ("blur", 4), ("blur", 8)]
EQUAL_PHOTOS = 12


def defaults() -> tuple[tuple[str, int], tuple[str, int]]:
    """Style and cells of faces and of plates, as the program has them."""
    path = pathlib.Path(__file__).resolve().parents[2] / "src" / "config" / "default.toml"
    redact = tomllib.loads(path.read_text())["redact"]
    return (redact["face_style"], redact["face_cells"]), (redact["plate_style"], redact["plate_cells"])


def same_formula(folder: pathlib.Path, program: pathlib.Path) -> list[tuple[str, bool]]:
    """Whether `cells` computes what the program does."""
    sets = (match_faces.SET, *read_plates.SETS)
    first = next((folder / name for name in sets if (folder / name).is_dir()), None)
    if first is None:
        raise FileNotFoundError(f"expected one of {', '.join(sets)} in {folder}, found none")
    paths = list(dict.fromkeys(path for path, _ in data.boxes(first)))[:EQUAL_PHOTOS]
    photos = [data.load(path) for path in paths]
    verdicts = []
    for style, count in EQUAL:
        compared, different = product.differences(program, photos, style, count)
        what = f"the formula is the program's: {style} {count}, {different} of {compared} samples differ"
        verdicts.append((what, compared > 0 and different == 0))
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with plates_* and faces_street")
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/irreversibility"))
    parser.add_argument("--only", default="plates,faces,ideal,learned", help="attacks, separated by commas")
    options = parser.parse_args()
    attacks = {
        "plates": lambda: read_plates.attack(options.data, options.program),
        "faces": lambda: match_faces.attack(options.data, options.program),
        "ideal": inverse.by_ideal_observer,
        "learned": inverse.by_network,
    }
    verdicts = same_formula(options.data, options.program)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.json"
    figures = json.loads(file.read_text()) if file.exists() else {}
    for name in options.only.split(","):
        started = time.monotonic()
        figures[name] = attacks[name]()
        file.write_text(json.dumps(figures, indent=1, default=float))
        print(f"{time.monotonic() - started:5.0f} s  {name}\n\n{getattr(report, name)(figures[name])}\n", flush=True)
    if all(name in figures for name in attacks):
        verdicts += report.verdicts(figures, *defaults())
    for what, holds in verdicts:
        print(f"{'ok' if holds else 'FAILED':6} {what}")
    return 0 if all(holds for _, holds in verdicts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (FileNotFoundError, subprocess.SubprocessError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
