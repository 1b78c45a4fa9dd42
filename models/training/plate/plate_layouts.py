"""How plates of the world look, as data for `synth_plates`.

Patterns: `A` is a Latin letter, `9` a digit, `r` an Arabic letter, `c` one Chinese or Japanese character (the same one
at each place), `|` starts a new row; all else stands for itself. Colours are red, green, blue.
"""

import string
from dataclasses import dataclass
from enum import Enum, auto

from fonts import Colour

WHITE: Colour = (238, 238, 236)
YELLOW: Colour = (240, 196, 40)
BLUE: Colour = (25, 60, 150)
GREEN: Colour = (20, 90, 50)
RED: Colour = (160, 25, 30)
BLACK: Colour = (15, 15, 15)
LIGHT_BLUE: Colour = (40, 90, 170)
NAVY: Colour = (28, 40, 90)
ORANGE: Colour = (230, 140, 40)
LIGHT_GREY: Colour = (190, 190, 190)
DARK_GREY: Colour = (60, 60, 60)

LATIN = string.ascii_uppercase
DIGITS = string.digits
ARABIC_LETTERS = "ابجدرسصطعفقلمنهوى"
ARABIC_DIGITS = str.maketrans(DIGITS, "٠١٢٣٤٥٦٧٨٩")
EAST_ASIAN = "京沪川品川横浜大阪神戸名古屋福岡"

COUNTRY_CODES = ("D", "F", "RO", "I", "E", "PL", "GB", "NL", "CZ", "B")
BRAZILIAN_CITIES = ("SP-SAO PAULO", "PR-CURITIBA", "RJ-RIO")
MERCOSUR_COUNTRIES = ("BRASIL", "REPUBLICA ARGENTINA", "URUGUAY")
STATE_NAMES_AND_SLOGANS = (
    "CALIFORNIA",
    "TEXAS",
    "FLORIDA",
    "New York",
    "OHIO",
    "Sunshine State",
    "Garden State",
    "ILLINOIS",
    "Georgia",
    "ONTARIO",
    "Virginia",
    "Land of Lincoln",
    "myplate.com",
    "ARIZONA",
    "QUEBEC",
    "Je me souviens",
)


class Decoration(Enum):
    """What a plate carries beside its number."""

    NONE = auto()
    EU_BAND = auto()
    STATE_HEADER = auto()
    CITY_HEADER = auto()
    MERCOSUR_BAND = auto()
    UPPER_THIRD_ROW = auto()
    COLOUR_HEADER = auto()
    REGION_BOX = auto()


@dataclass(frozen=True)
class PlateLayout:
    """One kind of plate."""

    weight: float  # how often it is drawn, relative to the others
    aspect: tuple[float, float]  # width over height, lowest and highest
    patterns: tuple[str, ...]
    colours: tuple[tuple[Colour, Colour], ...]  # background, text
    decoration: Decoration = Decoration.NONE
    enlarged: bool = False  # rendered a quarter larger: two rows or a header need the pixels


LAYOUTS = {
    "european": PlateLayout(
        8,
        (4.2, 4.9),
        (
            "AA 99 AAA",
            "AA-999-AA",
            "AAA 9999",
            "9999 AAA",
            "99-AA-99",
            "A 999 AA",
            "AA AA 999",
            "AA 99999",
            "9A9 9999",
            "AA99 AAA",
            "AAA 999",
        ),
        ((WHITE, BLACK), (WHITE, BLACK), (YELLOW, BLACK), (WHITE, NAVY), (WHITE, GREEN), (WHITE, RED)),
        Decoration.EU_BAND,
    ),
    "european, two rows": PlateLayout(
        1.5,
        (1.3, 1.7),
        ("AA 99|AAA", "AAA|9999", "9999|AAA", "AA|999 AA"),
        ((WHITE, BLACK), (YELLOW, BLACK)),
        Decoration.EU_BAND,
        enlarged=True,
    ),
    "north american": PlateLayout(
        8,
        (1.9, 2.15),
        (
            "AAA 999",
            "AAA 9999",
            "9AAA999",
            "999 AAA",
            "AA 99999",
            "99A 9A9",
            "A99 AAA",
            "9A 9999",
            "999999",
            "AAAA99",
        ),
        (
            (WHITE, NAVY),
            (WHITE, BLACK),
            (WHITE, GREEN),
            (WHITE, RED),
            (YELLOW, NAVY),
            ((200, 220, 240), NAVY),
            (GREEN, WHITE),
            (LIGHT_BLUE, YELLOW),
            ((225, 235, 200), GREEN),
            (NAVY, YELLOW),
            ((240, 225, 190), RED),
            ((170, 200, 225), BLACK),
        ),
        Decoration.STATE_HEADER,
        enlarged=True,
    ),
    "brazilian, before 2018": PlateLayout(
        3,
        (2.9, 3.3),
        ("AAA-9999", "AAA 9999", "AAA9A99"),
        ((LIGHT_GREY, BLACK), (RED, WHITE), (WHITE, BLACK), (LIGHT_GREY, BLACK)),
        Decoration.CITY_HEADER,
    ),
    "mercosur": PlateLayout(
        2,
        (2.9, 3.3),
        ("AAA9A99", "AA 999 AA"),
        ((WHITE, BLACK), (WHITE, RED), (WHITE, BLUE)),
        Decoration.MERCOSUR_BAND,
    ),
    "indian": PlateLayout(
        1.5,
        (3.6, 4.6),
        ("AA 99 AA 9999", "AA99AA9999", "AA 9A AA 9999"),
        ((WHITE, BLACK), (YELLOW, BLACK), (GREEN, WHITE)),
    ),
    "indian, two rows": PlateLayout(
        1.5, (1.4, 1.9), ("AA 99|AA 9999", "AA-99|A 999"), ((WHITE, BLACK), (YELLOW, BLACK)), enlarged=True
    ),
    "chinese": PlateLayout(
        2,
        (3.0, 3.3),
        ("cA·99999", "cA·A9999", "cA·9A99A"),
        ((BLUE, WHITE), (BLUE, WHITE), ((130, 200, 120), BLACK), (YELLOW, BLACK)),
    ),
    "japanese": PlateLayout(
        1.5,
        (1.8, 2.1),
        ("c 999|99-99", "c 599|99-99"),
        ((WHITE, GREEN), (YELLOW, BLACK), (GREEN, WHITE)),
        Decoration.UPPER_THIRD_ROW,
        enlarged=True,
    ),
    "arabic, two rows": PlateLayout(
        1.5,
        (1.5, 2.2),
        ("r r r|9999", "r r|999", "r 99|9999"),
        ((WHITE, BLACK), ((235, 235, 235), BLACK)),
        Decoration.COLOUR_HEADER,
        enlarged=True,
    ),
    "arabic, one row": PlateLayout(
        1.5,
        (4.0, 4.9),
        ("999 r 9999", "9999 r 99", "r 99999"),
        ((WHITE, BLACK), (YELLOW, BLACK), (BLACK, WHITE)),
    ),
    "russian": PlateLayout(
        1, (4.4, 4.8), ("A999AA|99", "A999AA 999"), ((WHITE, BLACK), (YELLOW, BLACK)), Decoration.REGION_BOX
    ),
    "light on dark": PlateLayout(
        2,
        (3.5, 4.9),
        ("AAA 9999", "AA 9999", "A 9999 AA", "AAA 999"),
        ((BLACK, WHITE), ((30, 30, 30), (220, 220, 220)), (BLUE, WHITE), (RED, WHITE)),
    ),
    "australian": PlateLayout(
        1.5,
        (2.6, 2.9),
        ("AAA-999", "999 AAA", "AA 99 AA"),
        ((WHITE, BLACK), (YELLOW, BLACK), (WHITE, BLUE), (BLACK, YELLOW)),
        Decoration.STATE_HEADER,
    ),
}
