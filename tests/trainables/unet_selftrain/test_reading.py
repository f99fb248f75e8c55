"""Reading a micrograph: every format the right way up, and what is no micrograph."""

import tracemalloc
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image

from trainables.settings import UsageError
from trainables.unet_selftrain.downsampling import z_score
from trainables.unet_selftrain.reading import read_micrograph

WIDTH, HEIGHT = 60, 40


def save(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix in (".mrc", ".mrcs"):
        mrcfile.write(file, values, overwrite=True)
    else:
        Image.fromarray(values).save(file, **({"quality": 95} if file.suffix == ".jpg" else {}))


def picture(seed: int = 0) -> np.ndarray:
    """Make float32 `[40, 60]` between 0 and 200: a gradient that no turn or flip leaves as it is, and noise."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    values = 1.5 * x + 2.0 * y + np.random.default_rng(seed).uniform(0, 20, x.shape)
    values[:10, :5] = 150
    return values.astype(np.float32)


def expected(values: np.ndarray) -> np.ndarray:
    bulk = values.clip(*np.percentile(values, [0.1, 99.9]))
    return (values - bulk.mean()) / bulk.std()


@pytest.mark.parametrize(
    ("name", "kind", "factor", "offset"),
    [
        ("a.png", np.uint8, 1, 0),
        ("a.jpg", np.uint8, 1, 0),
        ("a.tif", np.uint8, 1, 0),
        ("a.png", np.uint16, 300, 5),
        ("a.tiff", np.uint16, 3, 40_000),
        ("a.TIF", np.float32, 1e-3, -7),
        ("a.mrc", np.float32, 1e-3, 5),
        ("a.mrc", np.int8, 0.5, -100),
        ("a.mrc", np.int16, 50, -10_000),
        ("a.mrc", np.uint16, 300, 0),
        ("a.mrc", np.float16, 1, 0),
    ],
)
def test_a_micrograph_comes_back_the_right_way_up_in_every_format(tmp_path, name, kind, factor, offset):
    values = (picture() * factor + offset).astype(kind)
    save(tmp_path / name, values)
    pixels, size = read_micrograph(tmp_path / name, 1)
    assert size == (WIDTH, HEIGHT)
    tolerance = 0.3 if name == "a.jpg" else 0.021
    np.testing.assert_allclose(z_score(pixels), expected(values.astype(float)).clip(-5, 5), atol=tolerance)


def test_a_stack_of_one_image_is_an_image_and_a_movie_is_not(tmp_path):
    save(tmp_path / "flat.mrc", picture())
    save(tmp_path / "one.mrcs", picture()[None])
    np.testing.assert_array_equal(
        read_micrograph(tmp_path / "one.mrcs", 2)[0], read_micrograph(tmp_path / "flat.mrc", 2)[0]
    )
    save(tmp_path / "many.mrcs", np.stack([picture()] * 3))
    frames = [Image.fromarray(picture().astype(np.uint8))] * 3
    frames[0].save(tmp_path / "many.tif", save_all=True, append_images=frames[1:])
    for name in ("many.mrcs", "many.tif"):
        with pytest.raises(UsageError, match="holds 3 images: align and sum"):
            read_micrograph(tmp_path / name, 1)


def test_an_mrc_header_without_its_mark_is_forgiven(tmp_path):
    save(tmp_path / "a.mrc", picture())
    before = read_micrograph(tmp_path / "a.mrc", 1)[0]
    content = bytearray((tmp_path / "a.mrc").read_bytes())
    content[208:212] = b"\0\0\0\0"
    (tmp_path / "a.mrc").write_bytes(content)
    with pytest.warns(RuntimeWarning, match="Map ID"):
        np.testing.assert_array_equal(read_micrograph(tmp_path / "a.mrc", 1)[0], before)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("suffix", [".mrc", ".png"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "constant", "nan"])
def test_what_is_no_micrograph_is_named_with_the_reason(tmp_path, suffix, damage):
    file = tmp_path / f"bad{suffix}"
    values = picture() if suffix == ".mrc" else picture().astype(np.uint8)
    if damage == "nan":
        values = np.full_like(picture(), np.nan)
        file = file.with_suffix(".mrc" if suffix == ".mrc" else ".tif")
    save(file, np.ones_like(values) if damage == "constant" else values)
    whole = file.read_bytes()
    file.write_bytes({"empty": b"", "text": b"no image " * 300, "cut": whole[: len(whole) // 2]}.get(damage, whole))
    with pytest.raises(UsageError, match=r"bad\.\w+ cannot be read: ..+"):
        read_micrograph(file, 1)


def test_other_bytes_named_mrc_make_no_room_for_gigabytes(tmp_path):
    """Read as a header, a line of text announces 1.8 GB of further header."""
    (tmp_path / "notes.mrc").write_bytes(b"no image " * 300)
    tracemalloc.start()
    with pytest.raises(UsageError, match="no MRC file"):
        read_micrograph(tmp_path / "notes.mrc", 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
