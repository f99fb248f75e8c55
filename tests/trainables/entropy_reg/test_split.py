"""Windows of images with the fixations inside, and what is said of a split."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny_gaze import stimuli
from trainables.entropy_reg.scanpaths import Fixations
from trainables.entropy_reg.split import Stimuli, cell_grid
from trainables.settings import UsageError

HALF = [(0, 0), (0, 32), (24, 0), (24, 32)]  # top and left of the windows of 24 × 32 in images of 48 × 64


def at(*points: tuple[float, float]) -> Fixations:
    """Fixations, each after one at (1, 2) and none before."""
    history = np.full((len(points), 4, 2), np.nan, np.float32)
    history[:, 0] = (1, 2)
    return Fixations(np.array(points, np.float32).reshape(-1, 2), history)


def four(*seen: Fixations) -> Stimuli:
    output = stimuli([(48, 64)] * len(seen))
    truth = [np.arange(12 * 16, dtype=np.float64).reshape(12, 16)] * len(seen)
    return replace(output, fixations=list(seen), truth=truth)


def test_windows_lie_in_the_four_corners_in_turn():
    full = at(*[(x, y) for x in (5, 40) for y in (5, 40)])
    uncropped = four(*[full] * 6)
    cut = uncropped.crop(0.5)
    for index, (top, left) in enumerate([*HALF, *HALF[:2]]):
        np.testing.assert_array_equal(cut.pixels[index], uncropped.pixels[index][top : top + 24, left : left + 32])
        expected = uncropped.truth[index][top // 4 : top // 4 + 6, left // 4 : left // 4 + 8]
        np.testing.assert_array_equal(cut.truth[index], expected)
        # in pixels: of the four fixations, one for each corner, one is in the window
        inside = [(x - left, y - top) for x, y in full.points.tolist() if left <= x < left + 32 and top <= y < top + 24]
        assert cut.fixations[index].points.tolist() == [list(item) for item in inside]
        assert len(inside) == 1


def test_fixations_and_histories_move_with_the_window_and_what_lies_outside_is_not_scored():
    cut = four(at((5, 5), (31.5, 23.5), (32, 5), (5, 24)), at((63, 3), (31.9, 3))).crop(0.5)
    assert cut.fixations[0].points.tolist() == [[5, 5], [31.5, 23.5]]
    assert cut.fixations[1].points.tolist() == [[31, 3]]
    assert cut.fixations[1].history[0, 0].tolist() == [1 - 32, 2]  # the eye was left of the window
    assert np.isnan(cut.fixations[1].history[0, 1:]).all()


def test_an_image_without_a_fixation_in_its_window_is_left_out_and_the_others_keep_their_corners():
    uncropped = four(at((40, 40)), at((40, 5)), at((5, 40)))
    cut = uncropped.crop(0.5)
    assert cut.names == uncropped.names[1:]
    np.testing.assert_array_equal(cut.pixels[1], uncropped.pixels[2][24:, :32])
    with pytest.raises(UsageError, match=r"data\.crop=0\.5 leaves no fixation in any of 1 images"):
        four(at((40, 40))).crop(0.5)


def test_windows_of_other_images_have_another_key():
    """Viewers decide which images are left out, and are no part of the key of synthetic images."""
    one, other = four(at((40, 40)), at((40, 5))), four(at((5, 5)), at((40, 5)))
    assert one.key == other.key
    assert one.crop(0.5).key != other.crop(0.5).key
    assert one.crop(0.5).key != one.crop(0.6).key
    assert other.crop(0.5).key == four(at((6, 5)), at((41, 5))).crop(0.5).key


@pytest.mark.parametrize("share", [0.3, 0.5, 0.77, 0.99])
@pytest.mark.parametrize("shape", [(48, 64), (64, 48), (100, 128)])
def test_windows_are_of_whole_cells(share, shape):
    output = stimuli([shape] * 4, viewers=30)
    cut = output.crop(share)
    assert len(cut) == 4
    for pixels, inputs in zip(cut.pixels, cut.fixations, strict=True):
        height, width = pixels.shape[:2]
        assert height % 4 == width % 4 == 0
        assert shape[0] * share - 4 < height <= shape[0] * share
        assert (inputs.points >= 0).all()
        assert (inputs.points < (width, height)).all()


def test_a_share_of_one_is_the_same_images():
    output = stimuli()
    assert output.crop(1.0) is output


def test_shapes_cells_and_the_usual_one():
    output = stimuli([(48, 64), (64, 48), (64, 48), (48, 48)])
    assert output.shapes == [(48, 64), (64, 48), (64, 48), (48, 48)]
    assert output.usual_shape == (64, 48)
    assert cell_grid((48, 64)) == (12, 16)


def test_what_is_said_of_a_split_changes_with_its_images_key_names_and_fixations():
    output = stimuli()
    text = output.describe()
    assert (text["images"], text["fixations"]) == (3, 36)
    assert "left_out" not in text
    assert replace(output, bad=(("a.png", "broken"),)).describe()["left_out"] == 1
    fewer = [output.fixations[0].select(np.arange(11)), *output.fixations[1:]]
    rest = [
        replace(output, key=("others",)),
        replace(output, names=["other", *output.names[1:]]),
        replace(output, fixations=fewer),
    ]
    assert len({item.describe()["fingerprint"] for item in (output, stimuli(), *rest)}) == 4
