"""The photos that training crops are cut from."""

from dataclasses import dataclass

import cv2
import numpy as np

from mining import Miner
from photos import Photo
from rng import Rng

# A plate smaller than this, in pixels, is not worth pasting elsewhere.
PASTE_MIN_WIDTH = 24
PASTE_MIN_HEIGHT = 8
# Sets whose photos were squashed to squares by those who published them.
SQUASHED = ("plates_web_train",)

# What is likely a plate without a label and what was mistaken for one, float32 [n, 4] each.
Finds = tuple[np.ndarray, np.ndarray]


@dataclass
class PooledPhoto:
    """A photo with its half- and quarter-size copies, which keep shrinking free of aliasing."""

    image: np.ndarray  # uint8 [height, width, 3], BGR
    boxes: np.ndarray  # float32 [plates, 4], x0 y0 x1 y1
    pyramid: list[np.ndarray]  # full, half, quarter size
    pasteable: list[int]  # indices of `boxes` large enough to be pasted elsewhere
    unsure: np.ndarray  # float32 [n, 4], what is likely a plate without a label
    mistaken: np.ndarray  # float32 [n, 4], what an earlier detector took for a plate
    is_squashed: bool = False
    source: Photo | None = None


def pool_photo(photo: Photo) -> PooledPhoto:
    pyramid = [photo.image]
    for _ in range(2):
        pyramid.append(cv2.resize(pyramid[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    sizes = photo.boxes[:, 2:] - photo.boxes[:, :2]
    large = (sizes[:, 0] >= PASTE_MIN_WIDTH) & (sizes[:, 1] >= PASTE_MIN_HEIGHT)
    nothing = np.zeros((0, 4), np.float32)
    pasteable = np.flatnonzero(large).tolist()
    is_squashed = photo.dataset in SQUASHED
    return PooledPhoto(photo.image, photo.boxes, pyramid, pasteable, nothing, nothing, is_squashed, photo)


class PhotoPool:
    """Groups of photos with plates, each drawn with its own weight, and photos without plates.

    After `learn_finds` also the mistakes of an earlier detector in all of them.
    """

    def __init__(self, groups: list[tuple[float, list[Photo]]], without_plates: list[Photo]) -> None:
        self._weights = [weight for weight, _ in groups]
        self._groups = [[pool_photo(photo) for photo in photos] for _, photos in groups]
        self.without_plates = [pool_photo(photo) for photo in without_plates]
        self._everything = [photo for group in [*self._groups, self.without_plates] for photo in group]
        self.with_mistakes: list[PooledPhoto] = []
        if not self.without_plates or not all(self._groups):
            raise ValueError("expected at least one photo in every group, and one without plates")
        if not any(photo.pasteable for group in self._groups for photo in group):
            raise ValueError(f"no plate of at least {PASTE_MIN_WIDTH}x{PASTE_MIN_HEIGHT} pixels to paste")

    def mine(self, miner: Miner, part: int, parts: int) -> list[Finds]:
        """What a detector finds beside the labels in every `parts`-th photo from `part` on."""
        return [miner.mine(photo.source) for photo in self._everything[part::parts]]

    def learn_finds(self, finds: list[list[Finds]]) -> None:
        """Take over what `mine` found, by parts, in place of what was known before."""
        for part, found in enumerate(finds):
            for photo, (unsure, mistaken) in zip(self._everything[part :: len(finds)], found, strict=True):
                photo.unsure, photo.mistaken = unsure, mistaken
        self.with_mistakes = [photo for photo in self._everything if len(photo.mistaken)]

    def draw_photo(self, rng: Rng) -> PooledPhoto:
        return rng.choice(rng.choices(self._groups, self._weights)[0])

    def draw_mistaken(self, rng: Rng) -> tuple[PooledPhoto, np.ndarray]:
        """A photo, and a box [4] in it that an earlier detector took for a plate."""
        photo = rng.choice(self.with_mistakes)
        return photo, rng.choice(photo.mistaken)

    def draw_negative(self, rng: Rng) -> PooledPhoto:
        return rng.choice(self.without_plates)

    def draw_plate(self, rng: Rng) -> np.ndarray:
        """A plate cut out of a photo, uint8 [h, w, 3] BGR."""
        while not (photo := self.draw_photo(rng)).pasteable:
            pass
        x0, y0, x1, y1 = photo.boxes[rng.choice(photo.pasteable)].round().astype(int)
        return photo.image[max(0, y0) : y1, max(0, x0) : x1]
