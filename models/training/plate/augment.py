"""Random training samples: a view of a photo, pasted real and rendered plates, pasted signs, damage, mosaics."""

from dataclasses import dataclass

import numpy as np

from damage import damage, dark
from fonts import Fonts
from geometry import random_crop, random_view, warp_boxes
from paste import paste, replace
from photo_pool import PhotoPool, PooledPhoto
from recipe import Recipe
from rng import Rng
from synth_patterns import render_pattern
from synth_plates import render_plate
from synth_signs import render_sign

PASTED_MAX_SHARE = 0.85  # of the largest plate width
SIGN_WIDTHS = (14, 220)  # in a crop of the first size
RENDER_HEIGHTS = [24, 48, 64]
MOSAIC_PROBABILITY = 0.12
# A plate that shows half or less of its area, or is smaller than this, is neither learned nor counted as background.
MIN_VISIBLE = 0.5
LEARNED_MIN_WIDTH = 7
LEARNED_MIN_HEIGHT = 3


@dataclass
class Sample:
    """One training crop. Boxes are float32 [n, 4], x0 y0 x1 y1, clipped to the crop."""

    image: np.ndarray  # uint8 [size, size, 3], BGR
    plates: np.ndarray  # to learn
    ignored: np.ndarray  # too small, cut off, or likely a plate without a label: no loss there


class Sampler:
    """Makes square samples from a pool of photos, as the recipe says."""

    def __init__(self, pool: PhotoPool, fonts: Fonts, rng: Rng, recipe: Recipe) -> None:
        self.rng = rng
        self._pool = pool
        self._fonts = fonts
        self._recipe = recipe
        self._size = recipe.crop_sizes[0]

    def sample(self, size: int | None = None) -> Sample:
        """A square crop of `size` pixels; of the recipe's first size where none is given."""
        self._size = size or self._recipe.crop_sizes[0]
        if self.rng.chance(MOSAIC_PROBABILITY):
            image, clipped, unsure = self._mosaic()
        else:
            image, boxes, warped = self._scene(self._size)
            clipped = [clip(box, self._size) for box in boxes]
            unsure = [clip(box, self._size)[0] for box in warped]
        plates, ignored = split_by_visibility(clipped, min(LEARNED_MIN_WIDTH, self._recipe.min_plate_width))
        ignored = np.concatenate([ignored, np.array(unsure, np.float32).reshape(-1, 4)])
        if self._recipe.dark_share > 0 and self.rng.chance(self._recipe.dark_share):
            # Not damaged further, or nobody would see the plates.
            return Sample(dark(self.rng, image), plates, ignored)
        return Sample(damage(self.rng, image), plates, ignored)

    def _mosaic(self) -> tuple[np.ndarray, list[tuple[np.ndarray, float]], list[np.ndarray]]:
        """Four scenes of half the size, plates with their visible share, and what is likely a plate."""
        half = self._size // 2
        image = np.empty((self._size, self._size, 3), np.uint8)
        clipped, unsure = [], []
        for quarter in range(4):
            y, x = quarter // 2 * half, quarter % 2 * half
            image[y : y + half, x : x + half], boxes, warped = self._scene(half)
            for box, visible in (clip(box, half) for box in boxes):
                clipped.append((box + [x, y, x, y], visible))
            unsure += [clip(box, half)[0] + [x, y, x, y] for box in warped]
        return image, clipped, unsure

    def _scene(self, size: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """A crop with pasted plates and signs, uint8 [size, size, 3], the boxes of all its plates and those of what is
        likely one, not clipped."""
        rng, recipe = self.rng, self._recipe
        negative = rng.chance(recipe.negative_share)
        mistaken = None
        # Without a share nothing is drawn: the first stage knew no mistakes, and its chance stays as it was.
        if recipe.mistaken_share > 0 and rng.chance(recipe.mistaken_share):
            photo, mistaken = self._pool.draw_mistaken(rng)
        else:
            photo = self._pool.draw_negative(rng) if negative else self._pool.draw_photo(rng)
        max_width = recipe.widest(self._size)
        if negative and mistaken is None and recipe.pattern_share > 0 and rng.chance(recipe.pattern_share):
            image, boxes = render_pattern(rng, size, size), []
            self._paste(image, boxes, max_width, plates=0.15)
            return image, boxes, np.zeros((0, 4), np.float32)
        view = random_view(rng, size, (recipe.min_plate_width, max_width), photo, mistaken)
        image, homography = random_crop(rng, size, self._pool, photo, view, recipe.restores_shape)
        boxes = self._plates(photo, homography, image)
        self._paste(image, boxes, max_width, plates=0.15 if negative else 0.5)
        return image, boxes, warp_boxes(homography, photo.unsure)

    def _paste(self, image: np.ndarray, boxes: list[np.ndarray], max_width: float, plates: float) -> None:
        """Paste plates with that probability, adding their boxes, and often signs."""
        rng, recipe = self.rng, self._recipe
        if rng.chance(plates):
            for _ in range(rng.choice([1, 1, 2, 3])):
                plate = self._real_or_rendered_plate()
                width = rng.log_uniform(recipe.min_plate_width, PASTED_MAX_SHARE * max_width)
                box = paste(rng, image, plate, None, width, boxes)
                if box is not None:
                    boxes.append(box)
        if rng.chance(0.4):
            sign_widths = (SIGN_WIDTHS[0], SIGN_WIDTHS[1] * self._size / recipe.crop_sizes[0])
            for _ in range(rng.choice([1, 1, 2, 4])):
                sign, opacity = self._sign_or_pattern()
                paste(rng, image, sign, opacity, rng.log_uniform(*sign_widths), boxes)

    def _sign_or_pattern(self) -> tuple[np.ndarray, np.ndarray | None]:
        rng = self.rng
        height = rng.choice(RENDER_HEIGHTS)
        if self._recipe.pattern_share > 0 and rng.chance(self._recipe.pattern_share):
            return render_pattern(rng, height, int(height * rng.log_uniform(0.7, 6))), None
        return render_sign(rng, self._fonts, height)

    def _plates(self, photo: PooledPhoto, homography: np.ndarray, image: np.ndarray) -> list[np.ndarray]:
        """The boxes of the photo's plates in the crop, some with a rendered plate pasted over them."""
        boxes = list(warp_boxes(homography, photo.boxes))
        for index, place in enumerate(photo.boxes):
            if self._recipe.replaced_share > 0 and self.rng.chance(self._recipe.replaced_share):
                plate = render_plate(self.rng, self._fonts, self.rng.choice(RENDER_HEIGHTS))
                replaced = replace(self.rng, image, plate, place, homography)
                boxes[index] = boxes[index] if replaced is None else replaced
        return boxes

    def _real_or_rendered_plate(self) -> np.ndarray:
        if self.rng.chance(0.45):
            return self._pool.draw_plate(self.rng)
        return render_plate(self.rng, self._fonts, self.rng.choice(RENDER_HEIGHTS))


def clip(box: np.ndarray, size: int) -> tuple[np.ndarray, float]:
    """The part of the box inside a square of `size` pixels, and its share of the box's area."""
    inside = np.clip(box, 0, size)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return inside, (inside[2] - inside[0]) * (inside[3] - inside[1]) / max(area, 1e-6)


def split_by_visibility(clipped: list[tuple[np.ndarray, float]], min_width: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes to learn and boxes to ignore, both float32 [n, 4]. Boxes of less than a pixel are gone."""
    plates: list[np.ndarray] = []
    ignored: list[np.ndarray] = []
    for box, visible in clipped:
        width, height = box[2:] - box[:2]
        if width < 1 or height < 1:
            continue
        learned = visible > MIN_VISIBLE and width >= min_width and height >= min(LEARNED_MIN_HEIGHT, min_width / 2)
        (plates if learned else ignored).append(box)
    return np.array(plates, np.float32).reshape(-1, 4), np.array(ignored, np.float32).reshape(-1, 4)
