"""The attacker who computes the most probable number from any count of photos of one plate.

It knows all that `plate_model` fixes, and how the light varies. Rounding is taken for noise of the same variance; all
else is Bayes: the photos' evidence is one quadratic form over (place, character), and Gibbs sampling finds which
character is the most probable at each place. Nothing is learned, so nothing can be learned badly.
"""

from collections.abc import Callable

import numpy as np

import cells
import plate_model as model

CHAINS, WARM_UP, SWEEPS = 24, 24, 24
CHARACTERS = len(model.ALPHABET)
UNKNOWNS = model.PLACES * CHARACTERS

Photograph = Callable[[np.random.Generator, np.ndarray], model.Photo]


def evidence(photo: model.Photo, light: model.Light) -> tuple[np.ndarray, np.ndarray]:
    """Quadratic form [UNKNOWNS, UNKNOWNS] and linear form [UNKNOWNS] of what a photo tells, as logarithm of likelihood
    `linear @ z - z @ quadratic @ z / 2` for one-hot z.
    """
    gain, offset = np.mean(light.gain), np.mean(light.offset)
    contrast = model.PAPER - model.INK
    ink = photo.ink().reshape(-1, UNKNOWNS)
    empty = (model.SURROUNDING + (model.PAPER - model.SURROUNDING) * photo.paper()).ravel()
    effect = -(contrast * gain) * np.concatenate([ink * cast for cast in model.CAST])
    bare = np.concatenate([empty * cast for cast in model.CAST])
    seen = photo.grid.reshape(-1, 3).T.ravel() - (gain * bare + offset)
    # What light adds goes along two directions; all else is independent.
    step = cells.SOLID_STEP if len(empty) == 1 else cells.STEP
    noise = step**2 / 12 + light.noise**2
    usual = bare - contrast * np.concatenate([ink.sum(1) / CHARACTERS * cast for cast in model.CAST])
    spread = np.stack([usual * np.ptp(light.gain), np.ones_like(bare) * np.ptp(light.offset)]) / np.sqrt(12)
    inner = np.linalg.inv(np.eye(2) + spread @ spread.T / noise)

    def weighted(values: np.ndarray) -> np.ndarray:
        return values / noise - spread.T @ (inner @ (spread @ values)) / noise**2

    whitened = weighted(effect).astype(np.float32)
    return whitened.T @ effect.astype(np.float32), whitened.T @ seen.astype(np.float32)


def most_probable(quadratic: np.ndarray, linear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The most probable character at each place of each plate, [plates, PLACES].

    `quadratic` is [plates, UNKNOWNS, UNKNOWNS], `linear` [plates, UNKNOWNS].
    """
    plates = len(linear)
    diagonal = quadratic[:, np.arange(UNKNOWNS), np.arange(UNKNOWNS)]
    alone = (linear - diagonal / 2).reshape(plates, model.PLACES, 1, CHARACTERS)
    at = np.arange(plates)[:, None]
    state = rng.integers(CHARACTERS, size=(plates, CHAINS, model.PLACES))
    votes = np.zeros((plates, model.PLACES, CHARACTERS))
    places = np.arange(model.PLACES) * CHARACTERS
    for sweep in range(WARM_UP + SWEEPS):
        heat = min(1.0, 2.0 ** (8 * ((sweep + 1) / WARM_UP - 1)))
        for place in rng.permutation(model.PLACES):
            others = [other for other in range(model.PLACES) if other != place]
            block = quadratic[:, :, places[place] : places[place] + CHARACTERS]
            pull = sum(block[at, state[:, :, other] + places[other]] for other in others)
            energy = (alone[:, place] - pull) * heat
            chances = np.exp(energy - energy.max(axis=-1, keepdims=True))
            chances /= chances.sum(axis=-1, keepdims=True)
            if sweep >= WARM_UP:
                votes[:, place] += chances.sum(axis=1)
            drawn = rng.random((plates, CHAINS, 1)) < chances.cumsum(axis=-1)
            state[:, :, place] = drawn.argmax(axis=-1)
    return votes.argmax(axis=-1)


def hits(photograph: Photograph, light: model.Light, photos: list[int], plates: int, seed: int = 5) -> dict:
    """For each number of photos, how many characters of each plate were named."""
    rng = np.random.default_rng(seed)
    named: dict[int, list[np.ndarray]] = {number: [] for number in photos}
    for start in range(0, plates, 50):
        numbers = rng.integers(CHARACTERS, size=(min(50, plates - start), model.PLACES))
        quadratic = np.zeros((len(numbers), UNKNOWNS, UNKNOWNS), np.float32)
        linear = np.zeros((len(numbers), UNKNOWNS), np.float32)
        for taken in range(1, max(photos) + 1):
            for index, number in enumerate(numbers):
                photo = photograph(rng, number)
                more_quadratic, more_linear = evidence(photo, light)
                quadratic[index] += more_quadratic
                linear[index] += more_linear
            if taken in named:
                named[taken].append((most_probable(quadratic, linear, rng) == numbers).sum(axis=1))
    return {number: np.concatenate(parts) for number, parts in named.items()}
