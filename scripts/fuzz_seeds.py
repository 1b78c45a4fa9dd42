#!/usr/bin/env python3
"""Seeds for the fuzz targets of JPEG: the drawn pictures, cut small, and a file for every code that opening can end with.

    scripts/fuzz_seeds.py open_jpeg fuzz/corpus/open_jpeg

The targets `view_jpeg` and `redact_jpeg` read what to look at and what to obscure from the first bytes of their input.
"""

import pathlib
import struct
import sys

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / ".setup/fixtures"
# Left, top, right, bottom in 255ths, width and height of the view, style: see fuzz/src/lib.rs.
PARTS = [bytes([0, 0, 255, 255, 31, 31, 0]), bytes([90, 90, 150, 150, 63, 63, 1]), bytes([200, 0, 255, 60, 9, 90, 2])]
PREFIXES = {"open_jpeg": [b""], "view_jpeg": PARTS, "redact_jpeg": [bytes([3]) + b"".join(PARTS), bytes([1]) + PARTS[1]]}
# As in fuzz/src/lib.rs.
MAX_ENCODED_BYTES = 60_000


def bomb(jpeg: bytes) -> bytes:
    """A header that promises 4000 x 65 pixels, over the data of a single block: within the limits of fuzz/src/lib.rs."""
    at = jpeg.index(b"\xff\xc0\x00\x11\x08") + 5
    return jpeg[:at] + struct.pack(">HH", 65, 4000) + jpeg[at + 4 :]


def by_code() -> dict[str, bytes]:
    """A file for every code, under its name."""
    jpeg = lambda name: (FIXTURES / "jpeg" / name).read_bytes()
    whole = jpeg("420.jpg")
    return {
        "empty_file": b"",
        "encoded_too_large": whole + bytes(MAX_ENCODED_BYTES),
        "unsupported_format": b"BM" + whole[2:40],
        "unsupported_jpeg": jpeg("arithmetic.jpg"),
        "unsupported_jpeg_lossless": jpeg("refused_lossless.jpg"),
        "unsupported_jpeg_12bit": jpeg("refused_12bit.jpg"),
        "dimensions_too_large": jpeg("refused_huge.jpg"),
        "corrupt_image": whole[: len(whole) // 2],
        "corrupt_image_bomb": bomb(jpeg("tiny_1.jpg")),
    }


def main() -> None:
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    files = by_code() if target == "open_jpeg" else {}
    for path in [*(FIXTURES / "jpeg").iterdir(), FIXTURES / "mutants/face.jpg"]:
        if path.stat().st_size < MAX_ENCODED_BYTES:
            files[path.stem] = path.read_bytes()
    for name, content in files.items():
        for number, prefix in enumerate(PREFIXES[target]):
            (folder / f"{name}_{number}").write_bytes(prefix + content)


if __name__ == "__main__":
    main()
