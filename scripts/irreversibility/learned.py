"""Attackers that are trained: from an obscured plate to its characters, and back to the clear picture.

A network learns from plates whose numbers are known which character stands at a place, from what the obscured region
shows there and beside it. Its answers also give the inverse: of all pictures the one with the least expected squared
error is the average of the characters, each as probable as the network says. With several photos of one plate the
logarithms of its answers are summed.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import cells
import plate_model as model
from chance import Figure, against, by_permutation
from reader import Reader, common

SEEN = (72, 16)  # width and height of a plate as the network sees it
REACH = 15  # of these pixels to the left and right of a place's middle
TRAINING, EPOCHS = 12_000, 12
READ, PHOTOS = 150, 16
CHARACTERS = len(model.ALPHABET)

Photograph = Callable[[np.random.Generator, np.ndarray], model.Photo]


@dataclass
class Attacker:
    """A trained network, and what turns photos into its input."""

    inputs: PCA
    network: MLPClassifier

    def answers(self, photo: model.Photo, style: str) -> np.ndarray:
        """Logarithm of the probability of each character at each place, [PLACES, characters]."""
        return np.log(self.network.predict_proba(_features(self.inputs, windows(photo, style))) + 1e-6)


def windows(photo: model.Photo, style: str) -> np.ndarray:
    """What the region shows about each place, brightness in 0..1, and where region and cells lie, [PLACES, inputs]."""
    shown = cells.paint(photo.grid, photo.side, *photo.size, style).mean(axis=2).astype(np.float32)
    left, top, width, height = photo.plate
    across, down = width / SEEN[0], height / SEEN[1]
    place = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    plate = cv2.warpAffine(shown, place, SEEN, flags=flags, borderMode=cv2.BORDER_REPLICATE) / 255
    plate = np.pad(plate, ((0, 0), (REACH, REACH)), mode="edge")
    middles = (model.MARGIN + (np.arange(model.PLACES) + 0.5) * model.PITCH) * SEEN[0] / model.WIDTH
    parts = [plate[:, int(middle) : int(middle) + 2 * REACH].ravel() for middle in middles]
    known = np.array([left, top, photo.size[0], photo.size[1], photo.side]) / width
    return np.stack([np.append(part, [*known, index / model.PLACES]) for index, part in enumerate(parts)])


def _features(inputs: PCA, seen: np.ndarray) -> np.ndarray:
    return np.hstack([inputs.transform(seen[:, :-6]), 4 * (seen[:, -6:] - 0.5)]).astype(np.float32)


def train(photograph: Photograph, style: str, seed: int = 3) -> Attacker:
    """Train on random plates, each photographed once."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(CHARACTERS, size=(TRAINING, model.PLACES))
    seen = np.concatenate([windows(photograph(rng, number), style) for number in numbers]).astype(np.float32)
    inputs = PCA(n_components=80, whiten=True, svd_solver="covariance_eigh").fit(seen[:, :-6])
    # Directions in which nothing differs would be whitened noise.
    kept = max(1, int((inputs.explained_variance_ > 1e-5).sum()))
    inputs = PCA(n_components=kept, whiten=True, svd_solver="covariance_eigh").fit(seen[:, :-6])
    network = MLPClassifier((256,), max_iter=EPOCHS, batch_size=256, random_state=seed)
    with warnings.catch_warnings():
        # It stops after `EPOCHS`, whether it would learn more or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(_features(inputs, seen), numbers.ravel())
    return Attacker(inputs, network)


def inverse(answers: np.ndarray) -> np.ndarray:
    """The expected plate, BGR uint8, with the contrast that it has."""
    chances = np.exp(answers - answers.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    ink = np.tensordot(chances, model.GLYPHS, axes=(1, 0))
    plate = np.full((model.HEIGHT, model.WIDTH), model.PAPER)
    plate[:, model.MARGIN : -model.MARGIN] -= (model.PAPER - model.INK) * np.hstack(list(ink))
    return np.repeat(plate.astype(np.uint8)[..., None], 3, axis=2)


def attack(photograph: Photograph, style: str, reader: Reader, tested: int) -> dict[str, dict[int, Figure]]:
    """What the network names of so many plates, and what PP-OCR reads in the inverse of `READ`, from one photo of each
    and from `PHOTOS`.
    """
    attacker = train(photograph, style)
    rng = np.random.default_rng(4)
    numbers = rng.integers(CHARACTERS, size=(tested, model.PLACES))
    found: dict[str, dict[int, Figure]] = {"named": {}, "read": {}}
    answers = np.array(
        [[attacker.answers(photograph(rng, number), style) for _ in range(PHOTOS)] for number in numbers]
    )
    truths = ["".join(model.ALPHABET[character] for character in number) for number in numbers[:READ]]
    for taken in (1, PHOTOS):
        summed = answers[:, :taken].sum(axis=1)
        found["named"][taken] = against(1 / CHARACTERS, (summed.argmax(axis=2) == numbers).sum(axis=1), model.PLACES)
        texts = [reader.read(inverse(answer))[0] for answer in summed[:READ]]
        hits = np.array([[common(text, truth) for truth in truths] for text in texts])
        found["read"][taken] = by_permutation(hits, np.full(READ, model.PLACES))
    return found
