"""All attacks on plates whose numbers are known: every style and strength, one photo and many."""

from functools import partial

import ideal
import learned
import plate_model as model
from chance import against
from reader import Reader

CHANCE = 1 / len(model.ALPHABET)
LIGHTS = {"known": model.KNOWN, "street": model.STREET}
# Style, cells, whether a single cell is the region's frame, photos, plates. A blur shows the colours of its cells at
# their centres, so to who computes it carries what the mosaic carries: the ideal observer is told the cells.
IDEAL = [
    ("solid", 1, True, [1, 16, 64], 1000),
    ("solid", 1, False, [1, 16, 64], 1000),
    ("mosaic", 2, True, [1, 16], 300),
    ("mosaic", 3, True, [1, 16], 200),
    ("mosaic", 4, True, [1, 16], 200),
    ("mosaic", 8, True, [1, 16], 100),
    ("mosaic", 26, True, [1], 50),
]
LEARNED = [("solid", 1), ("mosaic", 2), ("blur", 2), ("mosaic", 4), ("blur", 4), ("mosaic", 8), ("blur", 8)]
LEARNED += [("mosaic", 26), ("blur", 26)]
# Where little is named, more plates are needed to tell it from nothing.
TESTED, TESTED_OF_ONE_CELL = 400, 2000


def by_ideal_observer() -> list[dict]:
    """A row of figures for each light, strength and number of photos."""
    rows = []
    for name, light in LIGHTS.items():
        for style, count, from_frame, photos, plates in IDEAL:
            photograph = partial(model.photograph, style=style, count=count, light=light, from_frame=from_frame)
            for taken, hits in ideal.hits(photograph, light, photos, plates).items():
                row = {"light": name, "style": style, "cells": count, "from_frame": from_frame, "photos": taken}
                rows.append(row | against(CHANCE, hits, model.PLACES).to_json())
    return rows


def by_network() -> list[dict]:
    """A row of figures for each style, strength, number of photos and way of reading."""
    reader = Reader()
    rows = []
    for style, count in LEARNED:
        photograph = partial(model.photograph, style=style, count=count, light=model.STREET)
        tested = TESTED_OF_ONE_CELL if count == 1 else TESTED
        for way, figures in learned.attack(photograph, style, reader, tested).items():
            for taken, figure in figures.items():
                row = {"style": style, "cells": count, "way": way, "photos": taken}
                rows.append(row | figure.to_json())
    return rows
