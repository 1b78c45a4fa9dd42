#!/usr/bin/env python3
"""Write trained weights as an ONNX file and check that ONNX Runtime gives what Torch gives.

    python export.py WEIGHTS.pt --out plate.onnx

`train.py` writes the same file at its end; this does it again from the weights alone.
"""

import argparse
import hashlib
import pathlib
import sys

import numpy as np
import onnxruntime
import torch

from model import STRIDES, PlateNet

OPSET = 13
INPUT = "input"
OUTPUTS = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox") for stride in STRIDES]
# Batch, height, width: one photo, a batch, neither square.
CHECKED_SHAPES = ((1, 320, 320), (3, 96, 160), (1, 640, 480))
TOLERANCE = 1e-3


def export(net: PlateNet, path: pathlib.Path) -> None:
    """Write the network with dynamic batch, height and width."""
    dynamic_axes = {INPUT: {0: "batch", 2: "height", 3: "width"}}
    dynamic_axes |= {name: {0: "batch", 1: "cells"} for name in OUTPUTS}
    torch.onnx.export(
        net.eval(),
        (torch.zeros(1, 3, 320, 320),),
        str(path),
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=OUTPUTS,
        dynamic_axes=dynamic_axes,
        # The newer exporter asks for a newer opset and rewrites the graph.
        dynamo=False,
    )


def largest_difference(net: PlateNet, path: pathlib.Path) -> float:
    """Largest difference of any output between Torch and ONNX Runtime, over random photos of several shapes."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.RandomState(0)
    largest = 0.0
    for batch, height, width in CHECKED_SHAPES:
        images = random.uniform(0, 255, (batch, 3, height, width)).astype(np.float32)
        with torch.no_grad():
            expected = net.eval()(torch.from_numpy(images))
        for wanted, found in zip(expected, session.run(OUTPUTS, {INPUT: images}), strict=True):
            largest = max(largest, float(np.abs(wanted.numpy() - found).max()))
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path, help="`final.pt` of train.py")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net = PlateNet()
    net.load_state_dict(torch.load(arguments.weights, weights_only=True))
    export(net, arguments.out)
    difference = largest_difference(net, arguments.out)
    if difference > TOLERANCE:
        sys.exit(f"{arguments.out}: ONNX Runtime differs from Torch by {difference:.2g}, expected at most {TOLERANCE}")
    data = arguments.out.read_bytes()
    print(f"{arguments.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    print(f"largest difference from Torch: {difference:.2g}")


if __name__ == "__main__":
    main()
