"""Rendered text that is no licence plate: shop signs, prices, phone numbers. Hard negatives for the detector."""

import string

import numpy as np
from PIL import Image, ImageDraw

from fonts import Fonts, draw_text
from plate_layouts import BLACK, BLUE, GREEN, RED, WHITE, YELLOW
from rng import Rng
from synth_plates import jitter

PANEL_COLOURS = (WHITE, WHITE, BLACK, BLUE, RED, GREEN, YELLOW)
# Brightness (0-255) of a panel above which its text is dark.
BRIGHT = 110
WORDS = """
open sale parking hotel café pharmacy taxi bus stop exit enter school police restaurant bank market pizza coffee bakery
rent phone www service auto parts garage fresh free zone no smoking danger menu new best price shop street avenue north
south city center music book cinema tickets welcome push pull toyota ford honda audi bmw volvo nissan turbo diesel
hybrid sport limited edition
""".split()


def random_word(rng: Rng) -> str:
    """A known word, a made-up word, a price or a phone number."""
    kind = rng.random()
    if kind < 0.65:
        word = rng.choice(WORDS)
        return rng.choice([word, word.upper(), word.title()])
    if kind < 0.8:
        return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 9))).title()
    if kind < 0.9:
        return f"{rng.randint(0, 99)}.{rng.randint(0, 99):02d}"
    return f"0{rng.randint(100, 999)} {rng.randint(100, 999)} {rng.randint(100, 999)}"


def render_sign(rng: Rng, fonts: Fonts, height: int = 64) -> tuple[np.ndarray, np.ndarray | None]:
    """A random sign: uint8 [h, w, 3] BGR, and float32 [h, w] opacity 0-1 where it is bare letters without a panel."""
    rows = rng.choice([1, 1, 2, 3, 5, 8])
    aspect = rng.uniform(0.5, 3) if rows > 2 else rng.uniform(1.5, 7)
    width = int(max(20, height * aspect))
    panel = (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))
    if rng.chance(0.4):
        panel = rng.choice(PANEL_COLOURS)
    if rng.chance(0.7):
        ink = jitter(rng, (20, 20, 20) if sum(panel) / 3 > BRIGHT else (240, 240, 240), 30)
    else:
        red, green, blue = panel
        ink = ((red + 128) % 256, (green + 128) % 256, (blue + 128) % 256)
    bare_letters = rng.chance(0.3)
    image = Image.new("RGB", (width, height), panel)
    opacity = Image.new("L", (width, height), 0)
    font = rng.choice(fonts.sign)
    for row in range(rows):
        text = " ".join(random_word(rng) for _ in range(rng.randint(1, 2 if rows < 3 else 6)))
        box = (width * 0.05, height * (row + 0.1) / rows, width * 0.95, height * (row + 0.9) / rows)
        draw_text(ImageDraw.Draw(image), box, text, font, ink)
        if bare_letters:
            draw_text(ImageDraw.Draw(opacity), box, text, font, 255)
    pixels = np.asarray(image)[:, :, ::-1].copy()
    return pixels, np.asarray(opacity).astype(np.float32) / 255 if bare_letters else None
