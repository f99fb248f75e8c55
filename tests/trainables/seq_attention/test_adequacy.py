"""What is said of images that are too few to judge, and of counts that training never saw."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.support.tiny_scenes import build_scenes
from trainables.measuring import intervals
from trainables.seq_attention.adequacy import assess, check, describe
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import load_split


def scenes(counts, calibration=0):
    """Build a split of images with so many objects each; the first ones choose thresholds."""
    rng = np.random.default_rng(0)
    split = build_scenes([rng.uniform(0, 60, (count, 2)) for count in counts], 64)
    return replace(split, calibration=np.arange(len(split)) < calibration)


def list_findings(val, train, **data):
    return {finding.check: finding for finding in check("val", val, train, Data(**data))}


TRAIN = scenes([1, 2, 3, 5])


def test_a_line_counts_images_objects_and_what_is_scored():
    val = scenes([2, 1, 3, 4, 4], calibration=2)
    assert describe("val", val, Data(rollout_images=2)) == (
        "5 images · 14 objects, 1 to 4 an image · 2 for thresholds · 3 scored, with 11 objects; 2 of them by "
        "roll-outs, too"
    )
    assert describe("train", TRAIN, Data()) == "4 images · 11 objects, 1 to 5 an image"


@pytest.mark.parametrize(("scored", "severe"), [(1, True), (3, False), (17, False), (18, None)])
def test_few_scored_images_are_said_with_their_interval(scored, severe):
    findings = list_findings(scenes([2] * (scored + 2), calibration=2), TRAIN, train_size=9)
    assert ("few images" in findings) == (severe is not None)
    if severe is not None:
        assert findings["few images"].severe is severe
    if severe is False:
        assert f"±{intervals.mean_half_width(scored):.2g} times" in findings["few images"].message


def test_few_roll_outs_are_few_however_many_images_there_are():
    findings = list_findings(scenes([2] * 60, calibration=20), TRAIN, rollout_images=4)
    assert "val/count_score and the other metrics of roll-outs rest on 4 images" in findings["few images"].message
    assert "few images" not in list_findings(scenes([2] * 60, calibration=20), TRAIN, rollout_images=0)


def test_a_calibration_part_as_large_as_the_scored_part_is_said():
    findings = list_findings(scenes([2] * 40, calibration=20), TRAIN)
    assert findings["large calibration part"].message.startswith("validation has 20 images to choose thresholds on and")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([2] * 20, None),
        ([2] * 20 + [9], "validation scores 1 image with 9 objects, where training images have 1 to 5"),
        ([2] * 20 + [9, 0, 7], "validation scores 3 images with 0 to 9 objects, where training images have 1 to 5"),
    ],
)
def test_counts_that_training_never_saw_are_named(counts, message):
    findings = list_findings(scenes(counts), TRAIN)
    assert ("counts outside training" in findings) == (message is not None)
    assert message is None or findings["counts outside training"].message.startswith(message)


def test_five_real_images_are_too_few(real_data, tmp_path):
    bounds = {"min_objects": 20, "max_objects": 24}
    data = Data(source="coco", root=str(real_data("objects")), cache=str(tmp_path), **bounds)
    adequacy = assess(Config(image_size=32), data, ("train", "val"))
    assert adequacy.lines["val"].startswith("5 images · 109 objects, 20 to 24 an image · 2 for thresholds · 3 scored")
    assert [finding.check for finding in adequacy.findings] == ["few images"]


def test_objects_of_categories_that_training_never_saw_are_counted_by_name(tmp_path):
    """Two training and three validation images; only validation has platelets, and two images have none of them."""
    write_coco(tmp_path, "train", [["cell", "cell"], ["cell"]])
    write_coco(tmp_path, "val", [["cell", "platelet"], ["platelet", "platelet"], ["cell"]])
    data = Data(source="coco", root=str(tmp_path), cache=str(tmp_path / "cache"), test_share=0.1, min_objects=0)

    def categories(settings):
        findings = {item.check: item for item in assess(Config(image_size=32), settings, ("train", "val")).findings}
        return findings.get("categories outside training")

    val = load_split(Config(image_size=32), data, "val")
    scored = [name for name, part in zip(val.names, val.calibration, strict=True) if not part]
    count = sum({"val_0.png": 1, "val_1.png": 2, "val_2.png": 0}[name] for name in scored)
    finding = categories(data)
    assert f"training has none (platelet {count})" in finding.message and "data.categories=cell," in finding.message
    assert categories(replace(data, categories="cell")) is None


def write_coco(root, split, images):
    """Write black images of 40 × 40 pixels whose objects have these categories."""
    (root / "images").mkdir(exist_ok=True)
    ids = {"cell": 3, "platelet": 7}
    for index in range(len(images)):
        Image.new("RGB", (40, 40)).save(root / "images" / f"{split}_{index}.png")
    content = {
        "images": [{"id": index, "file_name": f"{split}_{index}.png"} for index in range(len(images))],
        "categories": [{"id": key, "name": name} for name, key in ids.items()],
        "annotations": [
            {"image_id": index, "category_id": ids[name], "bbox": [5 + 9 * place, 5, 4, 4]}
            for index, names in enumerate(images)
            for place, name in enumerate(names)
        ],
    }
    (root / f"instances_{split}.json").write_text(json.dumps(content))
