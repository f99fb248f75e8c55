"""One split of images and objects: which images, where their objects are, on which thresholds are chosen."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import trainables.seq_attention.letterbox
from tests.support.repository import ROOT
from trainables.registry import load
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import count_all_objects, count_objects, load_split, prepare
from trainables.seq_attention.letterbox import letterbox
from trainables.seq_attention.sources.bounds import is_within_bounds
from trainables.seq_attention.sources.coco import list_images
from trainables.settings import UsageError

SYNTHETIC = {"train_size": 20, "val_size": 20, "size": 64}
NUMBERS = {"train": [3, 0, 5, 1, 60], "val": [2, 2, 4, 0], "test": [2, 1]}


def config(**values) -> Config:
    return Config(image_size=64, **values)


def pixels(seed: int, size=(90, 60)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Write COCO's format: images of NUMBERS objects, named by split and index."""
    (tmp_path / "images").mkdir()
    for split, numbers in NUMBERS.items():
        rng = np.random.default_rng(len(numbers))
        images = [
            {"id": index, "file_name": f"{split}{index}.png", "width": 90, "height": 60}
            for index in range(len(numbers))
        ]
        boxes = [
            {"image_id": index, "category_id": 1, "bbox": [*rng.uniform(0, 50, 2).tolist(), 4, 6]}
            for index, number in enumerate(numbers)
            for _ in range(number)
        ]
        for index, image in enumerate(images):
            Image.fromarray(pixels(index)).save(tmp_path / "images" / image["file_name"])
        content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cell"}]}
        (tmp_path / f"instances_{split}.json").write_text(json.dumps(content))
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
    data_settings = data(folder, min_objects=low, max_objects=high)
    scenes = load_split(config(), data_settings, "train")
    expected = list(map(int, names))
    assert scenes.names == [f"train{index}.png" for index in expected]
    assert scenes.counts.tolist() == [NUMBERS["train"][index] for index in expected]
    assert count_objects(data_settings, "train").tolist() == scenes.counts.tolist()
    assert count_all_objects(data_settings, "train").tolist() == NUMBERS["train"]


def test_images_that_are_left_out_are_not_even_opened(folder):
    (folder / "images" / "train1.png").write_bytes(b"broken")
    (folder / "images" / "train4.png").unlink()
    assert len(load_split(config(), data(folder), "train")) == 3
    with pytest.raises(UsageError, match=r"train1\.png"):
        load_split(config(), data(folder, min_objects=0), "train")


@pytest.mark.parametrize("source", ["coco", "synthetic"])
def test_bounds_that_leave_no_image_are_an_error(folder, source):
    data_settings = data(folder, min_objects=61, max_objects=70)
    if source == "synthetic":
        data_settings = Data(**SYNTHETIC, min_objects=61, max_objects=70)
    for read in (lambda: load_split(config(), data_settings, "train"), lambda: count_objects(data_settings, "train")):
        with pytest.raises(UsageError, match=r"none of the \d+ train images has data\.min_objects=61 to data\.max_obj"):
            read()


def test_training_without_an_object_is_an_error(folder):
    rewrite(folder, "train", lambda content: content.update(annotations=[]))
    with pytest.raises(UsageError, match="none of the 5 training images has an object"):
        load_split(config(), data(folder, min_objects=0), "train")


def test_a_damaged_image_is_an_error_or_left_out_with_its_objects(folder):
    (folder / "images" / "train0.png").write_bytes(b"broken")
    with pytest.raises(UsageError, match=r"train0\.png"):
        load_split(config(), data(folder), "train")
    with pytest.warns(UserWarning, match=r"train0\.png"):
        scenes = load_split(config(), data(folder, bad_images="skip"), "train")
    assert scenes.names == ["train2.png", "train3.png"]
    assert scenes.counts.tolist() == [5, 1]
    assert [name for name, _ in scenes.bad] == ["train0.png"]


def test_only_the_test_split_opens_its_images(folder, monkeypatch):
    files = []
    decode = trainables.seq_attention.letterbox.decode

    def record(file, side):
        files.append(file.name)
        return decode(file, side)

    monkeypatch.setattr(trainables.seq_attention.letterbox, "decode", record)
    prepare(config(), data(folder), ("train", "val"))
    assert sorted(files) == sorted(f"train{index}.png" for index in (0, 2, 3)) + [
        f"val{index}.png" for index in range(3)
    ]
    prepare(config(), data(folder), ("test",))
    assert "test0.png" in files


# pixels and points


def test_pixels_sizes_and_points_belong_together(folder):
    scenes, images = load_split(config(), data(folder), "train"), list_images(data(folder), "train")
    by_name = {image.name: image for image in images}
    assert scenes.sizes.tolist() == [[90, 60]] * 3
    for index, name in enumerate(scenes.names):
        seed = int(name.removeprefix("train").removesuffix(".png"))
        np.testing.assert_array_equal(scenes.images[index], letterbox(pixels(seed), 64))
        np.testing.assert_array_equal(scenes.points[index], by_name[name].points)
        assert scenes.points[index].dtype == np.float32


def test_an_image_of_another_size_than_annotated_is_refused(folder):
    Image.fromarray(pixels(0, (180, 120))).save(folder / "images" / "train2.png")
    with pytest.raises(
        UsageError, match=r"train2\.png is 180×120 pixels, but its annotations are for 90×60: give the images"
    ):
        load_split(config(), data(folder), "train")


def test_an_image_that_its_orientation_tag_turns_is_refused_with_that_cause(folder):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(pixels(0, (60, 90))).save(folder / "images" / "train2.png", exif=exif)
    expected = r"train2\.png is 60×90 pixels, .* are for 90×60: an EXIF orientation .* save it as it is shown\."
    with pytest.raises(UsageError, match=expected):
        load_split(config(), data(folder), "train")


def without_sizes(content):
    for image in content["images"]:
        del image["width"], image["height"]


def test_a_point_outside_is_refused_by_the_size_of_the_file_where_no_other_is_given(folder):
    rewrite(folder, "train", without_sizes)
    rewrite(folder, "train", lambda content: content["annotations"][0].update(bbox=[91.5, 10, 0, 0]))
    with pytest.raises(UsageError, match=r"train0\.png has an object at x=91\.5, y=10, outside its 90×60 pixels"):
        load_split(config(), data(folder), "train")


def test_a_point_within_a_pixel_of_the_image_is_moved_to_its_edge(folder):
    rewrite(folder, "train", lambda content: content["annotations"][0].update(bbox=[90, -2, 1, 3]))
    scenes = load_split(config(), data(folder), "train")
    assert scenes.points[0][0].tolist() == [90.0, 0.0]


def test_fsc147_is_read_too(tmp_path):
    names = {"train": ["1.jpg", "2.jpg"], "val": ["3.jpg", "4.jpg"], "test": ["5.jpg"]}
    all_names = [name for split_names in names.values() for name in split_names]
    (tmp_path / "images_384_VarV2").mkdir()
    for index, name in enumerate(all_names):
        Image.fromarray(pixels(index)).save(tmp_path / "images_384_VarV2" / name)
    points = {name: {"points": [[80, 10]] * (index + 1), "H": 600, "W": 900} for index, name in enumerate(all_names)}
    (tmp_path / "annotation_FSC147_384.json").write_text(json.dumps(points))
    (tmp_path / "Train_Test_Val_FSC_147.json").write_text(json.dumps(names))
    lines = [f"{name}\t{split}\n" for split, split_names in names.items() for name in split_names]
    (tmp_path / "ImageClasses_FSC147.txt").write_text("".join(lines))
    data_settings = Data(source="fsc147", root=str(tmp_path), cache=str(tmp_path / "cache"), min_objects=2)
    assert load_split(config(), data_settings, "train").names == ["2.jpg"]
    assert count_objects(data_settings, "train").tolist() == [2]
    assert load_split(config(), data_settings, "val").sizes.tolist() == [[90, 60]] * 2


def test_real_images_are_read_with_all_their_objects(real_data, tmp_path):
    data_settings = Data(source="coco", root=str(real_data("objects")), cache=str(tmp_path))
    scenes = load_split(config(), data_settings, "test")
    assert (len(scenes), scenes.counts.sum()) == (72, 945)
    assert scenes.images.shape == (72, 64, 64, 3)
    assert not (scenes.images[:, 48:] - np.array([124, 116, 104], np.uint8)).any()  # 640×480: the rest is padding


# calibration


def test_validation_alone_has_calibration_images_and_others():
    data_settings = Data(**SYNTHETIC)
    assert not load_split(config(), data_settings, "train").calibration.any()
    assert not load_split(config(), data_settings, "test").calibration.any()
    for share in (0.1, 0.35, 0.9):
        part = load_split(config(), Data(**SYNTHETIC, calibration_share=share), "val").calibration
        assert part.sum() == round(20 * share)


def test_calibration_hangs_on_names_and_seed_not_on_the_image_size(folder):
    by_size = [load_split(Config(image_size=side), data(folder), "val").calibration for side in (32, 64)]
    np.testing.assert_array_equal(*by_size)
    parts = {tuple(load_split(config(), data(folder, split_seed=seed), "val").calibration) for seed in range(8)}
    assert len(parts) > 1


def test_a_single_validation_image_is_an_error(folder):
    with pytest.raises(UsageError, match=r"a single image, .* or widen data\.min_objects=4 to data\.max_objects=50"):
        load_split(config(), data(folder, min_objects=4), "val")


@pytest.mark.parametrize("index", range(4))
def test_validation_with_objects_in_one_part_only_is_an_error(folder, index):
    rewrite(folder, "val", lambda content: [box.update(image_id=index) for box in content["annotations"]])
    with pytest.raises(UsageError, match=r"none of the \d (calibration|scored) images of validation has an object"):
        load_split(config(), data(folder, min_objects=0), "val")


# counts, caching, imports


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_synthetic_images_are_filtered_and_counted_alike(split):
    data_settings = Data(**SYNTHETIC, min_objects=3, max_objects=9)
    scenes = load_split(config(), data_settings, split)
    assert count_objects(data_settings, split).tolist() == scenes.counts.tolist()
    assert is_within_bounds(count_all_objects(data_settings, split), data_settings).sum() == len(scenes) < 20
    assert scenes.counts.min() >= 3


def test_a_split_is_made_once_for_all_trials_of_an_image_size():
    data_settings = Data(**SYNTHETIC, split_seed=99)
    prepare(config(), data_settings, ("train",))
    assert load_split(config(lr=0.5), data_settings, "train") is load_split(config(), data_settings, "train")
    assert load_split(Config(image_size=96), data_settings, "train").images.shape[1] == 96


def test_a_backbone_that_is_not_there_is_told_before_any_trial():
    with pytest.raises(
        UsageError, match=r"backbone=resnet19 is no model of timm: take small, or one of timm\.list_models"
    ):
        load("seq_attention").check(config(backbone="resnet19"), Data(**SYNTHETIC))


def test_data_are_prepared_and_measured_without_torch_timm_and_ray():
    code = """import sys, trainables.seq_attention.balance, trainables.seq_attention.pairs
sys.exit(bool({'torch', 'timm', 'ray'} & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
