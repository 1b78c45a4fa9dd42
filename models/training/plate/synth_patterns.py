"""Drawn patterns that are no licence plate: grilles, lattices, nested frames, hatching, badges. Hard negatives.

Photos without plates are few; what plates share with other things, frames and strokes within them, is drawn here in all
variations.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from rng import Rng

# Pixels of `cv2.line` and its like are drawn at a sixteenth of their size.
SHIFT = 4
Drawer = Callable[[Rng, np.ndarray], None]


def render_pattern(rng: Rng, height: int, width: int) -> np.ndarray:
    """A random pattern, uint8 [height, width, 3] BGR."""
    top, bottom = random_colour(rng), random_colour(rng)
    if rng.chance(0.5):
        bottom = tuple(min(255, max(0, channel + rng.randint(-25, 25))) for channel in top)
    blend = np.linspace(0, 1, height)[:, None, None]
    rows = (1 - blend) * np.array(top) + blend * np.array(bottom)
    image = np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)).astype(np.uint8))
    for _ in range(rng.choice([1, 1, 1, 2])):
        rng.choice(DRAWERS)(rng, image)
    return image


def random_colour(rng: Rng) -> tuple[int, ...]:
    if rng.chance(0.5):
        grey = rng.randint(0, 255)
        return tuple(min(255, max(0, grey + rng.randint(-12, 12))) for _ in range(3))
    return tuple(rng.randint(0, 255) for _ in range(3))


def random_thickness(rng: Rng, image: np.ndarray) -> int:
    return max(1, round(rng.log_uniform(0.004, 0.06) * min(image.shape[:2])))


def to_fixed(points: np.ndarray) -> np.ndarray:
    return (points * 2**SHIFT).round().astype(np.int32)


def polygon(image: np.ndarray, points: np.ndarray, colour: tuple[int, ...], thickness: int) -> None:
    cv2.polylines(image, [to_fixed(points)], True, colour, thickness, cv2.LINE_AA, SHIFT)


def nested_frames(rng: Rng, image: np.ndarray) -> None:
    """Rectangles, or what is nearly one, each turned a little within the last."""
    height, width = image.shape[:2]
    middle = np.array([rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height])
    half = np.array([rng.uniform(0.2, 0.7) * width, rng.uniform(0.2, 0.7) * height])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half * rng.arrays.uniform(0.8, 1.2, (4, 2))
    colour, thickness = random_colour(rng), random_thickness(rng, image)
    turn, shrink = rng.choice([0.0, rng.uniform(-0.3, 0.3)]), rng.uniform(0.6, 0.93)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    for _ in range(rng.randint(2, 18)):
        polygon(image, corners + middle, colour, thickness)
        corners = corners @ rotation * shrink


def slats(rng: Rng, image: np.ndarray) -> None:
    """Parallel bars in a frame or all over, such as a grille, a blind, a fence or a row of windows."""
    height, width = image.shape[:2]
    bars, gaps = random_colour(rng), random_colour(rng)
    x0, y0, x1, y1 = 0, 0, width, height
    if rng.chance(0.7):
        x0, x1 = sorted(rng.randint(0, width) for _ in range(2))
        y0, y1 = sorted(rng.randint(0, height) for _ in range(2))
    cv2.rectangle(image, (x0, y0), (x1, y1), gaps, -1)
    directions = rng.choice([(True,), (False,), (True, False)])
    for lies in directions:
        start, end = (y0, y1) if lies else (x0, x1)
        step = max(3.0, (end - start) / rng.randint(2, 16))
        thickness = max(1, round(step * rng.uniform(0.1, 0.6)))
        for at in np.arange(start, end + 1, step).round().astype(int).tolist():
            ends = ((x0, at), (x1, at)) if lies else ((at, y0), (at, y1))
            cv2.line(image, *ends, bars, thickness)
    if rng.chance(0.5):
        cv2.rectangle(image, (x0, y0), (x1, y1), random_colour(rng), random_thickness(rng, image))


def strokes(rng: Rng, image: np.ndarray) -> None:
    """Curves as of a pen, of cables or of twigs."""
    height, width = image.shape[:2]
    colour, thickness = random_colour(rng), random_thickness(rng, image)
    for _ in range(rng.randint(3, 25)):
        steps = rng.arrays.normal(0, rng.uniform(0.03, 0.25), (rng.randint(2, 9), 2)).cumsum(0)
        points = (rng.arrays.uniform(0, 1, 2) + steps) * [width, height]
        cv2.polylines(image, [to_fixed(points)], False, colour, thickness, cv2.LINE_AA, SHIFT)


def ellipses(rng: Rng, image: np.ndarray) -> None:
    """Rings and discs within each other, such as badges, lamps, wheels or eyes."""
    height, width = image.shape[:2]
    for _ in range(rng.randint(1, 5)):
        middle = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        radii = np.array([rng.uniform(0.05, 0.45) * width, rng.uniform(0.05, 0.45) * height])
        for _ in range(rng.randint(1, 5)):
            thickness = rng.choice([-1, random_thickness(rng, image)])
            centre, axes = to_fixed(middle).tolist(), to_fixed(radii).tolist()
            angle = rng.uniform(-20, 20)
            cv2.ellipse(image, centre, axes, angle, 0, 360, random_colour(rng), thickness, cv2.LINE_AA, SHIFT)
            radii = radii * rng.uniform(0.5, 0.9)


def panels(rng: Rng, image: np.ndarray) -> None:
    """Filled boxes, some framed, all empty: windows, stickers, reflectors, bricks."""
    height, width = image.shape[:2]
    for _ in range(rng.randint(1, 12)):
        half = np.array([rng.log_uniform(0.02, 0.4) * width, rng.log_uniform(0.02, 0.25) * height])
        middle = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half * rng.arrays.uniform(0.9, 1.1, (4, 2)) + middle
        cv2.fillPoly(image, [to_fixed(corners)], random_colour(rng), cv2.LINE_AA, SHIFT)
        if rng.chance(0.5):
            polygon(image, corners, random_colour(rng), random_thickness(rng, image))


DRAWERS: tuple[Drawer, ...] = (nested_frames, slats, strokes, ellipses, panels)
