"""Runs an exported detector on a photo with ONNX Runtime: resize, pad, decode, suppress duplicates."""

import pathlib
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
import onnxruntime

from model import STRIDES

MULTIPLE = 32
PADDING = 114
NMS_IOU = 0.45
# Detections below this score are dropped before the list is made; thresholds to be compared lie above it.
MIN_SCORE = 0.05
# The range of log sizes seen in training.
LOG_SIZE_RANGE = (-4, 5)


@dataclass
class Detector:
    """One ONNX Runtime session; `milliseconds` collects the time of every run."""

    session: onnxruntime.InferenceSession
    milliseconds: list[float] = field(default_factory=list)

    @classmethod
    def open(cls, path: pathlib.Path, threads: int = 1) -> "Detector":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        return cls(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))

    def detect(self, image: np.ndarray, long_side: int) -> np.ndarray:
        """Plates of a photo, scaled to `long_side` pixels first (up or down).

        `image` is uint8 [height, width, 3] BGR; the result float32 [n, 5]: x0 y0 x1 y1 in pixels of `image`, score.
        """
        height, width = image.shape[:2]
        ratio = long_side / max(height, width)
        new_width, new_height = max(1, round(width * ratio)), max(1, round(height * ratio))
        tensor = to_input(image, new_width, new_height)
        start = time.perf_counter()
        outputs = self.session.run(None, {"input": tensor})
        self.milliseconds.append((time.perf_counter() - start) * 1e3)
        boxes, scores = decode(outputs, tensor.shape[3])
        kept = suppress(boxes, scores)
        scale = np.array([new_width / width, new_height / height] * 2)
        return np.c_[boxes[kept] / scale, scores[kept]].astype(np.float32)


def to_input(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The photo at that size, padded right and bottom to multiples of 32: float32 [1, 3, h, w], BGR 0-255."""
    shrinks = width < image.shape[1] or height < image.shape[0]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    padded_size = (-(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE, 3)
    padded = np.full(padded_size, PADDING, np.uint8)
    padded[:height, :width] = resized
    return padded.transpose(2, 0, 1)[None].astype(np.float32)


def decode(outputs: list[np.ndarray], input_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [n, 4] x0 y0 x1 y1 in input pixels and scores [n] of the first photo of a batch.

    `outputs` are cls 8, 16, 32, obj 8, 16, 32, box 8, 16, 32, as `PlateNet.forward` describes them.
    """
    boxes, scores = [], []
    count = len(STRIDES)
    for stride, cls, obj, box in zip(
        STRIDES, outputs[:count], outputs[count : 2 * count], outputs[2 * count :], strict=True
    ):
        score = np.sqrt(cls[0, :, 0] * obj[0, :, 0])
        cells = np.flatnonzero(score > MIN_SCORE)
        columns = input_width // stride
        cell_x_y = np.stack([cells % columns, cells // columns], 1)
        centre = (cell_x_y + box[0, cells, :2]) * stride
        size = np.exp(box[0, cells, 2:].clip(*LOG_SIZE_RANGE)) * stride
        boxes.append(np.concatenate([centre - size / 2, centre + size / 2], 1))
        scores.append(score[cells])
    return np.concatenate(boxes), np.concatenate(scores)


def suppress(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Non-maximum suppression: indices of the boxes to keep, best first."""
    order = scores.argsort()[::-1]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        top_left = np.maximum(boxes[best, :2], boxes[order, :2])
        bottom_right = np.minimum(boxes[best, 2:], boxes[order, 2:])
        intersection = (bottom_right - top_left).clip(0).prod(1)
        iou = intersection / (areas[best] + areas[order] - intersection + 1e-9)
        order = order[iou <= NMS_IOU]
    return kept
