#!/usr/bin/env python3
"""Shift the scores of an exported detector by stride, so that one threshold suits them all.

    python adjust_scores.py plate.onnx --shift 0 -0.2 -0.4 --out adjusted.onnx

Each stride finds plates of its own range of widths (`targets.py`), and what it mistakes for one is of that size: a
false box of the coarsest stride hides a hundred times the area of one of the finest. The shift is added to the logits
of class and object: a shift of -0.405 makes a score of 0.5 of what was 0.6. Boxes stay what they are.
"""

import argparse
import hashlib
import pathlib

import numpy as np
import onnx
from onnx import numpy_helper

from model import STRIDES

SCORES = ("cls", "obj")


def shift_scores(model: onnx.ModelProto, shifts: tuple[float, ...]) -> None:
    """Add to the output biases of the score heads, by stride, in place."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    for kind in SCORES:
        for stride, shift in zip(STRIDES, shifts, strict=True):
            node = made_by[f"{kind}_{stride}"]
            while node.op_type != "Conv":
                node = made_by[node.input[0]]
            bias = tensors[node.input[2]]
            bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(shift), bias.name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--shift", type=float, nargs=len(STRIDES), required=True, help="for strides 8, 16 and 32")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    model = onnx.load(str(arguments.model))
    shift_scores(model, tuple(arguments.shift))
    onnx.save(model, str(arguments.out))
    print(f"{arguments.out}: sha256 {hashlib.sha256(arguments.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
