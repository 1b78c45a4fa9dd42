"""The fonts of rendered plates and signs, and text drawn to fill a box."""

import functools
import pathlib
from dataclasses import dataclass

from PIL import ImageDraw, ImageFont

# Start of the file name -> Debian package. Only these are used, in this order, so that neither other fonts of a machine
# nor where they are installed change what is drawn.
FAMILIES = {
    "Amiri": "fonts-hosny-amiri",
    "ipag": "fonts-ipafont-gothic",
    "Lato-": "fonts-lato",
    "Liberation": "fonts-liberation",
    "RobotoCondensed-": "fonts-roboto-unhinted",
    "Roboto-": "fonts-roboto-unhinted",
    "DejaVu": "fonts-dejavu-extra",
}
SUFFIXES = (".ttf", ".ttc", ".otf")
# No plate is set in slanted or hair-thin type, and the Quran cuts lack what plates need.
NOT_ON_PLATES = ("Italic", "Hairline", "Thin", "Quran", "Slanted", "Oblique")
NOT_ON_PLATES_ENDINGS = ("Lato-Light.ttf", "Roboto-Light.ttf", "ExtraLight.ttf")
NOT_ON_SIGNS = ("Hairline", "Quran")

Box = tuple[float, float, float, float]  # x0, y0, x1, y1
Colour = tuple[int, int, int]  # red, green, blue


@dataclass(frozen=True)
class Fonts:
    """Paths of font files by what may be set in them, in a fixed order."""

    plate: tuple[str, ...]
    arabic: tuple[str, ...]
    east_asian: tuple[str, ...]
    sign: tuple[str, ...]


def find_fonts(folders: list[pathlib.Path]) -> Fonts:
    """The known families anywhere under the folders. Raises `FileNotFoundError` that names the missing packages."""
    found: dict[str, pathlib.Path] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.suffix in SUFFIXES:
            found.setdefault(path.name, path)
    families = {start: sorted(name for name in found if name.startswith(start)) for start in FAMILIES}
    missing = sorted({FAMILIES[start] for start, names in families.items() if not names})
    if missing:
        where = ", ".join(f"`{folder}`" for folder in folders)
        raise FileNotFoundError(f"no fonts of the Debian packages {', '.join(missing)} under {where}: install them")
    return classify([str(found[name]) for names in families.values() for name in names])


def classify(paths: list[str]) -> Fonts:
    """Sort font files into what may be set in them, keeping their order."""

    def choose(wanted: tuple[str, ...], unwanted: tuple[str, ...], endings: tuple[str, ...] = ()) -> tuple[str, ...]:
        names = [(path, pathlib.PurePath(path).name) for path in paths]
        return tuple(
            path
            for path, name in names
            if any(part in name for part in wanted)
            and not any(part in name for part in unwanted)
            and not name.endswith(endings)
        )

    return Fonts(
        plate=choose(("Sans", "Roboto", "Lato", "Mono"), NOT_ON_PLATES, NOT_ON_PLATES_ENDINGS),
        arabic=choose(("Amiri-",), NOT_ON_PLATES),
        east_asian=choose(("ipag",), ()),
        sign=choose(("",), NOT_ON_SIGNS),
    )


@functools.cache
def _load(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def draw_text(draw: ImageDraw.ImageDraw, box: Box, text: str, font_path: str, colour: Colour | int) -> None:
    """Centre one line in the box, as large as its height and width allow."""
    x0, y0, x1, y1 = box
    height = y1 - y0
    # An em is about 1.25 times as high as its capitals; measure once at that size, then scale to fit.
    left, top, right, bottom = draw.textbbox((0, 0), text, font=_load(font_path, max(6, int(height * 1.25))))
    fit = min(height / max(1, bottom - top), (x1 - x0) / max(1, right - left))
    font = _load(font_path, max(5, int(height * 1.25 * fit)))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    draw.text(((x0 + x1 - left - right) / 2, (y0 + y1 - top - bottom) / 2), text, font=font, fill=colour)
