"""Images in squares, and points there and back."""

import numpy as np
import pytest
from PIL import ExifTags, Image

from trainables.seq_attention.config import Data
from trainables.seq_attention.letterbox import PADDING, content_extent, decode, letterbox, normalise, to_pixels
from trainables.seq_attention.sources.synthetic import draw_layout, render

SIZES = [(641, 479), (33, 97), (384, 384), (1, 50), (577, 384)]


def blob(size: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """Draw a soft white spot on the padding's colour, with pixel centres at halves."""
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    weight = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2))[..., None]
    return np.rint(np.array(PADDING) + weight * (255 - np.array(PADDING))).astype(np.uint8)


def middle(square: np.ndarray) -> np.ndarray:
    """Find the middle of the light, normalised, from the pixels alone."""
    weight = np.abs(square.astype(float) - np.array(PADDING)).sum(axis=2)
    weight[weight < 0.1 * weight.max()] = 0  # noise and rounding
    centres = (np.arange(len(square)) + 0.5) * 2 / len(square) - 1
    return np.array([(weight.sum(axis=0) * centres).sum(), (weight.sum(axis=1) * centres).sum()]) / weight.sum()


@pytest.mark.parametrize("size", SIZES)
def test_points_return_from_being_normalised(size):
    points = np.random.default_rng(0).uniform((0, 0), size, (50, 2))
    normalised = normalise(points, np.array(size))
    assert normalised.min() >= -1
    assert normalised.max() <= 1
    np.testing.assert_allclose(to_pixels(normalised, np.array(size)), points, atol=1e-9)


def test_a_length_is_normalised_alike_on_both_axes_and_corners_are_where_the_image_ends():
    size = np.array([640, 480])
    horizontal, down = normalise(np.array([[10.0, 0], [0, 10.0]]), size) - normalise(np.zeros(2), size)
    assert horizontal[0] == pytest.approx(down[1])
    np.testing.assert_allclose(normalise(size, size), 2 * content_extent(size) - 1)
    np.testing.assert_allclose(to_pixels(np.array([[3.0, -3.0], [1.0, 1.0]]), size), [[640, 0], [640, 480]])


def test_many_sizes_at_once_are_as_one_by_one():
    sizes = np.array(SIZES)
    points = np.random.default_rng(1).uniform(0, 1, (len(SIZES), 2)) * sizes
    together = normalise(points, sizes)
    for point, size, expected in zip(points, sizes, together, strict=True):
        np.testing.assert_allclose(normalise(point, size), expected)
    np.testing.assert_allclose(to_pixels(together, sizes), points)


@pytest.mark.parametrize("side", [64, 160, 384])
@pytest.mark.parametrize("size", [(201, 151), (149, 211), (200, 200)])
def test_an_object_is_where_normalised_says_once_its_image_is_fitted(size, side):
    for share in ((0.3, 0.4), (0.62, 0.71)):
        centre = (share[0] * size[0], share[1] * size[1])
        measured_middle = middle(letterbox(blob(size, centre, 8.0), side))
        np.testing.assert_allclose(measured_middle, normalise(np.array(centre), np.array(size)), atol=2 / side * 0.35)


def test_a_synthetic_disc_is_where_normalised_says_once_its_image_is_fitted():
    """Pixels of a drawn image against the point that training is told: by the difference of with and without a disc."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scene = draw_layout(rng, Data())
        alone = scene._replace(centres=scene.centres[:0], radii=scene.radii[:0])
        with_disc, without = (
            letterbox(render(np.random.default_rng(seed), layout), 192).astype(float)
            for layout in (scene._replace(centres=scene.centres[:1], radii=scene.radii[:1]), alone)
        )
        change = np.abs(with_disc - without).sum(axis=2)
        x, y = (normalise(scene.centres[0], np.array(scene.size)) + 1) * 96
        near = np.hypot(*(np.mgrid[:192, :192][::-1] + 0.5 - np.array([x, y])[:, None, None])) < 20
        weight = np.where(near & (change > 60), 1.0, 0.0)
        rows, columns = np.mgrid[:192, :192] + 0.5
        assert (columns * weight).sum() / weight.sum() == pytest.approx(x, abs=0.5)
        assert (rows * weight).sum() / weight.sum() == pytest.approx(y, abs=0.5)


@pytest.mark.parametrize("size", [(100, 61), (61, 100)])
def test_what_an_image_leaves_free_is_padding_on_the_right_or_below(size):
    square = letterbox(np.zeros((size[1], size[0], 3), np.uint8), 128)
    content = np.rint(content_extent(np.array(size)) * 128).astype(int)
    assert not square[: content[1], : content[0]].any()
    rest = np.ones((128, 128), dtype=bool)
    rest[: content[1], : content[0]] = False
    assert (square[rest] == PADDING).all()


@pytest.mark.parametrize(("name", "kind", "top"), [("a.png", np.uint16, 4095), ("a.tif", np.float32, 0.7)])
def test_deep_grey_keeps_its_contrast(tmp_path, name, kind, top):
    ramp = np.linspace(0, top, 64).astype(kind)[None].repeat(64, axis=0)
    Image.fromarray(ramp).save(tmp_path / name)
    pixels = decode(tmp_path / name, 64).pixels.astype(float)
    np.testing.assert_allclose(pixels, np.linspace(0, 255, 64)[None, :, None] + np.zeros((64, 1, 3)), atol=1)


def test_floats_that_are_not_finite_are_a_reason(tmp_path):
    Image.fromarray(np.array([[0, np.inf]], np.float32)).save(tmp_path / "a.tif")
    assert decode(tmp_path / "a.tif", 32) == "holds values that are not finite"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_pixels_of_eight_bits_or_fewer_are_as_stored_whatever_the_mode(tmp_path, mode):
    low, high = ((60, 60, 60), (90, 90, 90)) if mode in ("L", "LA") else ((200, 30, 10), (20, 90, 240))
    if mode == "1":
        low, high = (0, 0, 0), (255, 255, 255)
    image = Image.new(mode, (2, 1))
    if mode == "P":
        image.putpalette([*low, *high])
    palette = {"1": (0, 255), "L": (60, 90), "LA": ((60, 0), (90, 128)), "P": (0, 1), "RGB": (low, high)}
    for index, value in enumerate(palette.get(mode, ((*low, 0), (*high, 128)))):
        image.putpixel((index, 0), value)
    image.resize((64, 32), Image.Resampling.NEAREST).save(tmp_path / "a.png")
    pixels = decode(tmp_path / "a.png", 64).pixels
    assert (pixels[:32, :32] == low).all()
    assert (pixels[:32, 32:] == high).all()


def test_an_orientation_tag_does_not_turn_the_pixels(tmp_path):
    pixels_in_file, exif = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(pixels_in_file).save(tmp_path / "a.png", exif=exif)
    picture = decode(tmp_path / "a.png", 32)
    assert picture.size == (32, 20)
    np.testing.assert_array_equal(picture.pixels[:20], pixels_in_file)


def test_a_file_gives_its_pixels_and_its_size_or_a_reason(tmp_path):
    Image.new("L", (90, 60), 200).save(tmp_path / "grey.png")
    picture = decode(tmp_path / "grey.png", 32)
    assert picture.size == (90, 60)
    assert picture.pixels.shape == (32, 32, 3)
    assert (picture.pixels[:21] == 200).all()
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert decode(tmp_path / "broken.png", 32) == "no known image format"
