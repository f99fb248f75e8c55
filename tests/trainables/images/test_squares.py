"""The decoded-image cache: what is in it, what it is keyed by, and what survives crashes and races."""

import multiprocessing
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.repository import ROOT
from trainables.images.squares import decode_squares, split_by_group
from trainables.settings import UsageError


def write(folder: Path, count: int = 4, side: int = 20) -> list[Path]:
    """Grey PNGs of random pixels, `side` high and twice as wide."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    files = [folder / f"{index}.png" for index in range(count)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (side, 2 * side), dtype=np.uint8)).save(file)
    return files


def decode(files, cache, size=8, channels=1, bad_images="fatal"):
    return decode_squares(files, size, channels=channels, cache=cache, bad_images=bad_images, title="test images")


def built(cache: Path) -> list[Path]:
    """List the complete arrays in a cache."""
    return sorted(cache.glob("*/manifest.json"))


# what is in it


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_that_pillow_gives(tmp_path, channels):
    files = write(tmp_path / "images")
    decoded = decode(files, tmp_path / "cache", channels=channels)
    for row, file in enumerate(files):
        expected = Image.open(file).convert("L" if channels == 1 else "RGB").resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(decoded.pixels[row], np.asarray(expected).reshape(8, 8, channels))
    np.testing.assert_array_equal(decoded.indices, np.arange(4))
    np.testing.assert_array_equal(decoded.sizes, [[40, 20]] * 4)
    assert decoded.bad == ()


def test_shrinking_is_antialiased(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    pixels = decode([tmp_path / "stripes.png"], tmp_path / "cache").pixels
    assert abs(pixels[0].astype(int) - 128).max() < 8  # picking single pixels would give 0 or 255


@pytest.mark.parametrize("top", [1023, 4095, 65535])
def test_deep_grey_keeps_its_contrast_whatever_its_bits(tmp_path, top):
    ramp = np.linspace(0, top, 64).astype(np.uint16)[None].repeat(64, axis=0)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    row = decode([tmp_path / "deep.png"], tmp_path / "cache", size=64).pixels[0, 0, :, 0]
    np.testing.assert_allclose(row, np.linspace(0, 255, 64), atol=1)


def test_flat_deep_grey_is_black_and_no_division_by_zero(tmp_path):
    Image.fromarray(np.full((9, 9), 700, np.uint16)).save(tmp_path / "flat.png")
    assert decode([tmp_path / "flat.png"], tmp_path / "cache").pixels.max() == 0


def test_the_array_is_read_only_and_its_copies_are_not(tmp_path):
    pixels = decode(write(tmp_path / "images"), tmp_path / "cache").pixels
    assert isinstance(pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0
    pixels[[0, 1]][:] = 0  # fancy indexing copies
    assert pixels.max() > 0


# bad images


def spoil(files: list[Path]) -> None:
    files[1].write_bytes(files[1].read_bytes()[:60])
    files[2].unlink()


def test_bad_images_stop_with_their_names_their_number_and_the_remedy(tmp_path):
    files = write(tmp_path / "images")
    spoil(files)
    with pytest.raises(UsageError, match=r"2 of 4 test images.*1\.png.*2\.png \(no such file.*data\.bad_images=skip"):
        decode(files, tmp_path / "cache")


def test_skipped_images_are_left_out_listed_and_warned_of(tmp_path):
    files = write(tmp_path / "images")
    intact = decode(files, tmp_path / "cache").pixels
    spoil(files)
    with pytest.warns(UserWarning, match="2 of 4 test images"):
        decoded = decode(files, tmp_path / "cache", bad_images="skip")
    np.testing.assert_array_equal(decoded.indices, [0, 3])
    np.testing.assert_array_equal(decoded.pixels, intact[[0, 3]])
    assert len(decoded.sizes) == 2
    assert [name for name, _ in decoded.bad] == ["1.png", "2.png"]
    assert all("0x" not in reason for _, reason in decoded.bad)  # no address in memory


def test_a_repaired_image_is_noticed(tmp_path):
    files = write(tmp_path / "images")
    whole = files[1].read_bytes()
    spoil(files)
    with pytest.raises(UsageError):
        decode(files[:2], tmp_path / "cache")
    files[1].write_bytes(whole)
    assert len(decode(files[:2], tmp_path / "cache").pixels) == 2


@pytest.mark.parametrize("damage", ["text", "empty", "huge"])
def test_damaged_files_of_all_kinds_are_named(tmp_path, damage):
    header = b"P5 60000 60000 255\n"  # announces 3.6 gigapixels
    (tmp_path / "bad.png").write_bytes({"text": b"not an image", "empty": b"", "huge": header}[damage])
    with pytest.raises(UsageError, match=r"bad\.png"):
        decode([tmp_path / "bad.png", *write(tmp_path / "images", 1)], tmp_path / "cache")


@pytest.mark.parametrize("bad_images", ["fatal", "skip"])
def test_nothing_left_is_an_error_in_either_case(tmp_path, bad_images):
    with pytest.raises(UsageError, match="1 of 1"):
        decode([tmp_path / "missing.png"], tmp_path / "cache", bad_images=bad_images)
    with pytest.raises(UsageError, match="no test images"):
        decode([], tmp_path / "cache", bad_images=bad_images)


# the key


def test_the_second_call_decodes_nothing(tmp_path, monkeypatch):
    files = write(tmp_path / "images")
    first = decode(files, tmp_path / "cache")
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(decode(files, tmp_path / "cache").pixels, first.pixels)


def test_moving_the_folder_keeps_the_key_and_a_changed_pixel_does_not(tmp_path):
    files = write(tmp_path / "images")
    cache = tmp_path / "cache"
    decode(files, cache)
    shutil.move(tmp_path / "images", tmp_path / "moved")
    moved = [tmp_path / "moved" / file.name for file in files]
    before = decode(moved, cache).pixels
    assert len(built(cache)) == 1
    picture = np.asarray(Image.open(moved[0])).copy()
    picture[0, 0] ^= 255
    Image.fromarray(picture).save(moved[0])
    after = decode(moved, cache).pixels
    assert len(built(cache)) == 2
    assert (after[0] != before[0]).any()
    np.testing.assert_array_equal(after[1:], before[1:])


def test_a_pixel_near_the_end_of_a_long_file_changes_the_key(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
    file = tmp_path / "long.bmp"  # uncompressed: neither length nor header changes
    for corner in (0, 255):
        noise[0, 0] = corner  # a BMP starts with the bottom row
        Image.fromarray(noise).save(file)
        decode([file], tmp_path / "cache")
    assert file.stat().st_size > 100_000
    assert len(built(tmp_path / "cache")) == 2


def test_size_channels_order_and_names_are_part_of_the_key(tmp_path):
    files = write(tmp_path / "images")
    cache = tmp_path / "cache"
    renamed = files[0].with_name("other.png")
    shutil.copy(files[0], renamed)
    decode(files, cache)
    decode(files, cache, size=9)
    decode(files, cache, channels=3)
    decode(files[::-1], cache)
    decode([renamed, *files[1:]], cache)
    assert len(built(cache)) == 5


# crashes and races


def count_decodes(files, cache, results, slowly: float) -> None:
    """Decode in a process of its own and report how many images it opened."""
    opened, real = [], Image.open

    def counting(*arguments, **options):
        opened.append(1)
        time.sleep(slowly)
        return real(*arguments, **options)

    Image.open = counting
    pixels = decode(files, cache).pixels
    results.put((len(opened), int(pixels.sum())))


def test_two_processes_that_ask_at_once_build_once(tmp_path):
    files = write(tmp_path / "images", 8)
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    arguments = (files, tmp_path / "cache", results, 0.2)
    both = [spawn.Process(target=count_decodes, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    opened, sums = zip(*(results.get(timeout=60) for _ in both), strict=True)
    for process in both:
        process.join()
    assert sum(opened) == len(files)
    assert sums[0] == sums[1]


def test_a_build_that_is_killed_leaves_nothing_that_looks_finished(tmp_path):
    files, cache = write(tmp_path / "images"), tmp_path / "cache"
    code = (
        "import sys, os, pathlib, trainables.images.squares as images\n"
        "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"  # all pixels are written, the manifest is not
        "files = [pathlib.Path(word) for word in sys.argv[2:]]\n"
        "images.decode_squares(files, 8, channels=1, cache=sys.argv[1], bad_images='fatal', title='images')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, cache, *files], check=False, cwd=ROOT)
    assert killed.returncode == -9
    assert list(cache.rglob("pixels.bin"))  # it had come that far
    assert len(decode(files, cache).pixels) == 4
    assert [folder.suffix for folder in cache.iterdir() if folder.is_dir()] == [""]  # the remains are gone


def test_a_disk_that_fails_while_building_is_no_damaged_image(tmp_path, monkeypatch):
    files = write(tmp_path / "images")
    with monkeypatch.context() as patched, pytest.raises(OSError, match="stale handle"):
        patched.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(OSError("stale handle")))
        decode(files, tmp_path / "cache", bad_images="skip")
    assert len(decode(files, tmp_path / "cache").pixels) == 4


def test_preparing_images_imports_no_torch():
    code = "import sys, trainables.images.squares, trainables.mask_st.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


# splits by group


def test_a_group_is_never_divided_and_the_share_is_kept():
    groups = [f"patient {row % 37}" for row in range(400)]
    held_out = split_by_group(groups, 0.2, seed=0)
    inside = {group for group, out in zip(groups, held_out, strict=True) if out}
    outside = {group for group, out in zip(groups, held_out, strict=True) if not out}
    assert not inside & outside
    assert len(inside) == round(0.2 * 37)


def test_the_split_depends_on_names_and_seed_alone():
    groups = np.array([f"patient {row % 37}" for row in range(400)])
    order = np.random.default_rng(0).permutation(400)
    first = split_by_group(groups.tolist(), 0.3, seed=1)
    np.testing.assert_array_equal(split_by_group(groups[order].tolist(), 0.3, seed=1), first[order])
    assert (split_by_group(groups.tolist(), 0.3, seed=2) != first).any()


def test_held_out_groups_stay_so_between_versions():
    held_out = split_by_group(list("abcdefgh"), 0.25, seed=0)
    assert "".join(np.array(list("abcdefgh"))[held_out]) == "fh"


def test_a_group_that_joins_moves_at_most_one_other():
    groups = [f"patient {index}" for index in range(50)]
    before = split_by_group(groups, 0.2, seed=0)
    for newcomer in range(50, 70):
        after = split_by_group([*groups, f"patient {newcomer}"], 0.2, seed=0)[:-1]
        assert (after != before).sum() <= 1


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("count", [2, 3, 10])
def test_both_sides_get_a_group(share, count):
    held_out = split_by_group([str(index) for index in range(count)], share, seed=0)
    assert 0 < held_out.sum() < count


def test_a_single_group_cannot_be_split():
    with pytest.raises(UsageError, match="1 patient or group"):
        split_by_group(["a", "a"], 0.5, seed=0)
