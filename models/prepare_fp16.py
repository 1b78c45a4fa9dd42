#!/usr/bin/env python3
"""Make the models of graphics processors from those of the cores: the same networks with weights and sums of 16 bits.

    python3 -m venv /tmp/fp16 && /tmp/fp16/bin/pip install onnx==1.23.2 onnxruntime==1.31.1 numpy
    /tmp/fp16/bin/python models/prepare_fp16.py

Inputs and outputs stay in 32 bits, so that nothing else has to know: the first node of the graph turns pixels into 16
bits, and it runs where the network runs. Equal versions give equal bytes on every machine; they are checked.
"""

import pathlib

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from prepare_centerface import PREPARED_SHA256, expect

MODELS = pathlib.Path(__file__).parent
# File of 32 bits, its hash, file of 16 bits, its hash.
PREPARED = [
    (
        "centerface.onnx",
        PREPARED_SHA256,
        "centerface_fp16.onnx",
        "9de5b851be649dc2a0355564c47cb58368beb297c7d5e6f9248d0bfb39c54415",
    ),
    (
        "plate_yunet_v2.onnx",
        "beb61bf1336ab4b8352ecf732c949282c118dc142713f5971d27b88d15c1ba02",
        "plate_yunet_v2_fp16.onnx",
        "ab4161796609fd3c433f98ba7921378255c417b43ddb53b1a428c4419201da62",
    ),
]


def main() -> None:
    for source, source_sha256, target, target_sha256 in PREPARED:
        data = (MODELS / source).read_bytes()
        expect(source, data, source_sha256)
        converted = OnnxModel(convert_float_to_float16(onnx.load_from_string(data), keep_io_types=True))
        # The conversions of inputs were put at the end of the list.
        converted.topological_sort(is_deterministic=True)
        model = converted.model
        onnx.checker.check_model(model)
        half = model.SerializeToString(deterministic=True)
        expect(target, half, target_sha256)
        (MODELS / target).write_bytes(half)
        print(f"{target}: {len(half)} bytes")


if __name__ == "__main__":
    main()
