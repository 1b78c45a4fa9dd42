"""Tests that need neither photos nor fonts: `python -m unittest` in this folder."""

import pathlib
import tempfile
import unittest

import cv2
import numpy as np
import onnx
import onnxruntime
import torch

import checkpoint
from adjust_scores import shift_scores
from damage import damage
from data_list import split_held_out
from detector import MIN_SCORE, decode, suppress
from export import OUTPUTS, export, largest_difference
from geometry import random_crop, random_homography, random_view, warp_boxes
from harder import at_night, drawn_out, turned
from metrics import covered_share, enlarge, score
from mining import sort_finds
from model import STRIDES, PlateNet
from paste import paste, replace
from photo_pool import PhotoPool, PooledPhoto
from photos import Photo, read_cache, read_dataset, write_cache
from recipe import Recipe
from rng import Rng
from start_weights import calibrate_norms, load_detector
from targets import BACKGROUND, IGNORED, PLATE, assign, cell_grid
from trainer import learning_rate

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

    def test_far_widths_are_background_where_asked_for(self) -> None:
        grid, small, large = cell_grid(SIZE), [150.0, 150.0, 170.0, 156.0], [40.0, 100.0, 280.0, 160.0]
        for plate, stride in ((small, 32), (large, 8)):
            wanted = torch.tensor([plate])
            of_stride = grid[:, 2] == stride
            ignored, _ = assign(wanted, torch.zeros(0, 4), SIZE)
            self.assertIn(IGNORED, ignored[of_stride])
            labels, _ = assign(wanted, torch.zeros(0, 4), SIZE, background_beyond=1.6)
            self.assertEqual(set(labels[of_stride].tolist()), {BACKGROUND})
            self.assertIn(PLATE, labels)

    def test_ignored_boxes_are_no_background(self) -> None:
        labels, _ = assign(torch.zeros(0, 4), torch.tensor([[0.0, 0.0, 64.0, 64.0]]), SIZE)
        self.assertEqual(set(labels.tolist()), {BACKGROUND, IGNORED})


class MetricsTest(unittest.TestCase):
    def test_coverage_counts_the_union_once(self) -> None:
        plate = np.array([0.0, 0.0, 10.0, 10.0])
        self.assertAlmostEqual(covered_share(plate, boxes((0, 0, 6, 10), (4, 0, 8, 10))), 0.8)
        self.assertEqual(covered_share(plate, boxes((20, 20, 30, 30))), 0)

    def test_enlargement_is_split_between_both_sides(self) -> None:
        np.testing.assert_allclose(enlarge(boxes((0, 0, 100, 50)), (0.1, 0.2)), boxes((-5, -5, 105, 55)))

    def test_hits_and_false_boxes(self) -> None:
        photo = Photo(np.zeros((100, 200, 3), np.uint8), boxes((10, 10, 50, 20), (100, 50, 140, 60)), "set", "photo")
        found = np.array([[10, 10, 50, 20, 0.9], [150, 80, 190, 90, 0.8], [100, 50, 140, 60, 0.1]], np.float32)
        result = score([photo], [found], 0.5)
        self.assertEqual((result.recall, result.coverage), (0.5, (0.5, 0.5, 0.5)))
        self.assertEqual(result.false_boxes_per_photo, 1)
        self.assertAlmostEqual(result.area_ratio, 1)

    def test_no_detection_at_all(self) -> None:
        photo = Photo(np.zeros((100, 200, 3), np.uint8), boxes((10, 10, 50, 20)), "set", "photo")
        result = score([photo], [np.zeros((0, 5), np.float32)], MIN_SCORE)
        self.assertEqual((result.recall, result.coverage, result.false_boxes_per_photo), (0, (0, 0, 0), 0))
        self.assertEqual(result.area_ratio, 0)

    def test_an_interval_holds_the_figure_and_is_the_same_again(self) -> None:
        photo = Photo(np.zeros((100, 200, 3), np.uint8), boxes((10, 10, 50, 20)), "set", "photo")
        hit, missed = np.array([[10, 10, 50, 20, 0.9]], np.float32), np.zeros((0, 5), np.float32)
        result = score([photo] * 20, [hit, missed] * 10, 0.5)
        low, high = result.interval(lambda some: some.recall)
        self.assertTrue(0.2 < low < result.recall < high < 0.8)
        self.assertEqual((low, high), result.interval(lambda some: some.recall))


class FixedMiner:
    """Finds the same in every photo."""

    def mine(self, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
        del photo
        return boxes((100, 100, 140, 112)), boxes((104, 150, 144, 162))


class MiningTest(unittest.TestCase):
    """Finds that touch no label become hard negatives, or are ignored where plates may lack a label."""

    found = np.array([[0, 0, 9, 9, 0.9], [20, 20, 40, 30, 0.8], [60, 0, 80, 9, 0.4], [0, 60, 9, 70, 0.1]], np.float32)

    def finds(self, dataset: str) -> tuple[np.ndarray, np.ndarray]:
        return sort_finds(self.found, Photo(np.zeros((100, 100, 3), np.uint8), boxes((5, 5, 15, 15)), dataset, "a"))

    def test_by_set(self) -> None:
        sure, half_sure = self.found[1:2, :4], self.found[2:3, :4]
        nothing = boxes()
        for dataset, unsure, mistaken in (
            ("plates_dashcam_train", self.found[1:3, :4], nothing),
            ("plates_web_train", sure, half_sure),
            ("no_plates", nothing, self.found[1:3, :4]),
        ):
            with self.subTest(dataset):
                found_unsure, found_mistaken = self.finds(dataset)
                np.testing.assert_array_equal(found_unsure, unsure)
                np.testing.assert_array_equal(found_mistaken, mistaken)

    def test_what_is_narrow_is_no_lesson(self) -> None:
        found = np.array([[60, 60, 75, 66, 0.3]], np.float32)
        for dataset, unsure in (("plates_web_train", 1), ("no_plates", 0)):
            photo = Photo(np.zeros((100, 100, 3), np.uint8), boxes(), dataset, "a")
            with self.subTest(dataset):
                self.assertEqual([len(each) for each in sort_finds(found, photo)], [unsure, 0])

    def test_a_view_of_a_mistake_shows_it(self) -> None:
        rng, mistaken = Rng(0), np.array([300.0, 200.0, 340.0, 220.0], np.float32)
        image = np.zeros((480, 640, 3), np.uint8)
        photo = PooledPhoto(image, boxes(), [image], [], boxes(), mistaken[None])
        for _ in range(100):
            centre, scale = random_view(rng, SIZE, (9, 200), photo, mistaken)
            self.assertLessEqual(40 * scale, 200 + 1e-6)
            middle = (mistaken[:2] + mistaken[2:]) / 2
            self.assertTrue((np.abs(middle - centre) * scale < SIZE * 0.6).all())

    def test_crops_round_mistakes_know_what_may_be_a_plate(self) -> None:
        photo = Photo(np.full((240, 320, 3), 80, np.uint8), boxes((10, 10, 50, 22)), "plates_web_train", "a")
        empty = Photo(np.full((240, 320, 3), 90, np.uint8), boxes(), "no_plates", "b")
        pool = PhotoPool([(1.0, [photo])], [empty])
        pool.learn_finds([pool.mine(FixedMiner(), part, 3) for part in range(3)])
        rng = Rng(0)
        for _ in range(20):
            drawn, mistaken = pool.draw_mistaken(rng)
            view = random_view(rng, 128, (9, 200), drawn, mistaken)
            crop, homography = random_crop(rng, 128, pool, drawn, view)
            unsure = warp_boxes(homography, drawn.unsure)
            self.assertEqual((crop.shape, unsure.shape), ((128, 128, 3), (1, 4)))

    def test_every_photo_gets_its_own_finds(self) -> None:
        class Miner:
            def mine(self, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
                return boxes(), boxes((int(photo.name), 0, 50, 10))

        photos = [Photo(np.zeros((80, 80, 3), np.uint8), boxes((0, 0, 40, 12)), "set", str(n)) for n in range(5)]
        pool = PhotoPool([(1.0, photos[:4])], photos[4:])
        pool.learn_finds([pool.mine(Miner(), part, 2) for part in range(2)])
        for photo in pool.with_mistakes:
            self.assertEqual(photo.mistaken[0, 0], int(photo.source.name))
        self.assertEqual(len(pool.with_mistakes), 5)


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

    def test_a_replaced_plate_is_covered_whole(self) -> None:
        rng, place = Rng(0), np.array([100, 120, 180, 140], np.float32)
        patch = np.full((20, 80, 3), 250, np.uint8)
        for _ in range(50):
            homography = random_homography(rng, SIZE, (140, 130), 1.2, is_squashed=True)
            crop = np.zeros((SIZE, SIZE, 3), np.uint8)
            box = replace(rng, crop, patch, place, homography)
            old = warp_boxes(homography, place[None])[0]
            self.assertTrue((box[:2] <= old[:2] + 1).all() and (box[2:] >= old[2:] - 1).all())
            self.assertTrue(crop.any())
        self.assertIsNone(replace(rng, crop, np.full((80, 20, 3), 250, np.uint8), place, np.eye(3)))


class HarderTest(unittest.TestCase):
    """Photos made harder keep their boxes where their plates are."""

    def test_boxes_follow(self) -> None:
        image = np.zeros((120, 160, 3), np.uint8)
        image[50:60, 70:110] = 255
        photo = Photo(image, boxes((70, 50, 110, 60)), "set", "a")
        for change in (drawn_out(1.5), turned(12), at_night):
            changed = change(photo, 0)
            y, x = np.nonzero(changed.image.max(2) > changed.image.max() / 2)
            found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
            np.testing.assert_allclose(changed.boxes[0], found, atol=2)


class HoldOutTest(unittest.TestCase):
    def test_every_second_photo_by_name_is_held_out(self) -> None:
        photos = [Photo(np.zeros((2, 2, 3), np.uint8), boxes(), "no_plates", name) for name in "ebacd"]
        kept, held_out = split_held_out(photos, {"hold_out_every": 2})
        self.assertEqual([photo.name for photo in kept], ["e", "a", "c"])
        self.assertEqual([photo.name for photo in held_out], ["b", "d"])
        self.assertEqual(split_held_out(photos, {}), (photos, []))


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

    def test_scores_shift_by_stride_and_boxes_stay(self) -> None:
        torch.manual_seed(0)
        image = np.random.RandomState(0).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "plate.onnx"
            net = PlateNet()
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.02)
            export(net, path)
            model = onnx.load(str(path))
            shift_scores(model, (0.0, -0.2, -0.4))
            before, after = (
                onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]).run(OUTPUTS, {"input": image})
                for each in (str(path), model.SerializeToString())
            )
        for output, old, new in zip(OUTPUTS, before, after, strict=True):
            kind, stride = output.split("_")
            if kind == "bbox":
                np.testing.assert_array_equal(new, old)
                continue
            logits = [np.log(scores / (1 - scores)) for scores in (old, new)]
            expected = {"8": 0.0, "16": -0.2, "32": -0.4}[stride]
            np.testing.assert_allclose(logits[1] - logits[0], expected, atol=1e-3)

    def test_training_goes_on_from_what_a_detector_computes(self) -> None:
        torch.manual_seed(0)
        net, further = PlateNet(), PlateNet()
        images = torch.rand(2, 3, 64, 96) * 255
        net.train()
        with torch.no_grad():
            for parameter in net.parameters():
                # The exporter stores equal weights once; no trained network has any.
                parameter.add_(torch.randn_like(parameter) * 0.02)
            for _ in range(5):
                net(images)
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "plate.onnx"
            export(net, path)
            norms = load_detector(further, path)
        calibrate_norms(further, images, norms)
        with torch.no_grad():
            for wanted, found in zip(net.eval()(images), further.eval()(images), strict=True):
                torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)

    def test_a_run_goes_on_with_its_own_settings_only(self) -> None:
        settings = {"steps": 100, "seed": 0, "recipe": {"crop_sizes": (320,)}}
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            checkpoint.save(folder, {"settings": settings, "step": 40})
            self.assertEqual(checkpoint.load(folder, settings)["step"], 40)
            with self.assertRaisesRegex(ValueError, "`steps` was 100, is 60"):
                checkpoint.load(folder, settings | {"steps": 60})
            self.assertEqual(checkpoint.load(folder, settings | {"steps": 60}, ("steps",))["step"], 40)
            with self.assertRaisesRegex(ValueError, "crop_sizes"):
                checkpoint.load(folder, settings | {"recipe": {"crop_sizes": (384,)}}, ("steps",))

    def test_another_network_is_no_start(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "other.onnx"
            torch.onnx.export(
                torch.nn.Conv2d(3, 8, 3), (torch.zeros(1, 3, 8, 8),), str(path), opset_version=13, dynamo=False
            )
            with self.assertRaisesRegex(ValueError, "plate detector"):
                load_detector(PlateNet(), path)


class ScheduleTest(unittest.TestCase):
    def test_larger_crops_come_in_smaller_batches(self) -> None:
        recipe = Recipe(crop_sizes=(320, 640), max_plate_width=200)
        self.assertEqual([recipe.crop_size(step) for step in range(4)], [320, 640, 320, 640])
        self.assertEqual([recipe.batch(step, 10) for step in range(2)], [10, 3])
        self.assertEqual(recipe.widest(640), 400)

    def test_warm_up_and_end(self) -> None:
        recipe = Recipe(peak_learning_rate=2e-3, warm_up_steps=150)
        self.assertLess(learning_rate(0, 3386, recipe), 2e-5)
        self.assertGreater(learning_rate(150, 3386, recipe), 0.98 * 2e-3)
        self.assertAlmostEqual(learning_rate(3386, 3386, recipe), 0.02 * 2e-3)


if __name__ == "__main__":
    unittest.main()
