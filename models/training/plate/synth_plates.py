"""Rendered licence plates: numbers, colours and decorations of `plate_layouts`, with shading and a holder."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

import plate_layouts as layouts
from fonts import Colour, Fonts, draw_text
from plate_layouts import BLACK, BLUE, DARK_GREY, GREEN, LAYOUTS, LIGHT_BLUE, ORANGE, RED, YELLOW, Decoration
from rng import Rng

ENLARGEMENT = 1.25
# Width over height above which the blue band of a European plate is narrow.
WIDE_ASPECT = 2
BAND_BLUE: Colour = (20, 60, 160)
MERCOSUR_BLUE: Colour = (20, 50, 140)
BAND_TEXT: Colour = (240, 240, 240)
HOLDER_COLOURS: tuple[Colour, ...] = (BLACK, DARK_GREY, (150, 150, 155))
ALL_LAYOUTS = list(LAYOUTS.values())
WEIGHTS = [layout.weight for layout in ALL_LAYOUTS]


@dataclass
class Canvas:
    """A plate being drawn. `x0`, `x1`, `y0`, `y1` bound, in pixels, what is left for the number."""

    draw: ImageDraw.ImageDraw
    width: int
    height: int
    font: str
    text_colour: Colour
    x0: float
    x1: float
    y0: float
    y1: float

    def fill(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Fill a rectangle given in shares of width and height."""
        self.draw.rectangle([self.width * x0, self.height * y0, self.width * x1, self.height * y1], fill=colour)

    def write(self, x0: float, y0: float, x1: float, y1: float, text: str, font: str, colour: Colour) -> None:
        """Fit text into a rectangle given in shares of width and height."""
        box = (self.width * x0, self.height * y0, self.width * x1, self.height * y1)
        draw_text(self.draw, box, text, font, colour)


def jitter(rng: Rng, colour: Colour, amount: float = 14) -> Colour:
    """The colour with every channel moved by up to `amount`."""
    red, green, blue = (int(np.clip(value + rng.uniform(-amount, amount), 0, 255)) for value in colour)
    return red, green, blue


def render_plate(rng: Rng, fonts: Fonts, height: int = 64) -> np.ndarray:
    """A random plate, uint8 [h, w, 3] BGR; h is `height`, more with a holder or two rows."""
    layout = rng.choices(ALL_LAYOUTS, WEIGHTS)[0]
    width = int(height * rng.uniform(*layout.aspect))
    background, text_colour = rng.choice(layout.colours)
    background, text_colour = jitter(rng, background), jitter(rng, text_colour)
    if layout.enlarged:
        height, width = int(height * ENLARGEMENT), int(width * ENLARGEMENT)
    image = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(image)
    number, font = random_number(rng, fonts, layout.patterns)
    if rng.chance(0.7):
        draw.rectangle([1, 1, width - 2, height - 2], outline=text_colour, width=max(1, height // 32))
    canvas = Canvas(draw, width, height, font, text_colour, width * 0.04, width * 0.96, height * 0.12, height * 0.88)
    decorate(rng, fonts, canvas, layout)
    write_number(canvas, number.split("|"), layout.decoration)
    return weather(rng, np.asarray(image)[:, :, ::-1])


def random_number(rng: Rng, fonts: Fonts, patterns: tuple[str, ...]) -> tuple[str, str]:
    """A number that follows one of the patterns, and the font that has its characters."""
    drawn = {"A": layouts.LATIN, "9": layouts.DIGITS}
    number = "".join(rng.choice(drawn[mark]) if mark in drawn else mark for mark in rng.choice(patterns))
    font = rng.choice(fonts.plate)
    if "r" in number:
        font = rng.choice(fonts.arabic)
        number = "".join(rng.choice(layouts.ARABIC_LETTERS) if mark == "r" else mark for mark in number)
        if rng.chance(0.6):
            number = number.translate(layouts.ARABIC_DIGITS)
    if "c" in number:
        font = rng.choice(fonts.east_asian)
        number = number.replace("c", rng.choice(layouts.EAST_ASIAN))
    return number, font


def decorate(rng: Rng, fonts: Fonts, canvas: Canvas, layout: layouts.PlateLayout) -> None:
    """Draw what surrounds the number and shrink the number's room accordingly."""
    match layout.decoration:
        case Decoration.EU_BAND:
            if rng.chance(0.75):
                draw_eu_bands(rng, canvas, narrow=layout.aspect[0] > WIDE_ASPECT)
        case Decoration.STATE_HEADER:
            draw_state_header(rng, fonts, canvas)
        case Decoration.CITY_HEADER:
            canvas.y0 = canvas.height * 0.3
            city = rng.choice(layouts.BRAZILIAN_CITIES)
            canvas.write(0.25, 0.05, 0.75, 0.22, city, canvas.font, canvas.text_colour)
        case Decoration.MERCOSUR_BAND:
            canvas.fill(0, 0, 1, 0.25, jitter(rng, MERCOSUR_BLUE))
            canvas.y0 = canvas.height * 0.32
            country = rng.choice(layouts.MERCOSUR_COUNTRIES)
            canvas.write(0.3, 0.05, 0.7, 0.2, country, canvas.font, BAND_TEXT)
        case Decoration.COLOUR_HEADER:
            canvas.fill(0, 0, 1, 0.3, jitter(rng, rng.choice((LIGHT_BLUE, LIGHT_BLUE, RED, ORANGE, GREEN))))
            canvas.y0 = canvas.height * 0.35
        case Decoration.REGION_BOX:
            line = [canvas.width * 0.77, 0, canvas.width * 0.77, canvas.height]
            canvas.draw.line(line, fill=canvas.text_colour, width=2)


def draw_eu_bands(rng: Rng, canvas: Canvas, narrow: bool) -> None:
    """The blue band with a country code on the left, sometimes a second band on the right."""
    band = canvas.width * (0.1 if narrow else 0.14)
    canvas.draw.rectangle([0, 0, band, canvas.height], fill=jitter(rng, BAND_BLUE))
    canvas.x0 = band + canvas.width * 0.02
    code_box = (band * 0.1, canvas.height * 0.65, band * 0.9, canvas.height * 0.9)
    draw_text(canvas.draw, code_box, rng.choice(layouts.COUNTRY_CODES), canvas.font, BAND_TEXT)
    if rng.chance(0.25):
        right_band = [canvas.width - band, 0, canvas.width, canvas.height]
        canvas.draw.rectangle(right_band, fill=jitter(rng, BAND_BLUE))
        canvas.x1 = canvas.width - band - canvas.width * 0.02


def draw_state_header(rng: Rng, fonts: Fonts, canvas: Canvas) -> None:
    """A state's name above, sometimes a slogan below, a coloured stripe over the name, and an emblem in the middle."""

    def write_slogan(top: float, bottom: float) -> None:
        text, font = rng.choice(layouts.STATE_NAMES_AND_SLOGANS), rng.choice(fonts.plate)
        canvas.write(0.2, top, 0.8, bottom, text, font, jitter(rng, canvas.text_colour, 40))

    canvas.y0, canvas.y1 = canvas.height * 0.28, canvas.height * 0.80
    write_slogan(0.06, 0.22)
    if rng.chance(0.6):
        write_slogan(0.84, 0.95)
    if rng.chance(0.3):
        canvas.fill(0, 0, 1, 0.25, jitter(rng, rng.choice((BLUE, RED, GREEN, YELLOW))))
    if rng.chance(0.35):
        radius = canvas.height * rng.uniform(0.1, 0.22)
        x, y = canvas.width * rng.uniform(0.4, 0.6), canvas.height * 0.5
        colour = jitter(rng, rng.choice((YELLOW, RED, GREEN, BLUE, ORANGE)))
        canvas.draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)


def write_number(canvas: Canvas, rows: list[str], decoration: Decoration) -> None:
    """Write the rows of the number into the room that is left."""
    x0, x1, y0, y1 = canvas.x0, canvas.x1, canvas.y0, canvas.y1
    if decoration is Decoration.REGION_BOX and len(rows) == 2:
        number, region = rows
        draw_text(canvas.draw, (x0, y0, canvas.width * 0.75, y1), number, canvas.font, canvas.text_colour)
        box = (canvas.width * 0.79, y0, x1, canvas.height * 0.6)
        draw_text(canvas.draw, box, region, canvas.font, canvas.text_colour)
        return
    upper_third = decoration is Decoration.UPPER_THIRD_ROW and len(rows) == 2
    shares = [0.38, 0.62] if upper_third else [1 / len(rows)] * len(rows)
    top = y0
    for row, share in zip(rows, shares, strict=True):
        box = (x0, top + (y1 - y0) * 0.02, x1, top + (y1 - y0) * (share - 0.03))
        draw_text(canvas.draw, box, row, canvas.font, canvas.text_colour)
        top += (y1 - y0) * share


def weather(rng: Rng, plate: np.ndarray) -> np.ndarray:
    """Shading from top to bottom, washed-out contrast, a plate holder; uint8 [h, w, 3] in and out."""
    pixels = plate.astype(np.float32)
    if rng.chance(0.5):
        shading = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.8, 1.1), pixels.shape[0])
        pixels *= shading[:, None, None]
    if rng.chance(0.3):
        pixels = pixels * 0.8 + 40
    if rng.chance(0.5):
        pixels = add_holder(rng, pixels)
    return pixels.clip(0, 255).astype(np.uint8)


def add_holder(rng: Rng, pixels: np.ndarray) -> np.ndarray:
    """A frame of one colour, up to a twelfth of the height on every side."""
    height, width = pixels.shape[:2]
    thickest = max(2, height // 12)
    top, bottom, left, right = (rng.randint(1, thickest) for _ in range(4))
    framed = np.empty((height + top + bottom, width + left + right, 3), np.float32)
    framed[:] = jitter(rng, rng.choice(HOLDER_COLOURS))
    framed[top : top + height, left : left + width] = pixels
    return framed
