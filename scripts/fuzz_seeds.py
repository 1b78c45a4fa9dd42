#!/usr/bin/env python3
"""Seeds for the fuzz targets of JPEG: the drawn pictures, cut small, and a file for every code that opening can end with;
and for those of signed documents, sealed objects and logs: one of each kind, as src/trust writes them.

    scripts/fuzz_seeds.py open_jpeg fuzz/corpus/open_jpeg

The targets `view_jpeg` and `redact_jpeg` read what to look at and what to obscure from the first bytes of their input.
"""

import json
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


def compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def documents(target: str) -> dict[str, bytes]:
    """What the targets `receipt`, `envelope` and `audit` begin with: see fuzz/src/trust.rs for what the first bytes mean."""
    signature = {"algorithm": "Ed25519", "key_id": "00" * 16, "value": "AA" * 43 + "=="}
    receipt = {
        "kind": "obscura.receipt", "schema": 2, "region": "eu", "thresholds": [{"model": "m", "min_score": 0.6}],
        "source": {"sha256": "00" * 32, "bytes": 12345678901}, "output": {"sha256": "11" * 32}, "signature": signature,
        "numbers": [1e30, 4.5, 1e-7, -0.0, 333333333.33333329], "text": "\u20ac\u000f\n\U0001f600",
    }
    envelope = {
        "algorithm": "AES-256-GCM", "kind": "obscura.envelope", "object": "photo.jpg", "project_key": "00" * 16,
        "schema": 1, "wrapped_key": "AA" * 26 + "AA==", "wrapping": "AES-256-KW",
    }
    facts = {"kind": "obscura.audit.record", "schema": 1, "worker": "aa", "previous": "0" * 64, "action": "published"}
    records = [compact({**facts, "sequence": number, "facts": {"photo": "aa"}, "time": "t"}) for number in range(3)]
    checkpoint = {
        "kind": "obscura.audit.checkpoint", "schema": 1, "worker": "aa", "segment": 0, "first": 0, "count": 3,
        "head": "0" * 64, "interval_s": 60, "time": "2026-01-01T00:00:00Z", "signature": signature,
    }
    huge = {**checkpoint, "first": 2**64 - 1, "count": 2**64 - 1}
    return {
        "receipt": {"receipt": compact(receipt), "event": compact({"specversion": "1.0", "data": {"receipt": receipt}})},
        "envelope": {"envelope": compact(envelope), "object": b"\x10\x01OBSCURA\x01" + bytes(12) + b"a photo and its tag"},
        "audit": {
            "segment": b"\0\x20\x01" + b"\n".join([*records, compact(checkpoint)]),
            "huge": b"\0\0\0" + b"\n".join([*records, compact(huge)]),
            "cut_off": b"\1\xff\x20" + records[0],
        },
    }[target]


def main() -> None:
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    if target not in PREFIXES:
        for name, content in documents(target).items():
            (folder / name).write_bytes(content)
        return
    files = by_code() if target == "open_jpeg" else {}
    for path in [*(FIXTURES / "jpeg").iterdir(), FIXTURES / "mutants/face.jpg"]:
        if path.stat().st_size < MAX_ENCODED_BYTES:
            files[path.stem] = path.read_bytes()
    for name, content in files.items():
        for number, prefix in enumerate(PREFIXES[target]):
            (folder / f"{name}_{number}").write_bytes(prefix + content)


if __name__ == "__main__":
    main()
