#!/usr/bin/env bash
# Fetch the text detector PP-OCRv6_det_small (Apache-2.0, PaddlePaddle authors) out of the `rapidocr` wheel into .setup/,
# and print the config that makes Obscura look for text with it.
set -euo pipefail
cd "$(dirname "$0")/.."
wheel=rapidocr==3.10.0
member=rapidocr/models/PP-OCRv6_det_small.onnx
expected=090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f
folder=.setup/text
mkdir -p "$folder"
python3 -m pip download --quiet --no-deps --dest "$folder" "$wheel"
python3 - "$folder" "$member" <<'PYTHON'
import pathlib, sys, zipfile
folder, member = pathlib.Path(sys.argv[1]), sys.argv[2]
(wheel,) = folder.glob("rapidocr-*.whl")
with zipfile.ZipFile(wheel) as archive:
    (folder / pathlib.Path(member).name).write_bytes(archive.read(member))
PYTHON
model="$folder/$(basename "$member")"
hash=$(sha256sum "$model" | cut -d' ' -f1)
[ "$hash" = "$expected" ] || { echo "error: expected sha256 $expected, found $hash in $model" >&2; exit 1; }
cat <<CONFIG
[[user_models]]
name = "ppocr_v6_det_small"
file = "$PWD/$model"
sha256 = "$hash"
family = "dbnet"
classes = ["text"]
tile_px = 960
CONFIG
