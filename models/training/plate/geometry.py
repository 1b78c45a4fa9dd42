"""Random views of a photo: which part, how large, how warped."""

import math

import cv2
import numpy as np

from photo_pool import PhotoPool, PooledPhoto
from rng import Rng

MIN_MISTAKE_WIDTH = 16  # smaller ones look like plates to anybody
MAX_ENLARGEMENT = 2.5
# How much wider than high a pixel of a photo squashed to a square should be: photos are 4 : 3 or 16 : 9, some square.
DRAWN_OUT = (1.2, 1.9)
DRAWN_OUT_PROBABILITY = 0.75


def random_homography(
    rng: Rng, size: int, centre: tuple[float, float], scale: float, is_squashed: bool = False
) -> np.ndarray:
    """Photo to crop, float64 [3, 3]: `centre` goes to the middle of the crop, with some rotation, stretch, shear,
    mirroring and slight perspective; what was squashed to a square is mostly drawn out again."""
    degrees = rng.gauss(0, 3.5) if rng.chance(0.85) else rng.uniform(-25, 25)
    angle = math.radians(degrees)
    stretch = math.exp(rng.gauss(0, 0.1))
    if is_squashed and rng.chance(DRAWN_OUT_PROBABILITY):
        stretch *= math.sqrt(rng.log_uniform(*DRAWN_OUT))
    shear = rng.gauss(0, 0.05)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = rotation @ np.array([[stretch, shear], [0, 1 / stretch]]) * scale
    if rng.chance(0.5):
        linear = linear @ np.diag([-1, 1])
    homography = np.eye(3)
    homography[:2, :2] = linear
    homography[:2, 2] = np.array([size / 2, size / 2]) - linear @ centre
    if rng.chance(0.4):
        to_middle = np.eye(3)
        to_middle[:2, 2] = -size / 2
        tilt = np.eye(3)
        tilt[2, :2] = rng.arrays.normal(0, 0.25 / size, 2)
        homography = np.linalg.inv(to_middle) @ tilt @ to_middle @ homography
    return homography


def warp_boxes(homography: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The upright boxes round the warped boxes, [n, 4] x0 y0 x1 y1."""
    if not len(boxes):
        return boxes
    warped = warp_corners(homography, boxes)
    return np.concatenate([warped.min(1), warped.max(1)], 1)


def warp_corners(homography: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Where the corners of boxes [n, 4] go, [n, 4, 2], clockwise from the upper left one."""
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [2, 3]], boxes[:, [0, 3]]], 1).reshape(-1, 2)
    warped = np.c_[corners, np.ones(len(corners))] @ homography.T
    return (warped[:, :2] / warped[:, 2:]).reshape(-1, 4, 2)


def random_view(
    rng: Rng, size: int, widths: tuple[float, float], photo: PooledPhoto, mistaken: np.ndarray | None
) -> tuple[tuple[float, float], float]:
    """Centre in the photo, and crop pixels per photo pixel.

    Near `mistaken` [4] if given, else mostly near a plate; shown at a log-uniform width within `widths`, in pixels.
    """
    height, width = photo.image.shape[:2]
    if mistaken is not None or (len(photo.boxes) and rng.chance(0.8)):
        x0, y0, x1, y1 = rng.choice(photo.boxes) if mistaken is None else mistaken
        min_width = widths[0] if mistaken is None else MIN_MISTAKE_WIDTH
        scale = min(rng.log_uniform(min_width, widths[1]) / max(4, x1 - x0), MAX_ENLARGEMENT)
        scale = max(scale, 0.5 * size / max(height, width))
        extent = size / scale
        x = (x0 + x1) / 2 + rng.uniform(-0.42, 0.42) * extent
        y = (y0 + y1) / 2 + rng.uniform(-0.42, 0.42) * extent
    else:
        scale = size / max(height, width) * rng.log_uniform(0.8, 4)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
    half_extent = size / (2 * scale)
    return (keep_inside(rng, x, half_extent, width), keep_inside(rng, y, half_extent, height)), scale


def keep_inside(rng: Rng, position: float, half_extent: float, length: float) -> float:
    """Move a view's centre along one axis so that most of the view lies inside the photo."""

    def offset() -> float:
        return rng.uniform(-0.3, 0.3) * half_extent

    if length <= 2 * half_extent:
        return length / 2 + offset()
    return np.clip(position, half_extent, length - half_extent) + (offset() if rng.chance(0.35) else 0)


def random_background(rng: Rng, size: int, pool: PhotoPool) -> np.ndarray:
    """What is seen outside the photo: part of a photo without plates, or one grey. uint8 [size, size, 3]."""
    if rng.chance(0.7):
        image = rng.choice(pool.draw_negative(rng).pyramid)
        top, left = (rng.randint(0, max(0, length - size)) for length in image.shape[:2])
        return cv2.resize(image[top : top + size, left : left + size], (size, size))
    return np.full((size, size, 3), rng.choice([0, 114, 255, rng.randint(0, 255)]), np.uint8)


def random_crop(
    rng: Rng,
    size: int,
    pool: PhotoPool,
    photo: PooledPhoto,
    view: tuple[tuple[float, float], float],
    restores_shape: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """A view of the photo, randomly warped: uint8 [size, size, 3] BGR, and the way from photo to crop, [3, 3]."""
    centre, scale = view
    homography = random_homography(rng, size, centre, scale, restores_shape and photo.is_squashed)
    # The level whose size is next above what the crop needs.
    level = photo.pyramid[0 if scale > 0.6 else 1 if scale > 0.3 else 2]
    level_scale = level.shape[1] / photo.image.shape[1]
    crop = cv2.warpPerspective(
        level,
        homography @ np.diag([1 / level_scale, 1 / level_scale, 1]),
        (size, size),
        dst=random_background(rng, size, pool),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    return crop, homography
