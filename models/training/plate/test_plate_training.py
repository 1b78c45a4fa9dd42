"""Tests that need neither photos nor fonts: `python -m unittest` in this folder."""

import pathlib
import tempfile
import unittest

import cv2
import numpy as np
import torch

from damage import damage
from detector import MIN_SCORE, decode, suppress
from export import export, largest_difference
from geometry import random_homography, warp_boxes
from metrics import covered_share, enlarge, score
from model import STRIDES, PlateNet
from paste import paste
from photos import Photo, read_cache, read_dataset, write_cache
from rng import Rng
from targets import BACKGROUND, IGNORED, PLATE, assign, cell_grid
from trainer import PEAK_LEARNING_RATE, learning_rate

SIZE = 320


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


class TargetsTest(unittest.TestCase):
    def test_a_decoded_target_is_the_plate(self) -> None:
        plate = torch.tensor([[100.0, 120.0, 160.0, 136.0]])
        labels, cell_boxes = assign(plate, torch.zeros(0, 4), SIZE)
        grid = cell_grid(SIZE)
        self.assertEqual(len(labels), len(grid))
        outputs: list[list[np.ndarray]] = [[], [], []]
        start = 0
        for stride in STRIDES:
            cells = slice(start, start + (SIZE // stride) ** 2)
            start = cells.stop
            positive = (labels[cells] == PLATE).float()[None, :, None].numpy()
            wanted, edges = cell_boxes[cells], grid[cells, :2]
            centre = ((wanted[:, :2] + wanted[:, 2:]) / 2 - edges) / stride
            size = ((wanted[:, 2:] - wanted[:, :2]).clamp(min=1) / stride).log()
            for kind, values in zip(
                outputs, (positive, positive, torch.cat([centre, size], 1)[None].numpy()), strict=True
            ):
                kind.append(values)
        found, scores = decode([*outputs[0], *outputs[1], *outputs[2]], SIZE)
        kept = suppress(found, scores)
        self.assertEqual(len(kept), 1)
        np.testing.assert_allclose(found[kept], plate.numpy(), atol=1e-3)

    def test_a_width_between_two_strides_is_learned_by_both(self) -> None:
        labels, _ = assign(torch.tensor([[100.0, 100.0, 160.0, 120.0]]), torch.zeros(0, 4), SIZE)
        strides = cell_grid(SIZE)[labels == PLATE, 2]
        self.assertEqual(set(strides.tolist()), {8.0, 16.0})

    def test_ignored_boxes_are_no_background(self) -> None:
        labels, _ = assign(torch.zeros(0, 4), torch.tensor([[0.0, 0.0, 64.0, 64.0]]), SIZE)
        self.assertEqual(set(labels.tolist()), {BACKGROUND, IGNORED})


class MetricsTest(unittest.TestCase):
    def test_coverage_counts_the_union_once(self) -> None:
        plate = np.array([0.0, 0.0, 10.0, 10.0])
        self.assertAlmostEqual(covered_share(plate, boxes((0, 0, 6, 10), (4, 0, 8, 10))), 0.8)
        self.assertEqual(covered_share(plate, boxes((20, 20, 30, 30))), 0)

    def test_enlargement_is_split_between_both_sides(self) -> None:
        np.testing.assert_allclose(enlarge(boxes((0, 0, 100, 50)), 0.1), boxes((-5, -2.5, 105, 52.5)))

    def test_hits_and_false_boxes(self) -> None:
        photo = Photo(np.zeros((100, 200, 3), np.uint8), boxes((10, 10, 50, 20), (100, 50, 140, 60)), "set", "photo")
        found = np.array([[10, 10, 50, 20, 0.9], [150, 80, 190, 90, 0.8], [100, 50, 140, 60, 0.1]], np.float32)
        result = score([photo], [found], 0.5)
        self.assertEqual((result.recall, result.coverage, result.false_boxes), (0.5, (0.5, 0.5), 1))

    def test_no_detection_at_all(self) -> None:
        photo = Photo(np.zeros((100, 200, 3), np.uint8), boxes((10, 10, 50, 20)), "set", "photo")
        result = score([photo], [np.zeros((0, 5), np.float32)], MIN_SCORE)
        self.assertEqual((result.recall, result.coverage, result.false_boxes), (0, (0, 0), 0))


class ChanceTest(unittest.TestCase):
    def test_a_restored_state_repeats_the_damage(self) -> None:
        rng, crop = Rng(3), np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)
        for _ in range(20):
            snapshot = rng.snapshot()
            first = damage(rng, crop)
            rng.restore(snapshot)
            np.testing.assert_array_equal(first, damage(rng, crop))

    def test_warped_boxes_hold_the_warped_corners(self) -> None:
        rng, box = Rng(0), boxes((40, 50, 90, 70))
        for _ in range(50):
            homography = random_homography(rng, SIZE, (60, 60), 1.5)
            corner = cv2.perspectiveTransform(np.array([[[40.0, 70.0]]]), homography)[0, 0]
            x0, y0, x1, y1 = warp_boxes(homography, box)[0]
            self.assertTrue(x0 - 1e-6 <= corner[0] <= x1 + 1e-6 and y0 - 1e-6 <= corner[1] <= y1 + 1e-6)

    def test_pasting_changes_nothing_outside_its_box(self) -> None:
        rng, patch = Rng(0), np.full((20, 80, 3), 250, np.uint8)
        pasted = 0
        for _ in range(100):
            crop = np.zeros((SIZE, SIZE, 3), np.uint8)
            box = paste(rng, crop, patch, None, 60, [np.array([0.0, 0.0, 100.0, 100.0])])
            changed = np.argwhere(crop.any(2))
            if box is None:
                self.assertEqual(len(changed), 0)
                continue
            pasted += 1
            if len(changed):
                self.assertTrue((changed.min(0) >= box[[1, 0]] - 3).all() and (changed.max(0) <= box[[3, 2]] + 3).all())
        self.assertGreater(pasted, 50)


class FilesTest(unittest.TestCase):
    def test_a_set_survives_the_cache(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "some_set"
            (folder / "images").mkdir(parents=True)
            cv2.imwrite(str(folder / "images" / "1.jpg"), np.full((30, 40, 3), 90, np.uint8))
            (folder / "annotations.json").write_text(
                '{"images": [{"id": 7, "file_name": "1.jpg", "width": 40, "height": 30, "video": "v"}],'
                '"annotations": [{"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 10, 5]},'
                '{"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5]}],'
                '"categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "plate"}]}'
            )
            photos = read_dataset(folder)
            cache = pathlib.Path(name) / "cache.npz"
            write_cache(cache, {"train": photos, "validation": []})
            (photo,) = read_cache(cache)["train"]
        np.testing.assert_array_equal(photo.boxes, boxes((1, 2, 11, 7)))
        np.testing.assert_array_equal(photo.image, photos[0].image)
        self.assertEqual((photo.dataset, photo.video), ("some_set", "v"))

    def test_the_export_computes_what_the_network_computes(self) -> None:
        torch.manual_seed(0)
        net = PlateNet()
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "plate.onnx"
            export(net, path)
            self.assertLess(largest_difference(net, path), 1e-3)


class ScheduleTest(unittest.TestCase):
    def test_warm_up_and_end(self) -> None:
        self.assertLess(learning_rate(0, 3386), PEAK_LEARNING_RATE / 100)
        self.assertGreater(learning_rate(150, 3386), 0.98 * PEAK_LEARNING_RATE)
        self.assertAlmostEqual(learning_rate(3386, 3386), 0.02 * PEAK_LEARNING_RATE)


if __name__ == "__main__":
    unittest.main()
