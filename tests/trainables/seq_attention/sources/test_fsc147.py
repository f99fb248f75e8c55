"""FSC-147's files: points of the resized images, classes, and what is refused."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from trainables.seq_attention.config import Data
from trainables.seq_attention.sources.fsc147 import list_images
from trainables.settings import UsageError

SPLITS = {"train": ["2.jpg", "10.jpg"], "val": ["3.jpg"], "test": ["4.jpg", "5.jpg"], "val_coco": ["3.jpg"]}
CLASSES = {"2.jpg": "sea shells", "10.jpg": "hot air balloons", "3.jpg": "peppers", "4.jpg": "geese", "5.jpg": "geese"}
POINTS = {
    name: {"H": 2848, "W": 4272, "ratio_h": 0.13, "points": [[index + 0.5, 7], [3, 4]], "r": [1, 2]}
    for index, name in enumerate(CLASSES)
}


def write(root: Path, points=POINTS, splits=SPLITS, classes=CLASSES) -> None:
    (root / "annotation_FSC147_384.json").write_text(json.dumps(points))
    (root / "Train_Test_Val_FSC_147.json").write_text(json.dumps(splits))
    lines = classes if isinstance(classes, str) else "".join(f"{name}\t{kind}\n" for name, kind in classes.items())
    (root / "ImageClasses_FSC147.txt").write_text(lines)


def read(root: Path, split="train", points=POINTS, splits=SPLITS, classes=CLASSES, **data):
    write(root, points, splits, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return list_images(Data(source="fsc147", root=str(root), **data), split)


def test_points_are_taken_as_they_are_for_the_resized_image_has_another_size(tmp_path):
    first, second = read(tmp_path)
    assert (first.name, second.name) == ("10.jpg", "2.jpg")
    assert first.points.tolist() == [[1.5, 7.0], [3.0, 4.0]]
    assert first.points.dtype == np.float32
    assert first.file == tmp_path / "images_384_VarV2" / "10.jpg"
    assert first.size is None  # H and W are those before resizing


def test_each_split_has_its_images(tmp_path):
    assert [image.name for image in read(tmp_path, "test")] == ["4.jpg", "5.jpg"]
    assert [image.name for image in read(tmp_path, "val")] == ["3.jpg"]


def test_only_points_are_needed_and_there_may_be_none(tmp_path):
    (only,) = read(tmp_path, "val", points={**POINTS, "3.jpg": {"points": []}})
    assert only.points.shape == (0, 2)


def test_classes_are_chosen_by_name(tmp_path):
    assert [image.name for image in read(tmp_path, categories="sea shells, geese")] == ["2.jpg"]
    assert len(read(tmp_path, "test", categories="sea shells, geese")) == 2
    assert not read(tmp_path, "val", categories="sea shells, geese")


def test_lines_may_end_as_under_windows(tmp_path):
    lines = "\r\n".join(f"{name}\t{kind}" for name, kind in CLASSES.items()) + "\r\n\r\n"
    assert [image.name for image in read(tmp_path, categories="sea shells", classes=lines)] == ["2.jpg"]


def test_a_class_on_both_sides_is_warned_of(tmp_path):
    write(tmp_path, classes={**CLASSES, "2.jpg": "geese"})
    with pytest.warns(UserWarning, match="train and test share the classes geese"):
        list_images(Data(source="fsc147", root=str(tmp_path)), "val")


@pytest.mark.parametrize(
    ("sentence", "change"),
    {
        r"has 3\.jpg in both train and val": {"splits": SPLITS | {"train": ["2.jpg", "3.jpg"]}},
        r"has 2\.jpg in both train and test": {"splits": SPLITS | {"test": ["2.jpg", "4.jpg"]}},
        r"annotation_FSC147_384\.json lacks 6\.jpg of the test split": {"splits": SPLITS | {"test": ["6.jpg"]}},
        r"ImageClasses_FSC147\.txt lacks 3\.jpg of the val split": {
            "classes": {name: kind for name, kind in CLASSES.items() if name != "3.jpg"}
        },
        r"has the line '2\.jpg sea shells': it must read FILE, a tab, CLASS": {"classes": "2.jpg sea shells\n"},
        r"lacks 'val', a list": {"splits": {"train": [], "test": []}},
        r"2\.jpg in annotation_FSC147_384\.json has no list of points": {"points": POINTS | {"2.jpg": {}}},
        r"10\.jpg in .* has no list of points": {"points": POINTS | {"10.jpg": {"points": [[1, 2, 3]]}}},
        r"4\.jpg in .* of finite numbers": {"points": POINTS | {"4.jpg": {"points": [[1, float("nan")]]}}},
        r"5\.jpg in .* of finite numbers": {"points": POINTS | {"5.jpg": {"points": [["1", "2"]]}}},
        "unknown category 'sea shell'; did you mean 'sea shells'": {"categories": "sea shell"},
    }.items(),
)
@pytest.mark.parametrize("split_name", ["train", "val"])
def test_what_cannot_be_right_is_refused_whichever_split_is_asked_for(tmp_path, sentence, change, split_name):
    with pytest.raises(UsageError, match=sentence):
        read(tmp_path, split_name, **change)


@pytest.mark.parametrize(
    "name", ["annotation_FSC147_384.json", "Train_Test_Val_FSC_147.json", "ImageClasses_FSC147.txt"]
)
def test_a_missing_file_is_named(tmp_path, name):
    read(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UsageError, match=f"{name} is missing"):
        list_images(Data(source="fsc147", root=str(tmp_path), categories="geese"), "train")
