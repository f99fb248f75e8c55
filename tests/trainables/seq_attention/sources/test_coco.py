"""Annotations in COCO's format: both layouts, the objects in them, and what is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from trainables.seq_attention.config import Data
from trainables.seq_attention.sources.coco import list_images
from trainables.settings import UsageError

NAN = float("nan")
CATEGORIES = [{"id": 3, "name": "cell"}, {"id": 7, "name": "platelet"}]


def image(key: int, name: str, **fields) -> dict:
    return {"id": key, "file_name": name, "width": 100, "height": 80, **fields}


def box(key: int, numbers=(10, 20, 4, 6), category: int = 3, **fields) -> dict:
    return {"image_id": key, "bbox": list(numbers), "category_id": category, "iscrowd": 0, **fields}


def content(images=(), annotations=(), categories=CATEGORIES) -> dict:
    return {"images": list(images), "annotations": list(annotations), "categories": list(categories)}


def write(root: Path, path: str, annotations: dict) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(annotations))


@pytest.fixture
def small(tmp_path):
    """Three splits of an image or two; changed by the tests before they are read."""
    (tmp_path / "images").mkdir()
    for split, names in {"train": ["b.png", "a.png"], "val": ["c.png"], "test": ["d.png"]}.items():
        annotations = content([image(index, name) for index, name in enumerate(names)], [box(0)])
        write(tmp_path, f"instances_{split}.json", annotations)
    return tmp_path


def read(root: Path, split="train", **data):
    return list_images(Data(source="coco", root=str(root), **data), split)


def change(root: Path, split: str = "train", **parts) -> None:
    file = root / f"instances_{split}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | parts))


# what is read


def test_an_object_is_the_middle_of_its_box_and_images_come_by_name(small):
    change(small, annotations=[box(0, (10, 20, 4, 6)), box(1, (0.5, 1, 3, 0)), box(0, (90, 70, 10, 10))])
    first, second = read(small)
    assert (first.name, second.name) == ("a.png", "b.png")
    assert first.points.tolist() == [[2.0, 1.0]]
    assert second.points.tolist() == [[12.0, 23.0], [95.0, 75.0]]
    assert first.points.dtype == np.float32
    assert first.size == (100, 80)
    assert first.file == small / "images" / "a.png"


def test_images_without_annotations_have_no_objects_and_crowds_are_none(small):
    change(small, annotations=[box(0, iscrowd=1), {**box(0), "iscrowd": 1, "bbox": [0, 0, 500, 500]}])
    assert [image.points.shape for image in read(small)] == [(0, 2), (0, 2)]


def test_whole_numbers_written_as_floats_are_the_same_ids(small):
    images = [image(0.0, "b.png"), image(1, "a.png")]
    annotations = [box(0), box(0.0), box(1.0, category=7.0)]
    change(small, images=images, annotations=annotations, categories=[{**CATEGORIES[0], "id": 3.0}, CATEGORIES[1]])
    assert [len(image.points) for image in read(small)] == [1, 2]
    assert [len(image.points) for image in read(small, categories="cell")] == [0, 2]
    change(small, annotations=[box(5.0)])
    with pytest.raises(UsageError, match="annotates image_id=5, which"):
        read(small, test_share=0.4)


def test_categories_are_chosen_by_name(small):
    change(small, annotations=[box(0), box(0, (50, 50, 2, 2), category=7), box(1, category=7)])
    assert [len(image.points) for image in read(small)] == [1, 2]
    assert [len(image.points) for image in read(small, categories="cell")] == [0, 1]
    assert [len(image.points) for image in read(small, categories=" platelet , cell")] == [1, 2]


def test_a_category_has_the_number_of_its_own_file(small):
    change(small, "val", categories=[{"id": 3, "name": "platelet"}], annotations=[box(0, category=3)])
    assert [len(image.points) for image in read(small, "val", categories="cell")] == [0]
    assert [len(image.points) for image in read(small, "val", categories="platelet")] == [1]


@pytest.mark.parametrize("size", [{"width": None}, {"width": 0, "height": 0}])
def test_a_size_need_not_be_given(small, size):
    change(small, "val", images=[image(0, "c.png", **size)], annotations=[box(0, (900, 0, 2, 2))])
    (listing,) = read(small, "val")
    assert listing.size is None
    assert listing.points.tolist() == [[901, 1]]


def test_real_annotations_have_the_numbers_that_they_are_known_for(real_data):
    root = real_data("objects")
    listing = {split: read(root, split) for split in ("train", "val", "test")}
    assert {split: len(images) for split, images in listing.items()} == {"train": 205, "val": 87, "test": 72}
    objects = {split: sum(len(image.points) for image in images) for split, images in listing.items()}
    assert objects == {"train": 2804, "val": 1137, "test": 945}
    assert all(image.file.is_file() and image.size == (640, 480) for images in listing.values() for image in images)


# layouts


@pytest.fixture
def standard(tmp_path):
    """COCO's own layout, without annotations of test images."""
    for split, many in {"train": 3, "val": 20}.items():
        names = [f"{index:012d}.jpg" if split == "train" else f"9{index:011d}.jpg" for index in range(many)]
        images = [image(index, name) for index, name in enumerate(names)]
        write(
            tmp_path, f"annotations/instances_{split}2017.json", content(images, [box(index) for index in range(many)])
        )
        (tmp_path / f"{split}2017").mkdir()
        (tmp_path / f"{split}2017" / names[0]).touch()
    write(tmp_path, "annotations/captions_val2017.json", {})
    write(tmp_path, "annotations/image_info_test2017.json", {})
    return tmp_path


def test_cocos_own_layout_is_read(standard):
    train, val = read(standard), read(standard, "val")
    assert train[0].file == standard / "train2017" / "000000000000.jpg"
    assert val[0].file.parent == standard / "val2017"
    assert len(train) == 3


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_where_there_is_no_test_file_validation_is_divided_by_name(standard, share):
    val, test = ([image.name for image in read(standard, split, test_share=share)] for split in ("val", "test"))
    assert len(test) == round(20 * share)
    assert sorted(val + test) == [f"9{index:011d}.jpg" for index in range(20)]
    assert test == [image.name for image in read(standard, "test", test_share=share, categories="cell")]
    if share == 0.5:
        assert test != [image.name for image in read(standard, "test", test_share=share, split_seed=1)]


def test_a_test_file_is_taken_where_there_is_one(small):
    assert [image.name for image in read(small, "test")] == ["d.png"]
    assert [image.name for image in read(small, "val")] == ["c.png"]


def test_validation_of_a_single_image_cannot_be_divided(small):
    (small / "instances_test.json").unlink()
    with pytest.raises(UsageError, match=r"validation has 1 image to divide, and there is no instances_test\.json"):
        read(small)


def test_images_may_lie_in_a_folder_of_images(standard):
    (standard / "images").mkdir()
    (standard / "val2017").rename(standard / "images" / "val2017")
    assert read(standard, "val")[0].file.parent == standard / "images" / "val2017"


def test_annotations_of_no_year_are_read_and_several_years_are_not_guessed(standard):
    folder = standard / "annotations"
    write(standard, "annotations/instances_train2014.json", content([image(0, "x.jpg")]))
    pattern = (
        r"instances_train2014\.json, annotations.instances_train2017\.json: name one of them instances_train\.json"
    )
    with pytest.raises(UsageError, match=pattern):
        read(standard)
    (folder / "instances_train2014.json").rename(folder / "instances_train.json")
    assert [image.name for image in read(standard, test_share=0.4)] == ["x.jpg"]


@pytest.mark.parametrize("parent", [".", "images"])
def test_annotations_renamed_as_the_refusal_says_find_the_images_of_their_year(standard, parent):
    folder = standard / "annotations"
    write(standard, "annotations/instances_train2014.json", content([image(0, "x.jpg")]))
    (standard / "train2014").mkdir()
    (folder / "instances_train2017.json").rename(folder / "instances_train.json")
    (standard / parent).mkdir(exist_ok=True)
    (standard / "train2017").rename(standard / parent / "train2017")
    first = read(standard)[0].file
    assert first == standard / parent / "train2017" / "000000000000.jpg"
    (standard / "train2014" / first.name).touch()  # now either year could be meant
    assert read(standard, test_share=0.4)[0].file == standard / (parent if parent == "images" else "") / first.name


# what is refused


REFUSED = {
    r"the box \[1, 2, 3\]:": {"annotations": [box(0, (1, 2, 3))]},
    r"b\.png has the box \[1, 2, nan, 3\]": {"annotations": [box(0, (1, 2, NAN, 3))]},
    r"b\.png has the box \[1, 2, 3, inf\]": {"annotations": [box(0, (1, 2, 3, float("inf")))]},
    r"b\.png has the box \[1, 2, -3, 4\]": {"annotations": [box(0, (1, 2, -3, 4))]},
    r"b\.png has the box \['1', 2, 3, 4\]": {"annotations": [box(0, ("1", 2, 3, 4))]},
    r"b\.png has an object at x=102, y=21, outside its 100×80 pixels \(1 of 2 are\)": {
        "annotations": [box(0), box(0, (100, 20, 4, 2))]
    },
    r"b\.png has an object at x=12, y=-3": {"annotations": [box(0, (10, -6, 4, 6))]},
    "annotates image_id=5, which is not among its images": {"annotations": [box(5)]},
    r"two images of id=4": {"images": [image(4, "a.png"), image(4, "b.png")], "annotations": []},
    r"two images of file_name=a\.png": {"images": [image(1, "a.png"), image(2, "./a.png")], "annotations": []},
    r"a\.png is 100×-3 pixels": {"images": [image(0, "a.png", height=-3)]},
    r"a\.png is 100×80 pixels": {"images": [image(0, "a.png", height="80")]},
    r"a\.png is 100×inf pixels": {"images": [image(0, "a.png", height=float("inf"))]},
    r"image_id is 1\.5, not a whole number, in \S+train\.json, annotation": {"annotations": [box(1.5)]},
    r"id is nan, not a whole number, in \S+train\.json, image": {"images": [image(NAN, "a.png")]},
    "bbox is missing": {"annotations": [{"image_id": 0}]},
    "image_id is missing": {"annotations": [{"bbox": [1, 2, 3, 4]}]},
    "file_name is missing": {"images": [{"id": 3}]},
    "id is missing": {"images": [{"file_name": "a.png"}]},
    "name is missing": {"categories": [{"id": 3}]},
    "id is missing in .*, annotation 7": {"annotations": [7]},
    "lacks 'images', a list": {"images": None},
    "lacks 'annotations', a list": {"annotations": {"1": 2}},
    "lacks 'categories', a list": {"categories": "none"},
}


@pytest.mark.parametrize(("sentence", "parts"), REFUSED.items())
@pytest.mark.parametrize("split_name", ["train", "test"])
def test_what_cannot_be_right_is_refused_whichever_split_is_asked_for(small, sentence, parts, split_name):
    change(small, **parts)
    with pytest.raises(UsageError, match=sentence):
        read(small, split_name)


def test_a_box_may_end_within_a_pixel_outside(small):
    change(small, annotations=[box(0, (99, 79, 3, 3))])
    assert read(small)[1].points.tolist() == [[100.5, 80.5]]


@pytest.mark.parametrize(("left_split", "right_split"), [("train", "test"), ("train", "val"), ("val", "test")])
@pytest.mark.parametrize("split_name", ["train", "val", "test"])
def test_an_image_in_two_splits_is_refused_whichever_is_asked_for(small, left_split, right_split, split_name):
    for split in (left_split, right_split):
        change(small, split, images=[image(0, "shared.png")])
    with pytest.raises(UsageError, match=rf"has \S+shared\.png in both {left_split} and {right_split}"):
        read(small, split_name)


def test_an_image_in_two_splits_is_refused_without_a_test_file_too(standard):
    for split in ("train", "val"):
        (standard / f"{split}2017").rename(standard / f"moved_{split}")
    (standard / "images").mkdir()
    val = json.loads((standard / "annotations" / "instances_val2017.json").read_text())
    val["images"].append(image(99, "000000000001.jpg"))
    write(standard, "annotations/instances_val2017.json", val)
    with pytest.raises(UsageError, match=r"has \S+000000000001\.jpg in both train and val"):
        read(standard, "test")


def same_names(root: Path) -> None:
    """Train and val of one name, each in its own folder."""
    for split in ("train", "val"):
        change(root, split, images=[image(0, "0001.png")], annotations=[box(0)])
        (root / split).mkdir()
        (root / split / "0001.png").write_bytes(split.encode())


def test_images_of_one_name_in_the_folders_of_two_splits_are_two_images(small):
    same_names(small)
    listing = {split: read(small, split)[0].file for split in ("train", "val")}
    assert {split: file.read_text() for split, file in listing.items()} == {"train": "train", "val": "val"}


def test_a_file_that_two_splits_reach_by_different_paths_is_refused(small):
    same_names(small)
    (small / "val" / "0001.png").unlink()
    (small / "val" / "0001.png").symlink_to(small / "train" / "0001.png")
    with pytest.raises(UsageError, match=r"has \S+train/0001\.png in both train and val"):
        read(small)


def test_a_file_that_is_missing_or_broken_is_refused(small):
    (small / "instances_val.json").write_text("{")
    with pytest.raises(UsageError, match=r"instances_val\.json is no JSON"):
        read(small)
    (small / "instances_val.json").write_text("[]")
    with pytest.raises(UsageError, match=r"instances_val\.json holds no object, but a list"):
        read(small)
    (small / "instances_val.json").unlink()
    with pytest.raises(UsageError, match=r"has no instances_val\.json, and neither has its folder annotations"):
        read(small)
    (small / "instances_val.json").write_bytes(os.urandom(50) + b"\xff")
    with pytest.raises(UsageError, match=r"instances_val\.json is no JSON"):
        read(small)


def test_an_unknown_category_is_refused_with_the_nearest(small):
    with pytest.raises(
        UsageError, match=r"data\.categories=cell,platelets: unknown category 'platelets'; did you mean"
    ):
        read(small, categories="cell,platelets")
