"""The text recogniser of PP-OCR, as the package rapidocr carries it (Apache-2.0), run by ONNX Runtime alone."""

import cv2
import numpy as np
import onnxruntime

import packaged

HEIGHT = 48
NARROWEST = 160


class Reader:
    """Reads one line of text."""

    def __init__(self, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        model = packaged.model("rapidocr", "*_rec_*.onnx")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        characters = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        # CTC: 0 is the blank, the last is the space.
        self._characters = ["", *characters, " "]

    def read(self, picture: np.ndarray) -> tuple[str, float]:
        """Latin capitals and digits in a crop, BGR uint8, and the mean probability of what was read."""
        width = max(8, round(picture.shape[1] * HEIGHT / picture.shape[0]))
        scaled = cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_CUBIC)
        line = np.zeros((HEIGHT, max(width, NARROWEST), 3), np.float32)
        line[:, :width] = scaled.astype(np.float32) / 127.5 - 1
        probabilities = self._session.run(None, {"x": line.transpose(2, 0, 1)[None]})[0][0]
        best = probabilities.argmax(axis=1)
        kept = [at for at, code in enumerate(best) if code > 0 and (at == 0 or best[at - 1] != code)]
        text = "".join(self._characters[best[at]] for at in kept)
        sure = float(np.mean([probabilities[at, best[at]] for at in kept])) if kept else 0.0
        return plain(text), sure


def plain(text: str) -> str:
    """Latin capitals and digits of a text."""
    return "".join(character for character in text.upper() if character.isascii() and character.isalnum())


def stretched(picture: np.ndarray) -> np.ndarray:
    """The crop with all the contrast that there is, as an attacker would look at it."""
    low, high = int(picture.min()), int(picture.max())
    return ((picture.astype(float) - low) * (255 / max(1, high - low))).astype(np.uint8)


def common(read: str, truth: str) -> int:
    """Characters that match when both are laid beside each other as well as possible (longest common subsequence)."""
    row = [0] * (len(truth) + 1)
    for character in read:
        before = 0
        for at, other in enumerate(truth, 1):
            before, row[at] = row[at], before + 1 if character == other else max(row[at], row[at - 1])
    return row[-1]
