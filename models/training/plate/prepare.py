#!/usr/bin/env python3
"""Read the training and validation photos named in `data_list.toml` and write them to one cache file.

    python prepare.py --data FOLDER_OF_SETS --out photos.npz

Photos are shrunk to at most 1280 pixels; those that the list holds out are left out. The run stops where a set does not
hold the photos and boxes that the list states, or where a video has frames on both sides of the split.
"""

import argparse
import pathlib
import sys

import cv2

from data_list import read_data_list, split_held_out
from photos import Photo, read_dataset, shrink, write_cache

MAX_SIDE = 1280
SPLITS = ("train", "validation")


def read_listed_set(root: pathlib.Path, listed: dict, with_held_out: bool) -> list[Photo]:
    """The photos of one set, checked against its entry in the list; without those it holds out, unless asked for."""
    photos = [shrink(photo, MAX_SIDE) for photo in read_dataset(root / listed["name"])]
    found = (len(photos), sum(len(photo.boxes) for photo in photos))
    expected = (listed["photos"], listed["boxes"])
    if found != expected:
        sys.exit(f"`{listed['name']}`: expected {expected} photos and boxes, found {found}")
    kept, held_out = split_held_out(photos, listed)
    if with_held_out:
        kept, held_out = photos, []
    plates = sum(len(photo.boxes) for photo in kept)
    print(f"{listed['name']}: {len(kept)} photos, {plates} plates, for {listed['use']}; {len(held_out)} held out")
    return kept


def check_videos(splits: dict[str, list[Photo]]) -> None:
    """Frames of one video look alike: one on each side of the split would flatter the figures."""
    videos = [{photo.video for photo in splits[split] if photo.video} for split in SPLITS]
    shared = set.intersection(*videos)
    if shared:
        sys.exit(f"videos both trained on and validated on: {sorted(shared)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder that holds one folder a set")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="cache file to write")
    parser.add_argument(
        "--with-held-out", action="store_true", help="also take the photos held out, which the first stage trained on"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    splits: dict[str, list[Photo]] = {split: [] for split in SPLITS}
    for listed in read_data_list():
        if listed["use"] in splits:
            splits[listed["use"]] += read_listed_set(arguments.data, listed, arguments.with_held_out)
    check_videos(splits)
    write_cache(arguments.out, splits)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
