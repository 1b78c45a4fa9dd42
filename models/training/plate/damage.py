"""What cameras, weather, night and compression do to a photo, at random.

Every step of `damage` takes and returns float32 [size, size, 3], BGR, around 0-255.
"""

from collections.abc import Callable

import cv2
import numpy as np

from rng import Rng


def contrast(rng: Rng, image: np.ndarray) -> np.ndarray:
    return (image - 128) * rng.uniform(0.6, 1.35) + 128 + rng.uniform(-40, 40)


def colour_cast(rng: Rng, image: np.ndarray) -> np.ndarray:
    return image * rng.arrays.uniform(0.8, 1.2, 3).astype(np.float32)


def night(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Darker, with a colour cast and often the glow of a lamp."""
    size = image.shape[0]
    dark = 255 * (image.clip(0, 255) / 255) ** rng.uniform(1.3, 2.6) * rng.uniform(0.35, 0.9)
    dark = dark * np.array([rng.uniform(0.6, 1.2), 0.9, rng.uniform(0.8, 1.3)], np.float32)
    if rng.chance(0.6):
        lamp = np.zeros((size, size), np.float32)
        cv2.circle(lamp, (rng.randint(0, size), rng.randint(0, size)), rng.randint(3, 30), 1, -1)
        glow = cv2.GaussianBlur(lamp, (0, 0), rng.uniform(3, 15))
        dark += glow[..., None] * rng.uniform(80, 250)
    return dark


def grey(_: Rng, image: np.ndarray) -> np.ndarray:
    return np.broadcast_to(image.mean(2, keepdims=True), image.shape).copy()


def swapped_red_and_blue(_: Rng, image: np.ndarray) -> np.ndarray:
    return image[:, :, ::-1].copy()


def soft_focus(rng: Rng, image: np.ndarray) -> np.ndarray:
    kernel = rng.choice([3, 3, 5])
    return cv2.GaussianBlur(image, (kernel, kernel), 0)


def motion_blur(rng: Rng, image: np.ndarray) -> np.ndarray:
    length = rng.randint(3, 9)
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (0, rng.randint(0, length - 1)), (length - 1, rng.randint(0, length - 1)), 1, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def low_resolution(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Shrunk and enlarged again."""
    ratio = rng.uniform(0.45, 0.9)
    small = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))


def noise(rng: Rng, image: np.ndarray) -> np.ndarray:
    return image + rng.arrays.normal(0, rng.uniform(2, 14), image.shape).astype(np.float32)


STEPS: tuple[tuple[float, Callable[[Rng, np.ndarray], np.ndarray]], ...] = (
    (0.7, contrast),
    (0.5, colour_cast),
    (0.12, night),
    (0.08, grey),
    (0.1, swapped_red_and_blue),
    (0.2, soft_focus),
    (0.08, motion_blur),
    (0.15, low_resolution),
    (0.25, noise),
)
JPEG_PROBABILITY = 0.4


def damage(rng: Rng, crop: np.ndarray) -> np.ndarray:
    """Each step with its own probability, then often JPEG compression; uint8 [size, size, 3] BGR in and out."""
    image = crop.astype(np.float32)
    for probability, step in STEPS:
        if rng.chance(probability):
            image = step(rng, image)
    damaged = image.clip(0, 255).astype(np.uint8)
    if rng.chance(JPEG_PROBABILITY):
        _, jpeg = cv2.imencode(".jpg", damaged, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(25, 92)])
        damaged = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    return damaged


def dark(rng: Rng, image: np.ndarray) -> np.ndarray:
    """As an underexposed photo is: a part of the light, with noise. uint8 [size, size, 3] BGR in and out."""
    return noise(rng, image * np.float32(rng.log_uniform(0.15, 0.6))).clip(0, 255).astype(np.uint8)
