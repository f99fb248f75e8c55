"""One split of images and objects: which images, where their objects are, on which thresholds are chosen."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import trainables.seq_attention.framing
from tests.support.repository import ROOT
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import all_counts, counts, listed, load, prepare, within
from trainables.seq_attention.framing import fitted
from trainables.settings import UsageError

SYNTHETIC = {"train_size": 20, "val_size": 20, "size": 64}
NUMBERS = {"train": [3, 0, 5, 1, 60], "val": [2, 2, 4, 0], "test": [2, 1]}


def config(**values) -> Config:
    return Config(image_size=64, **values)


def pixels(seed: int, size=(90, 60)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """COCO's format: images of NUMBERS objects, named by split and place."""
    (tmp_path / "images").mkdir()
    for split, numbers in NUMBERS.items():
        rng = np.random.default_rng(len(numbers))
        images = [
            {"id": place, "file_name": f"{split}{place}.png", "width": 90, "height": 60}
            for place in range(len(numbers))
        ]
        boxes = [
            {"image_id": place, "category_id": 1, "bbox": [*rng.uniform(0, 50, 2).tolist(), 4, 6]}
            for place, number in enumerate(numbers)
            for _ in range(number)
        ]
        for place, image in enumerate(images):
            Image.fromarray(pixels(place)).save(tmp_path / "images" / image["file_name"])
        written = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cell"}]}
        (tmp_path / f"instances_{split}.json").write_text(json.dumps(written))
    return tmp_path


def data(folder: Path, **settings) -> Data:
    return Data(source="coco", root=str(folder), cache=str(folder / "cache"), **settings)


def rewrite(folder: Path, split: str, change) -> None:
    file = folder / f"instances_{split}.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


# which images


@pytest.mark.parametrize(
    ("low", "high", "names"), [(1, 50, "023"), (0, 50, "0123"), (2, 4, "0"), (1, 5, "023"), (3, 60, "024")]
)
def test_only_images_with_enough_and_not_too_many_objects_are_taken(folder, low, high, names):
    where = data(folder, min_objects=low, max_objects=high)
    scenes = load(config(), where, "train")
    expected = list(map(int, names))
    assert scenes.names == [f"train{place}.png" for place in expected]
    assert scenes.counts.tolist() == [NUMBERS["train"][place] for place in expected]
    assert counts(where, "train").tolist() == scenes.counts.tolist()
    assert all_counts(where, "train").tolist() == NUMBERS["train"]


def test_images_that_are_left_out_are_not_even_opened(folder):
    (folder / "images" / "train1.png").write_bytes(b"broken")
    (folder / "images" / "train4.png").unlink()
    assert len(load(config(), data(folder), "train")) == 3
    with pytest.raises(UsageError, match=r"train1\.png"):
        load(config(), data(folder, min_objects=0), "train")


@pytest.mark.parametrize("source", ["coco", "synthetic"])
def test_bounds_that_leave_no_image_are_an_error(folder, source):
    where = data(folder, min_objects=61, max_objects=70)
    if source == "synthetic":
        where = Data(**SYNTHETIC, min_objects=61, max_objects=70)
    for read in (lambda: load(config(), where, "train"), lambda: counts(where, "train")):
        with pytest.raises(UsageError, match=r"none of the \d+ train images has data\.min_objects=61 to data\.max_obj"):
            read()


def test_training_without_an_object_is_an_error(folder):
    rewrite(folder, "train", lambda content: content.update(annotations=[]))
    with pytest.raises(UsageError, match="none of the 5 training images has an object"):
        load(config(), data(folder, min_objects=0), "train")


def test_a_damaged_image_is_an_error_or_left_out_with_its_objects(folder):
    (folder / "images" / "train0.png").write_bytes(b"broken")
    with pytest.raises(UsageError, match=r"train0\.png"):
        load(config(), data(folder), "train")
    with pytest.warns(UserWarning, match=r"train0\.png"):
        scenes = load(config(), data(folder, bad_images="skip"), "train")
    assert scenes.names == ["train2.png", "train3.png"]
    assert scenes.counts.tolist() == [5, 1]
    assert [name for name, _ in scenes.bad] == ["train0.png"]


def test_only_the_test_split_opens_its_images(folder, monkeypatch):
    opened = []
    decode = trainables.seq_attention.framing.decode

    def watched(file, side):
        opened.append(file.name)
        return decode(file, side)

    monkeypatch.setattr(trainables.seq_attention.framing, "decode", watched)
    prepare(config(), data(folder), ("train", "val"))
    assert sorted(opened) == sorted(f"train{place}.png" for place in (0, 2, 3)) + [
        f"val{place}.png" for place in range(3)
    ]
    prepare(config(), data(folder), ("test",))
    assert "test0.png" in opened


# pixels and points


def test_pixels_sizes_and_points_belong_together(folder):
    scenes, images = load(config(), data(folder), "train"), listed(data(folder), "train")
    by_name = {each.name: each for each in images}
    assert scenes.sizes.tolist() == [[90, 60]] * 3
    for place, name in enumerate(scenes.names):
        seed = int(name.removeprefix("train").removesuffix(".png"))
        np.testing.assert_array_equal(scenes.images[place], fitted(pixels(seed), 64))
        np.testing.assert_array_equal(scenes.points[place], by_name[name].points)
        assert scenes.points[place].dtype == np.float32


def test_an_image_of_another_size_than_annotated_is_refused(folder):
    Image.fromarray(pixels(0, (180, 120))).save(folder / "images" / "train2.png")
    with pytest.raises(
        UsageError, match=r"train2\.png is 180×120 pixels, but its annotations are for 90×60: give the images"
    ):
        load(config(), data(folder), "train")


def test_an_image_that_its_orientation_tag_turns_is_refused_with_that_cause(folder):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(pixels(0, (60, 90))).save(folder / "images" / "train2.png", exif=exif)
    expected = r"train2\.png is 60×90 pixels, .* are for 90×60: an EXIF orientation .* save it as it is shown\."
    with pytest.raises(UsageError, match=expected):
        load(config(), data(folder), "train")


def without_sizes(content):
    for image in content["images"]:
        del image["width"], image["height"]


def test_a_point_outside_is_refused_by_the_size_of_the_file_where_no_other_is_given(folder):
    rewrite(folder, "train", without_sizes)
    rewrite(folder, "train", lambda content: content["annotations"][0].update(bbox=[91.5, 10, 0, 0]))
    with pytest.raises(UsageError, match=r"train0\.png has an object at x=91\.5, y=10, outside its 90×60 pixels"):
        load(config(), data(folder), "train")


def test_a_point_within_a_pixel_of_the_image_is_moved_to_its_edge(folder):
    rewrite(folder, "train", lambda content: content["annotations"][0].update(bbox=[90, -2, 1, 3]))
    scenes = load(config(), data(folder), "train")
    assert scenes.points[0][0].tolist() == [90.0, 0.0]


def test_fsc147_is_read_too(tmp_path):
    names = {"train": ["1.jpg", "2.jpg"], "val": ["3.jpg", "4.jpg"], "test": ["5.jpg"]}
    every = [name for each in names.values() for name in each]
    (tmp_path / "images_384_VarV2").mkdir()
    for place, name in enumerate(every):
        Image.fromarray(pixels(place)).save(tmp_path / "images_384_VarV2" / name)
    points = {name: {"points": [[80, 10]] * (place + 1), "H": 600, "W": 900} for place, name in enumerate(every)}
    (tmp_path / "annotation_FSC147_384.json").write_text(json.dumps(points))
    (tmp_path / "Train_Test_Val_FSC_147.json").write_text(json.dumps(names))
    lines = [f"{name}\t{split}\n" for split, each in names.items() for name in each]
    (tmp_path / "ImageClasses_FSC147.txt").write_text("".join(lines))
    where = Data(source="fsc147", root=str(tmp_path), cache=str(tmp_path / "cache"), min_objects=2)
    assert load(config(), where, "train").names == ["2.jpg"]
    assert counts(where, "train").tolist() == [2]
    assert load(config(), where, "val").sizes.tolist() == [[90, 60]] * 2


def test_real_images_are_read_with_all_their_objects(real_data, tmp_path):
    where = Data(source="coco", root=str(real_data("objects")), cache=str(tmp_path))
    scenes = load(config(), where, "test")
    assert (len(scenes), scenes.counts.sum()) == (72, 945)
    assert scenes.images.shape == (72, 64, 64, 3)
    assert not (scenes.images[:, 48:] - np.array([124, 116, 104], np.uint8)).any()  # 640×480: the rest is padding


# calibration


def test_validation_alone_has_calibration_images_and_others():
    where = Data(**SYNTHETIC)
    assert not load(config(), where, "train").calibration.any()
    assert not load(config(), where, "test").calibration.any()
    for share in (0.1, 0.35, 0.9):
        part = load(config(), Data(**SYNTHETIC, calibration_share=share), "val").calibration
        assert part.sum() == round(20 * share)


def test_calibration_hangs_on_names_and_seed_not_on_the_image_size(folder):
    by_size = [load(Config(image_size=side), data(folder), "val").calibration for side in (32, 64)]
    np.testing.assert_array_equal(*by_size)
    parts = {tuple(load(config(), data(folder, split_seed=seed), "val").calibration) for seed in range(8)}
    assert len(parts) > 1


def test_a_single_validation_image_is_an_error(folder):
    with pytest.raises(UsageError, match=r"a single image, .* or widen data\.min_objects=4 to data\.max_objects=50"):
        load(config(), data(folder, min_objects=4), "val")


@pytest.mark.parametrize("place", range(4))
def test_validation_with_objects_in_one_part_only_is_an_error(folder, place):
    rewrite(folder, "val", lambda content: [each.update(image_id=place) for each in content["annotations"]])
    with pytest.raises(UsageError, match=r"none of the \d (calibration|scored) images of validation has an object"):
        load(config(), data(folder, min_objects=0), "val")


# counts, caching, imports


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_synthetic_images_are_filtered_and_counted_alike(split):
    where = Data(**SYNTHETIC, min_objects=3, max_objects=9)
    scenes = load(config(), where, split)
    assert counts(where, split).tolist() == scenes.counts.tolist()
    assert within(all_counts(where, split), where).sum() == len(scenes) < 20
    assert scenes.counts.min() >= 3


def test_a_split_is_made_once_for_all_trials_of_an_image_size():
    where = Data(**SYNTHETIC, split_seed=99)
    prepare(config(), where, ("train",))
    assert load(config(lr=0.5), where, "train") is load(config(), where, "train")
    assert load(Config(image_size=96), where, "train").images.shape[1] == 96


def test_a_backbone_that_is_not_there_is_told_before_any_trial():
    with pytest.raises(UsageError, match="backbone=resnet19"):
        prepare(config(backbone="resnet19"), Data(**SYNTHETIC), ("train",))


def test_data_are_prepared_and_measured_without_torch_timm_and_ray():
    code = """import sys, trainables.seq_attention.balance, trainables.seq_attention.pairs
sys.exit(bool({'torch', 'timm', 'ray'} & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
