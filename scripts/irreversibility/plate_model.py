"""Plates whose numbers are known, photographed as the attacker would wish: seen straight on, with the typeface, the
layout, the colours and the plate's place in the photo known to a fraction of a pixel.

A plate is linear in what is unknown of it: what a cell shows is the colour of an empty plate less the ink of one
character at each of its places. That is exact, since cells are averages.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import cells

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PLACES = 7
# Of the drawn plate, in its own pixels: as a European one of 520 x 110 mm.
HEIGHT, PITCH, MARGIN = 44, 28, 6
WIDTH = PLACES * PITCH + 2 * MARGIN
GLYPH_HEIGHT, GLYPH_WIDTH = 30, 25
PAPER, INK, SURROUNDING = 225.0, 30.0, 90.0
# Red, green and blue are never lit quite alike, so each is rounded elsewhere.
CAST = np.array([1.0, 0.94, 0.87])
# Of a plate's box, as in `default.toml`; and how far a detector's box is off, as a share of the plate's sides.
ENLARGE_X, ENLARGE_Y, BOX_ERROR = 0.2, 0.4, 0.02


@dataclass(frozen=True)
class Light:
    """How far the light of a photo is known: its gain and offset are drawn from these ranges."""

    gain: tuple[float, float]
    offset: tuple[float, float]
    noise: float  # standard deviation of a cell's average


# The attacker's best case, and what differs from photo to photo in a street.
KNOWN = Light((1.0, 1.0), (0.0, 0.0), 0.3)
STREET = Light((0.75, 1.0), (0.0, 12.0), 0.3)


@dataclass(frozen=True)
class Part:
    """Rectangles in rows and columns: what share of each row and column the plate's own pixels take."""

    weight: float
    under: np.ndarray  # [rows, HEIGHT]
    over: np.ndarray  # [columns, WIDTH]


@dataclass(frozen=True)
class Photo:
    """An obscured plate as it stands in a photo. What a cell averages is the sum of its parts, whose weights make 1."""

    grid: np.ndarray  # colours, int [rows, columns, 3]
    parts: list[Part]
    side: int  # of a cell, in pixels
    size: tuple[int, int]  # width and height of the region, in pixels
    plate: tuple[float, float, float, float]  # left, top, width, height of the plate in the region, in pixels

    def paper(self) -> np.ndarray:
        """Share of each cell that lies on the plate, [rows, columns]."""
        return sum(part.weight * part.under.sum(1)[:, None] * part.over.sum(1)[None, :] for part in self.parts)

    def ink(self) -> np.ndarray:
        """Share of each cell that each character at each place would ink, [rows, columns, PLACES, characters]."""
        total = 0
        for part in self.parts:
            rooms = part.over[:, MARGIN : MARGIN + PLACES * PITCH].reshape(-1, PLACES, PITCH)
            inked = np.tensordot(part.under, GLYPHS, axes=(1, 1))
            total = total + part.weight * np.einsum("rgx,cpx->rcpg", inked, rooms, optimize=True)
        return total


def glyphs() -> np.ndarray:
    """Ink of every character, [characters, HEIGHT, PITCH] in 0..1, in the typeface that Pillow carries (Aileron)."""
    font = ImageFont.load_default(size=120)
    drawn = []
    for character in ALPHABET:
        left, top, right, bottom = (int(value) for value in font.getbbox(character))
        image = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(image).text((-left, -top), character, font=font, fill=255)
        width = min(GLYPH_WIDTH, max(4, round(image.width * GLYPH_HEIGHT / image.height)))
        small = np.asarray(image.resize((width, GLYPH_HEIGHT), Image.Resampling.BOX), float) / 255
        room = np.zeros((HEIGHT, PITCH))
        top, left = (HEIGHT - GLYPH_HEIGHT) // 2, (PITCH - width) // 2
        room[top : top + GLYPH_HEIGHT, left : left + width] = small
        drawn.append(room)
    return np.stack(drawn)


GLYPHS = glyphs()


def draw(number: np.ndarray) -> np.ndarray:
    """A plate by the numbers of its characters, [PLACES]: brightness, float [HEIGHT, WIDTH]."""
    plate = np.full((HEIGHT, WIDTH), PAPER)
    for place, character in enumerate(number):
        left = MARGIN + place * PITCH
        plate[:, left : left + PITCH] -= (PAPER - INK) * GLYPHS[character]
    return plate


def overlaps(edges: np.ndarray, count: int) -> np.ndarray:
    """How much of each of `count` unit intervals lies between neighbouring edges, [edges - 1, count]."""
    start = np.arange(count)
    return np.clip(np.minimum(edges[1:, None], start + 1) - np.maximum(edges[:-1, None], start), 0, None)


def region(rng: np.random.Generator, width: float) -> tuple[tuple[int, int], tuple[float, ...]]:
    """The size of a region over a plate of that width in pixels, and where the plate lies in it."""
    height = width * HEIGHT / WIDTH
    left, top = rng.uniform(500, 516, 2)
    error = rng.normal(0, BOX_ERROR, 4) * (width, height, width, height)
    wide, high = width + error[2], height + error[3]
    x0, y0 = left + error[0] - wide * ENLARGE_X / 2, top + error[1] - high * ENLARGE_Y / 2
    x1, y1 = x0 + wide * (1 + ENLARGE_X), y0 + high * (1 + ENLARGE_Y)
    corner = np.floor(np.array([x0, y0])).astype(int)
    end = np.ceil(np.array([x1, y1])).astype(int)
    size = (int(end[0] - corner[0]), int(end[1] - corner[1]))
    return size, (left - corner[0], top - corner[1], width, height)


def parts_of(size: tuple[int, int], plate: tuple[float, ...], side: int, from_frame: bool) -> list[Part]:
    """What the cells of a region average: squares, or where there is but one cell, the region's frame."""

    def part(weight: float, columns: np.ndarray, rows: np.ndarray) -> Part:
        # In the plate's own pixels.
        across, down = (columns - plate[0]) * WIDTH / plate[2], (rows - plate[1]) * WIDTH / plate[2]
        over, under = overlaps(across, WIDTH), overlaps(down, HEIGHT)
        return Part(weight, under / np.diff(down)[:, None], over / np.diff(across)[:, None])

    columns, rows = (np.append(np.arange(0, length, side), length) for length in size)
    if not from_frame or len(columns) > 2 or len(rows) > 2:
        return [part(1, columns, rows)]
    thick = cells.frame_px(*size)
    inner = (size[0] - 2 * thick) * (size[1] - 2 * thick)
    area = size[0] * size[1]
    within = part(-inner / (area - inner), *(np.array([thick, length - thick]) for length in size))
    return [part(area / (area - inner), columns, rows), within]


def photograph(
    rng: np.random.Generator, number: np.ndarray, style: str, count: int, light: Light, from_frame: bool = True
) -> Photo:
    """A photo of a plate, obscured as the program does; not `from_frame`, a single cell averages the whole region."""
    size, plate = region(rng, rng.uniform(80, 240))
    side = cells.cell_px(*size, style, count)
    parts = parts_of(size, plate, side, from_frame)
    brightness = draw(number) - SURROUNDING
    shown = sum(part.weight * (SURROUNDING + part.under @ brightness @ part.over.T) for part in parts)
    lit = shown[..., None] * CAST * rng.uniform(*light.gain) + rng.uniform(*light.offset)
    lit += rng.normal(0, light.noise, lit.shape)
    return Photo(cells.quantised(np.clip(lit, 0, 255)), parts, side, size, plate)
