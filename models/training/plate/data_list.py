"""Reads `data_list.toml`: which photos are for what, and which of them are held out."""

import pathlib
import tomllib

from photos import Photo

DATA_LIST = pathlib.Path(__file__).with_name("data_list.toml")


def read_data_list() -> list[dict]:
    """The entries of the list, in its order."""
    return tomllib.loads(DATA_LIST.read_text(encoding="utf-8"))["dataset"]


def split_held_out(photos: list[Photo], listed: dict) -> tuple[list[Photo], list[Photo]]:
    """The photos of a set that serve its use, and those held out of training to be measured on."""
    every = listed.get("hold_out_every")
    if every is None:
        return photos, []
    held_out = sorted(photos, key=lambda photo: photo.name)[every - 1 :: every]
    names = {photo.name for photo in held_out}
    return [photo for photo in photos if photo.name not in names], held_out
