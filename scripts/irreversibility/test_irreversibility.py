"""What can be told in seconds: the formula, the arithmetic, and that one cell of the frame tells nothing at all."""

import unittest
from functools import partial

import numpy as np

import cells
import ideal
import learned
import plate_model as model
from chance import against, by_permutation
from reader import common


def photograph(style: str, count: int, from_frame: bool = True, light: model.Light = model.KNOWN) -> ideal.Photograph:
    return partial(model.photograph, style=style, count=count, light=light, from_frame=from_frame)


class Formula(unittest.TestCase):
    def test_cells_are_averages_of_squares(self) -> None:
        rng = np.random.default_rng(1)
        for width, height, count in ((33, 20, 4), (7, 41, 8), (16, 16, 2), (90, 31, 3)):
            clear = rng.integers(256, size=(height, width, 3), dtype=np.uint8)
            side = cells.cell_px(width, height, "mosaic", count)
            shown = cells.obscured(clear, "mosaic", count)
            for y in range(0, height, side):
                for x in range(0, width, side):
                    mean = clear[y : y + side, x : x + side].reshape(-1, 3).mean(axis=0)
                    expected = np.floor(mean + 1e-9) // cells.STEP * cells.STEP + cells.STEP // 2
                    np.testing.assert_array_equal(shown[y, x], expected)

    def test_a_blur_passes_through_the_colours_at_the_cells_centres(self) -> None:
        clear = np.random.default_rng(2).integers(256, size=(36, 36, 3), dtype=np.uint8)
        blur, mosaic = (cells.obscured(clear, style, 4)[4::9, 4::9] for style in ("blur", "mosaic"))
        np.testing.assert_array_equal(blur, mosaic)

    def test_what_the_frame_holds_does_not_change_the_one_colour(self) -> None:
        rng = np.random.default_rng(3)
        clear = rng.integers(256, size=(48, 130, 3), dtype=np.uint8)
        other = clear.copy()
        other[3:-3, 3:-3] = rng.integers(256, size=other[3:-3, 3:-3].shape)
        for style in ("solid", "mosaic", "blur"):
            np.testing.assert_array_equal(cells.obscured(clear, style, 1), cells.obscured(other, style, 1))


class PlateModel(unittest.TestCase):
    def test_what_cells_average_is_linear_in_the_characters(self) -> None:
        # Drawn pixel by pixel and obscured by the formula, a plate shows what the model says, but for rounding.
        rng = np.random.default_rng(4)
        for count in (1, 4, 8):
            for _ in range(10):
                number = rng.integers(len(model.ALPHABET), size=model.PLACES)
                photo = model.photograph(rng, number, "mosaic", count, model.Light((1, 1), (0, 0), 0))
                fine = [np.append(np.arange(length), length) for length in photo.size]
                across, down = ((fine[axis] - photo.plate[axis]) * model.WIDTH / photo.plate[2] for axis in (0, 1))
                over, under = model.overlaps(across, model.WIDTH), model.overlaps(down, model.HEIGHT)
                pixel = (model.WIDTH / photo.plate[2]) ** 2
                drawn = under @ (model.draw(number) - model.SURROUNDING) @ over.T / pixel + model.SURROUNDING
                grid = cells.colours(np.rint(drawn[..., None] * model.CAST).astype(np.uint8), photo.side)
                same = (np.abs(grid - photo.grid) <= (cells.SOLID_STEP if count == 1 else cells.STEP)).all()
                self.assertTrue(same)
                self.assertGreater((grid == photo.grid).mean(), 0.8)


class Attacks(unittest.TestCase):
    def test_one_cell_of_the_frame_holds_no_evidence_and_the_average_does(self) -> None:
        rng = np.random.default_rng(5)
        for light in (model.KNOWN, model.STREET):
            for from_frame, holds_some in ((True, False), (False, True)):
                number = rng.integers(len(model.ALPHABET), size=model.PLACES)
                quadratic, _ = ideal.evidence(photograph("solid", 1, from_frame, light)(rng, number), light)
                self.assertEqual(bool(np.abs(quadratic).max() > 1e-9), holds_some)

    def test_the_ideal_observer_reads_eight_cells_and_more_from_more_photos(self) -> None:
        hits = ideal.hits(photograph("mosaic", 8), model.KNOWN, [1, 12], 20)
        self.assertGreater(hits[1].mean(), 0.1 * model.PLACES)
        self.assertGreater(hits[12].mean(), 0.9 * model.PLACES)

    def test_the_network_sees_every_place_of_the_plate(self) -> None:
        seen = learned.windows(photograph("mosaic", 26)(np.random.default_rng(6), np.zeros(7, int)), "mosaic")
        self.assertEqual(seen.shape, (model.PLACES, 2 * learned.REACH * learned.SEEN[1] + 6))
        self.assertTrue((seen[:, :-6].std(axis=1) > 0.05).all())

    def test_the_inverse_of_sure_answers_is_the_plate(self) -> None:
        number = np.array([0, 5, 9, 20, 28, 33, 35])
        answers = np.log(np.eye(len(model.ALPHABET))[number] + 1e-9)
        np.testing.assert_allclose(learned.inverse(answers)[..., 0], model.draw(number), atol=2)


class Chance(unittest.TestCase):
    def test_common_characters_keep_their_order(self) -> None:
        self.assertEqual([common("AB12", "AXB2"), common("", "AB"), common("BA", "AB")], [3, 0, 1])

    def test_guessing_is_chance_and_knowing_is_not(self) -> None:
        rng = np.random.default_rng(7)
        sizes = np.full(60, 7)
        guesses = rng.binomial(7, 0.1, size=(60, 60)).astype(float)
        self.assertGreater(by_permutation(guesses, sizes).p, 0.01)
        self.assertLess(by_permutation(guesses + 3 * np.eye(60), sizes).p, 0.01)
        self.assertGreater(against(1 / 36, rng.binomial(7, 1 / 36, 300), 7).p, 0.01)
        self.assertLess(against(1 / 36, rng.binomial(7, 0.1, 300), 7).p, 0.01)


if __name__ == "__main__":
    unittest.main()
