"""Paste a plate or a sign into a crop, in perspective and fitted to the light of the place."""

import math

import cv2
import numpy as np

from geometry import warp_corners
from rng import Rng

# Pixels left free round another plate.
CLEARANCE = 2
# A plate pasted over another has at most so many times its area: a large one would hide half the car.
REPLACED_MAX_AREA = 3.5
# Plates longer than so many crops are not replaced.
REPLACED_MAX_CROPS = 4


def paste(
    rng: Rng, crop: np.ndarray, patch: np.ndarray, opacity: np.ndarray | None, width: float, boxes: list[np.ndarray]
) -> np.ndarray | None:
    """Paste `patch` about `width` pixels wide at a random place of `crop` (uint8 [size, size, 3], changed in place).

    `opacity` is float [h, w] of the patch's own size, or None for an opaque one. Returns the box it takes,
    float32 [4], or None where nothing was pasted because it would touch one of `boxes` or hardly be seen.
    """
    patch, opacity = resize_patch(rng, patch, opacity, width)
    target = random_quad(rng, corners_of(patch), crop.shape[0])
    box = np.concatenate([target.min(0), target.max(0)])
    if any(touches(box, other) for other in boxes) or not put(rng, crop, patch, opacity, target):
        return None
    return box


def replace(
    rng: Rng, crop: np.ndarray, patch: np.ndarray, place: np.ndarray, homography: np.ndarray
) -> np.ndarray | None:
    """Paste another plate over the one at `place` (float32 [4], in the photo), covering it whole.

    `homography` leads from photo to crop. Returns the new plate's box in the crop, float32 [4], or None where nothing
    was pasted because the shapes differ too much or hardly anything would be seen.
    """
    width, height = place[2:] - place[:2]
    aspect = patch.shape[1] / patch.shape[0] * rng.log_uniform(0.7, 1.1)
    new_width = max(width, height * aspect) * rng.uniform(1.02, 1.12)
    half = np.array([new_width, new_width / aspect * rng.uniform(1, 1.1)]) / 2
    if half.prod() * 4 > REPLACED_MAX_AREA * width * height:
        return None
    middle = (place[:2] + place[2:]) / 2
    target = warp_corners(homography, np.concatenate([middle - half, middle + half])[None])[0].astype(np.float32)
    # Beyond the crop's horizon corners lie anywhere; OpenCV takes no picture of more than 32,767 pixels a side.
    new_length = float(np.linalg.norm(target[1] - target[0]))
    if not new_length < REPLACED_MAX_CROPS * crop.shape[0]:
        return None
    patch, opacity = resize_patch(rng, patch, None, max(4.0, new_length))
    if not put(rng, crop, patch, opacity, target):
        return None
    return np.concatenate([target.min(0), target.max(0)])


def corners_of(patch: np.ndarray) -> np.ndarray:
    """Clockwise from the upper left one, float32 [4, 2]."""
    height, width = patch.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def put(rng: Rng, crop: np.ndarray, patch: np.ndarray, opacity: np.ndarray, target: np.ndarray) -> bool:
    """Warp the patch to the corners `target` (float32 [4, 2]) and blend it in; false where hardly any would be seen."""
    height, width = patch.shape[:2]
    size, corners = crop.shape[0], corners_of(patch)
    box = np.concatenate([target.min(0), target.max(0)])
    x0, y0 = np.maximum(np.floor(box[:2]).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(box[2:]).astype(int) + 3, size)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return False
    warp = cv2.getPerspectiveTransform(corners, target - np.array([x0, y0], np.float32))
    place = (int(x1 - x0), int(y1 - y0))
    patch = cv2.warpPerspective(patch, warp, place, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opacity = cv2.warpPerspective(opacity, warp, place, flags=cv2.INTER_LINEAR)
    blend(rng, crop[y0:y1, x0:x1], patch.astype(np.float32), opacity, soften=min(width, height) > 6)
    return True


def resize_patch(
    rng: Rng, patch: np.ndarray, opacity: np.ndarray | None, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Patch and opacity at the wanted width, with a slightly wrong height."""
    height = width * patch.shape[0] / patch.shape[1] * math.exp(rng.gauss(0, 0.12))
    interpolation = cv2.INTER_AREA if width < patch.shape[1] else cv2.INTER_LINEAR
    size = (max(3, round(width)), max(2, round(height)))
    if opacity is None:
        resized_opacity = np.ones(size[::-1], np.float32)
    else:
        resized_opacity = cv2.resize(opacity, size, interpolation=interpolation)
    return cv2.resize(patch, size, interpolation=interpolation), resized_opacity


def random_quad(rng: Rng, corners: np.ndarray, size: int) -> np.ndarray:
    """Where the patch's corners go, float32 [4, 2]: turned, narrowed as if seen from the side, distorted, anywhere."""
    width, height = corners[2].tolist()
    degrees = rng.gauss(0, 4) if rng.chance(0.8) else rng.uniform(-25, 25)
    angle = math.radians(degrees)
    distortion = rng.arrays.uniform(-0.1, 0.1, (4, 2)) * [width * 0.5, height * 1.2]
    if rng.chance(0.5):
        distortion *= 0.25
    narrowing = rng.uniform(0.55, 1) if rng.chance(0.3) else 1.0
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    quad = (corners - np.array([width / 2, height / 2])) * [narrowing, 1] @ rotation + distortion
    return (quad + [rng.uniform(0, size), rng.uniform(0, size)]).astype(np.float32)


def touches(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes x0 y0 x1 y1 overlap or nearly do."""
    return bool(np.all(np.minimum(box[2:], other[2:]) > np.maximum(box[:2], other[:2]) - CLEARANCE))


def blend(rng: Rng, place: np.ndarray, patch: np.ndarray, opacity: np.ndarray, soften: bool) -> None:
    """Blend the patch (float32 [h, w, 3]) into `place` (uint8, changed in place), mostly with its brightness."""
    if rng.chance(0.6):
        opacity = cv2.GaussianBlur(opacity, (3, 3), 0)
    behind = place.astype(np.float32)
    if rng.chance(0.6):
        patch *= np.clip((behind.mean() + 40) / (patch.mean() + 1e-3), 0.35, 1.5)
    patch = patch * rng.uniform(0.75, 1.2)
    if rng.chance(0.4) and soften:
        patch = cv2.GaussianBlur(patch, (3, 3), 0)
    place[:] = (behind + opacity[..., None] * (patch - behind)).clip(0, 255).astype(np.uint8)
