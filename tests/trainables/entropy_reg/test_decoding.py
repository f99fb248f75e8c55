"""Images at the size that the network sees."""

import numpy as np
import pytest
from PIL import Image

from trainables.entropy_reg.decoding import decode_image, network_shape

NAN = np.nan


@pytest.mark.parametrize(
    ("stored", "shape", "expected"),
    [
        ((400, 300), "stretch", (48, 64)),
        ((300, 400), "stretch", (64, 48)),
        ((1000, 100), "stretch", (48, 64)),
        ((77, 77), "stretch", (48, 64)),
        ((400, 300), "keep", (48, 64)),
        ((300, 400), "keep", (64, 48)),
        ((77, 77), "keep", (64, 64)),
        ((1600, 900), "keep", (36, 64)),
        ((1600, 1040), "keep", (40, 64)),  # 10.4 sixteenths
        ((1600, 1060), "keep", (44, 64)),  # 10.6 sixteenths
        ((1600, 10), "keep", (4, 64)),
    ],
)
def test_images_are_stretched_to_four_thirds_or_keep_their_aspect_ratio_to_a_sixteenth(stored, shape, expected):
    assert network_shape(stored, 64, shape) == expected


@pytest.mark.parametrize("size", [32, 48, 176, 1008])
def test_sides_are_multiples_of_four_and_the_longer_one_is_as_asked(size):
    for width in range(10, 400, 13):
        for shape in ("stretch", "keep"):
            result = network_shape((width, 200), size, shape)
            assert max(result) == result[int(width >= 200)] == size
            assert result[0] % 4 == result[1] % 4 == 0
            if shape == "keep":
                assert abs(min(result) / size - min(width, 200) / max(width, 200)) <= 1 / 32 + 4 / size


def test_pixels_are_those_of_the_file_in_colour_and_at_the_size(tmp_path):
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:48, 64:] = (250, 10, 90)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = decode_image(tmp_path / "a.png", 64, "stretch")
    assert picture.size == (128, 96)
    assert picture.pixels.shape == (48, 64, 3)
    assert picture.pixels[3, 60].tolist() == [250, 10, 90]
    assert not picture.pixels[30:].any()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert decode_image(tmp_path / "grey.png", 64, "stretch").pixels[3, 60].tolist() == [250] * 3
    (tmp_path / "broken.png").write_bytes(b"broken")
    assert decode_image(tmp_path / "broken.png", 64, "stretch") == "no known image format"
