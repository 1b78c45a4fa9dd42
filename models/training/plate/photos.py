"""Photos with plate boxes: read from COCO sets, kept in one cache file for training.

A set is a folder with `images/` and, unless it is one without plates, `annotations.json` (COCO). The cache is a NumPy
archive: one array a photo and an index, all plain data, nothing pickled.
"""

import json
import pathlib
from dataclasses import dataclass

import cv2
import numpy as np

PLATE_CATEGORY = "plate"


@dataclass
class Photo:
    """A photo and its plates."""

    image: np.ndarray  # uint8 [height, width, 3], BGR
    boxes: np.ndarray  # float32 [plates, 4], x0 y0 x1 y1 in pixels of `image`
    dataset: str
    name: str
    video: str | None = None


def read_image(path: pathlib.Path) -> np.ndarray:
    """uint8 [height, width, 3], BGR. The bytes decide the format, not the name."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"`{path}` is not an image that can be decoded")
    return image


def shrink(photo: Photo, max_side: int) -> Photo:
    """The photo with its longer side at most `max_side` pixels."""
    ratio = min(1.0, max_side / max(photo.image.shape[:2]))
    if ratio < 1:
        photo.image = cv2.resize(photo.image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        photo.boxes = photo.boxes * np.float32(ratio)
    return photo


def read_dataset(folder: pathlib.Path) -> list[Photo]:
    """Every photo of a COCO set, in the order of its annotation file (or of its names, where it has none)."""
    annotations = folder / "annotations.json"
    if not annotations.exists():
        paths = sorted((folder / "images").iterdir())
        return [Photo(read_image(path), np.zeros((0, 4), np.float32), folder.name, path.name) for path in paths]
    coco = json.loads(annotations.read_text(encoding="utf-8"))
    boxes = _boxes_by_image(coco)
    return [_read_photo(folder, entry, boxes.get(entry["id"], [])) for entry in coco["images"]]


def _boxes_by_image(coco: dict) -> dict[int, list[list[float]]]:
    """Image id -> plate boxes as x0 y0 x1 y1."""
    plate_ids = {category["id"] for category in coco["categories"] if category["name"] == PLATE_CATEGORY}
    boxes: dict[int, list[list[float]]] = {}
    for annotation in coco["annotations"]:
        if annotation["category_id"] in plate_ids:
            x, y, width, height = annotation["bbox"]
            if width <= 0 or height <= 0:
                raise ValueError(f"annotation {annotation['id']}: box `{annotation['bbox']}` is empty")
            boxes.setdefault(annotation["image_id"], []).append([x, y, x + width, y + height])
    return boxes


def _read_photo(folder: pathlib.Path, entry: dict, boxes: list[list[float]]) -> Photo:
    image = read_image(folder / "images" / pathlib.PurePath(entry["file_name"]).name)
    found, expected = image.shape[:2], (entry["height"], entry["width"])
    if found != expected:
        # Boxes belong to one pixel grid: a photo of another size would be trained on with wrong ones.
        raise ValueError(f"{folder.name}/{entry['file_name']}: expected {expected} pixels (h, w), found {found}")
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Photo(image, array, folder.name, entry["file_name"], entry.get("video"))


def write_cache(path: pathlib.Path, splits: dict[str, list[Photo]]) -> None:
    """Write every split (`train`, `validation`) to one file."""
    arrays: dict[str, np.ndarray] = {}
    index: dict[str, list[dict]] = {}
    for split, photos in splits.items():
        index[split] = []
        for photo in photos:
            key = f"photo_{len(arrays):05d}"
            arrays[key] = photo.image
            entry = {"key": key, "dataset": photo.dataset, "name": photo.name, "video": photo.video}
            index[split].append(entry | {"boxes": photo.boxes.tolist()})
    with path.open("wb") as file:
        np.savez(file, index=np.array(json.dumps(index)), **arrays)


def read_cache(path: pathlib.Path) -> dict[str, list[Photo]]:
    """What `write_cache` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        index = json.loads(str(archive["index"]))
        return {
            split: [
                Photo(
                    archive[entry["key"]],
                    np.array(entry["boxes"], np.float32).reshape(-1, 4),
                    entry["dataset"],
                    entry["name"],
                    entry["video"],
                )
                for entry in entries
            ]
            for split, entries in index.items()
        }
