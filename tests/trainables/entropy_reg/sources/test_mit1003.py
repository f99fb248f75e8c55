"""MIT1003's files: fixations in raw gaze, the forced first one, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from tests.support.gaze_recordings import HEIGHT, MIDDLE, POINTS, WIDTH, simulate_gaze, write_gaze, write_picture
from trainables.entropy_reg.config import Data
from trainables.entropy_reg.sources.mit1003 import detect_fixations, list_images
from trainables.settings import UsageError


@pytest.fixture
def small(tmp_path):
    """Write two images and two subjects, and the other files of the published folders."""
    for stem in ("i2", "i10"):
        write_picture(tmp_path, stem)
        for subject in ("ajs", "CNG"):
            write_gaze(tmp_path, subject, stem, simulate_gaze())
    savemat(tmp_path / "DATA" / "ajs_shuff_stimnames.mat", {"shuff_stimnames": 1})
    (tmp_path / "DATA" / ".svn").mkdir()
    return tmp_path


def read(root: Path):
    return list_images(Data(source="mit1003", root=str(root)))


def path_of(root: Path, gaze) -> list[list[float]]:
    """Write an image with one subject; its scanpath."""
    write_picture(root, "own")
    write_gaze(root, "one", "own", gaze)
    (only,) = read(root)
    return only.scanpaths[0].tolist()


# fixations in gaze


def test_a_fixation_is_where_gaze_rests_between_saccades():
    np.testing.assert_allclose(detect_fixations(simulate_gaze()), POINTS, atol=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_the_tracker_makes_no_saccades(seed):
    found = detect_fixations(simulate_gaze(noise=0.3, seed=seed))
    np.testing.assert_allclose(found, POINTS, atol=1)


def test_fixations_follow_gaze_that_is_moved_or_mirrored():
    gaze = simulate_gaze(noise=0.3)
    moved = np.array([7, -900])
    np.testing.assert_allclose(detect_fixations(gaze + moved), detect_fixations(gaze) + moved)
    np.testing.assert_allclose(detect_fixations(gaze[:, ::-1]), detect_fixations(gaze)[:, ::-1])


def test_a_fixation_is_the_median_of_its_samples_in_x_and_in_y():
    gaze = simulate_gaze([[100.0, 100.0], [400.0, 300.0]], samples=101)
    gaze[:60] += [[0.001, -0.002]]
    gaze[60:80] += 0.004
    assert detect_fixations(gaze)[0].tolist() == [100.001, 99.998]


@pytest.mark.parametrize(
    "gaze",
    [simulate_gaze(POINTS[:1]), simulate_gaze(POINTS[:1], samples=3), simulate_gaze([[5, 5], [9, 5]], flight=40)],
)
def test_gaze_without_a_saccade_is_one_fixation(gaze):
    np.testing.assert_array_equal(detect_fixations(gaze), [np.median(gaze, axis=0)])


# The limits below are those of the published marking: done with pencil, or by its steps one after the other.


@pytest.mark.parametrize(("step", "fixations"), [(4.5, 1), (4.6, 2)])
def test_a_saccade_is_three_samples_in_which_speed_rises_by_204_pixels_per_second(step, fixations):
    steps = np.concatenate([np.zeros(40), np.full(8, step), np.zeros(60)])
    # smoothed over 4 samples, speed rises in 5 samples by ¾ step at least in four of them, by a whole step in two
    x = np.cumsum(steps)
    assert (0.75 * step * 60 > 204) == (fixations == 2)
    assert len(detect_fixations(np.stack([x, 0 * x], axis=1))) == fixations


def test_a_rest_of_50_ms_belongs_to_the_saccades_around_it():
    def found(samples: int) -> int:
        before, after = simulate_gaze(POINTS[:2])[:-60], simulate_gaze(POINTS[1:3])[60:]
        return len(detect_fixations(np.concatenate([before, np.repeat([POINTS[1]], samples, axis=0), after])))

    assert [found(samples + 60) for samples in range(3)] == [3, 3, 3]
    assert [found(samples) for samples in range(85)] == [2] * 21 + [3] * 64


def test_what_speeds_up_and_does_not_slow_down_soon_is_no_saccade():
    def found(glide: int) -> int:
        steps = np.concatenate([np.zeros(40), np.linspace(2, 12, 6), np.full(glide, 12), np.zeros(60)])
        x = 480 + np.cumsum(steps)
        return len(detect_fixations(np.concatenate([simulate_gaze(), np.stack([x, 0 * x + 480], axis=1)])))

    assert [found(glide) for glide in range(45)] == [6] * 23 + [5] * 22


def test_a_recording_may_end_within_its_only_saccade():
    step = np.concatenate([np.zeros(40), np.cumsum(np.arange(12) * 6.0)])
    gaze = 100 + np.stack([step, step], axis=1)
    np.testing.assert_array_equal(detect_fixations(gaze), [[100, 100]])


def test_a_last_rest_that_is_too_short_is_no_fixation():
    gaze = simulate_gaze(POINTS[:3])
    assert [len(detect_fixations(gaze[: len(gaze) - cut])) for cut in range(60)] == [3] * 44 + [2] * 16


def test_lost_samples_belong_to_no_median():
    gaze = simulate_gaze()
    gaze[20:25] = np.nan
    np.testing.assert_allclose(detect_fixations(gaze), POINTS, atol=0.5)


@pytest.mark.parametrize("samples", range(1, 12))
def test_a_handful_of_samples_is_one_fixation(samples):
    assert detect_fixations(np.ones((samples, 2))).tolist() == [[1, 1]]
    assert detect_fixations(np.empty((0, 2))).shape == (0, 2)


# scanpaths


def test_images_come_by_name_with_a_scanpath_of_each_subject(small):
    write_gaze(small, "ajs", "i2", simulate_gaze(POINTS[:2]))
    first, second = read(small)
    assert (first.name, second.name) == ("i10.jpeg", "i2.jpeg")
    assert second.file == small / "ALLSTIMULI" / "i2.jpeg"
    assert second.size is None
    assert [len(path) for path in second.scanpaths] == [4, 2]  # CNG before ajs
    assert second.scanpaths[0].dtype == np.float32
    np.testing.assert_allclose(second.scanpaths[0], POINTS, atol=0.5)


def test_a_name_longer_than_matlab_allows_is_read(tmp_path):
    stem = "istatic_" + "x" * 80
    write_picture(tmp_path, stem)
    write_gaze(tmp_path, "one", stem, simulate_gaze())
    assert read(tmp_path)[0].name == f"{stem}.jpeg"


def test_a_fixation_outside_the_image_is_in_no_scanpath(tmp_path):
    outside = [[-60.0, 300.0], [300.0, -60.0], [WIDTH + 5.0, 9.0], [9.0, HEIGHT + 5.0]]
    for each in outside:
        found = path_of(tmp_path, simulate_gaze([MIDDLE, POINTS[1], each, POINTS[2]]))
        np.testing.assert_allclose(found, [MIDDLE, POINTS[1], POINTS[2]], atol=0.5)


def test_a_first_fixation_outside_the_image_is_replaced_by_its_middle(tmp_path):
    found = path_of(tmp_path, simulate_gaze([[-200.0, -200.0], [-50.0, 300.0], *POINTS[1:]]))
    assert found[0] == MIDDLE
    np.testing.assert_allclose(found[1:], POINTS[1:], atol=0.5)


def test_the_middle_is_that_of_the_image(tmp_path):
    write_picture(tmp_path, "tall", (300, 800))
    write_gaze(tmp_path, "one", "tall", simulate_gaze([[-200.0, -200.0], [100.0, 700.0]]))
    assert read(tmp_path)[0].scanpaths[0][0].tolist() == [150.0, 400.0]


def test_what_no_subject_fixated_is_left_out(small):
    write_gaze(small, "ajs", "i2", simulate_gaze([[-10, -10], [-400, -10]]))
    assert [len(each.scanpaths) for each in read(small)] == [2, 1]
    write_gaze(small, "CNG", "i2", np.empty((0, 2)))
    assert [each.name for each in read(small)] == ["i10.jpeg"]


def test_only_the_first_two_columns_are_gaze(tmp_path):
    gaze = simulate_gaze()
    found = path_of(tmp_path, np.concatenate([gaze, np.ones((len(gaze), 1))], axis=1))
    np.testing.assert_allclose(found, POINTS, atol=0.5)


def test_an_image_that_cannot_be_read_is_left_to_those_who_decode_it(small):
    (small / "ALLSTIMULI" / "i2.jpeg").write_bytes(b"nothing")
    write_gaze(small, "ajs", "i2", simulate_gaze([[9000, 9000], [10, 10]]))
    second = read(small)[1]
    assert (second.name, second.scanpaths[1].round().tolist()) == ("i2.jpeg", [[9000, 9000], [10, 10]])


# what is refused


def test_missing_folders_are_refused(small):
    (small / "DATA").rename(small / "data_")
    with pytest.raises(UsageError, match=r"DATA has no folders, one for each subject: put the contents of DATA\.zip"):
        read(small)
    (small / "ALLSTIMULI").rename(small / "images")
    with pytest.raises(UsageError, match=r"ALLSTIMULI has no images, \*\.jpeg: data\.root is"):
        read(small)


def test_gaze_on_an_image_that_is_not_there_is_refused(small):
    (small / "ALLSTIMULI" / "i2.jpeg").unlink()
    with pytest.raises(UsageError, match=r"DATA/CNG has gaze on i2, which ALLSTIMULI/ does not hold"):
        read(small)


def test_an_image_on_which_a_subject_has_no_gaze_is_refused(small):
    (small / "DATA" / "ajs" / "i10.mat").unlink()
    with pytest.raises(UsageError, match=r"DATA/ajs lacks the \.mat of i10"):
        read(small)


@pytest.mark.parametrize(
    "content", [b"", b"no Matlab" * 40, b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM" + b"\x00" * 400]
)
def test_a_broken_file_is_refused(small, content):
    (small / "DATA" / "ajs" / "i2.mat").write_bytes(content)
    with pytest.raises(UsageError, match=r"ajs/i2\.mat holds no struct with DATA\.eyeData \(\w+\): get it again"):
        read(small)


@pytest.mark.parametrize("end", [130, 140, 200, 500, 1500])
def test_a_file_that_ends_too_soon_is_refused(small, end):
    file = small / "DATA" / "ajs" / "i2.mat"
    file.write_bytes(file.read_bytes()[:end])
    with pytest.raises(UsageError, match=r"ajs/i2\.mat holds no struct"):
        read(small)


@pytest.mark.parametrize("struct", [{"DATA": {"gaze": 1}}, {"other": 1}, np.ones(3), "word"])
def test_another_struct_is_refused(small, struct):
    savemat(small / "DATA" / "ajs" / "i2.mat", {"i2": struct})
    with pytest.raises(UsageError, match=r"ajs/i2\.mat holds no struct with DATA\.eyeData"):
        read(small)


@pytest.mark.parametrize("gaze", [np.ones((5, 1)), np.array([[1, np.inf]] * 9)])
def test_gaze_that_is_no_pairs_of_numbers_is_refused(small, gaze):
    write_gaze(small, "ajs", "i2", gaze)
    with pytest.raises(UsageError, match=r"ajs/i2\.mat has no rows of x, y in DATA\.eyeData"):
        read(small)
