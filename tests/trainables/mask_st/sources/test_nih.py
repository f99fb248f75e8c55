"""The ChestX-ray14 layout and its traps."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split, prepare
from trainables.mask_st.split import Examples
from trainables.settings import UsageError

SMALL = Config(image_size=32)
HEADER = "Image Index,Finding Labels,Follow-up #,Patient ID,View Position\n"
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"  # with the empty columns of the official file


class Folder:
    """ChestX-ray14's layout: 12 patients of two images for train_val, 3 for test; images of 80×40 pixels."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.train_val = [f"{patient:08d}_{image:03d}.png" for patient in range(1, 13) for image in range(2)]
        self.test = [f"{patient:08d}_{image:03d}.png" for patient in range(13, 16) for image in range(2)]
        findings = ["No Finding", "Mass", "Mass|Nodule", "Infiltration"]
        names = self.train_val + self.test
        self.findings = {name: findings[index % 4] for index, name in enumerate(names)}
        for index, name in enumerate(names):
            folder = root / f"images_{index % 2 + 1:03d}" / "images"
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("L", (80, 40), 8 * index).save(folder / name)
        self.boxes(f"{self.test[0]},Infiltrate,20,10,40,20,,,\n")
        self.lists()
        self.entries()

    def boxes(self, lines: str) -> None:
        (self.root / "BBox_List_2017.csv").write_text(BOX_HEADER + lines)

    def lists(self, also_train: str = "", also_test: str = "") -> None:
        (self.root / "train_val_list.txt").write_text("\n".join([*self.train_val, also_train]))
        (self.root / "test_list.txt").write_text("\n".join([*self.test, also_test]))

    def entries(self, header: str = HEADER, patient: str | None = None) -> None:
        rows = [f"{name},{findings},0,{patient or int(name[:8])},PA" for name, findings in self.findings.items()]
        (self.root / "Data_Entry_2017.csv").write_text(header + "\n".join(rows) + "\n")

    def path(self, name: str) -> Path:
        return next(self.root.rglob(name))

    def data(self, **settings) -> Data:
        return Data(source="nih", root=str(self.root), cache=str(self.root / "cache"), **settings)

    def load(self, split, **settings) -> Examples:
        return load_split(SMALL, self.data(**settings), split)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_no_test_image_is_in_training_and_no_patient_in_two_splits(folder):
    """The published training file was made of all images, those of the test list included."""
    splits = [folder.load(split) for split in ("train", "val", "test")]
    assert sorted(splits[2].names) == folder.test
    assert sorted(splits[0].names + splits[1].names) == folder.train_val
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert not set(splits[one].names) & set(splits[other].names)
        assert not set(splits[one].patients) & set(splits[other].patients)


def test_every_example_has_its_own_picture_and_labels(folder):
    for split in ("train", "val", "test"):
        examples = folder.load(split)
        images, labels = examples.batch(range(len(examples)))
        for row, name in enumerate(examples.names):
            assert images[row].max() == np.asarray(Image.open(folder.path(name))).max()
            findings = {name for name, label in zip(examples.classes, labels[row], strict=True) if label}
            assert findings == set(folder.findings[name].split("|")) - {"No Finding"}


def test_no_finding_is_no_class_and_classes_are_those_of_train_val(folder):
    folder.findings[folder.test[0]] = "Hernia|Mass"
    folder.findings[folder.test[1]] = "Fibrosis"
    folder.entries()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a search is told nothing of the test list
        assert folder.load("train").classes == folder.load("val").classes == ("Infiltration", "Mass", "Nodule")
    with pytest.warns(UserWarning, match="train_val_list.txt has none of them: Fibrosis, Hernia") as caught:
        test = folder.load("test")
    assert len(caught) == 1
    assert test.classes == ("Infiltration", "Mass", "Nodule")
    np.testing.assert_array_equal(test.batch([0, 1])[1], [[0, 1, 0], [0, 0, 0]])


def test_training_opens_no_test_image(folder):
    for name in folder.test:
        folder.path(name).write_bytes(b"opened")
    folder.load("train")
    folder.load("val")
    with pytest.raises(UsageError, match=r"6 of 6 chest X-rays.*00000013_000\.png"):
        folder.load("test")


def test_an_image_that_a_list_names_twice_counts_once(folder):
    folder.lists(also_test=folder.test[0])
    assert folder.load("test").names == folder.test


def test_lists_that_share_an_image_are_refused(folder):
    folder.lists(also_train=folder.test[0])
    with pytest.raises(UsageError, match=r"share 1 images, 00000013_000\.png"):
        folder.load("train")


def test_lists_that_share_a_patient_are_refused(folder):
    folder.test.remove("00000015_001.png")
    folder.lists(also_train="00000015_001.png")
    with pytest.raises(UsageError, match="share 1 patients, 15"):
        folder.load("train")


def test_without_a_patient_column_the_file_name_tells_the_patient(folder):
    by_column = folder.load("val").names
    folder.entries(header=HEADER.replace("Patient ID", "Age"))
    by_name = folder.load("val", val_share=0.21)  # other settings, so that nothing is remembered
    assert len({name[:8] for name in by_name.names}) == len(set(by_name.patients))
    assert len(by_name) == len(by_column) + 2 * (round(0.21 * 12) - round(0.2 * 12))


def test_a_patient_is_the_same_however_many_zeros_spell_the_number(folder):
    folder.findings = {name: findings for name, findings in folder.findings.items() if name != "00000013_001.png"}
    folder.test.remove("00000013_001.png")
    folder.lists()
    folder.entries(header=HEADER + "00000013_001.png,Mass,0,00000012,PA\n")
    folder.test.append("00000013_001.png")
    folder.lists()
    with pytest.raises(UsageError, match="share 1 patients, 12"):
        folder.load("train")


def test_the_patient_column_overrides_the_file_name(folder):
    folder.entries(patient="7")
    with pytest.raises(UsageError, match="share 1 patients, 7"):
        folder.load("train")


def test_calibration_divides_no_patient(folder):
    val = folder.load("val", val_share=0.5)
    patients = np.array(val.patients)
    assert val.calibration.any()
    assert not set(patients[val.calibration]) & set(patients[~val.calibration])


def test_boxes_are_scaled_by_the_stored_size_and_infiltrate_is_infiltration(folder):
    test = folder.load("test")
    row = test.names.index(folder.test[0])
    np.testing.assert_allclose(test.boxes[row], [[8, 8, 24, 24]])  # 80 × 40 pixels become 32 × 32
    assert test.findings[row] == ("Infiltration",)
    assert all(boxes.shape == (0, 4) for index, boxes in enumerate(test.boxes) if index != row)


def test_boxes_are_clipped_to_the_image(folder):
    folder.boxes(f"{folder.test[0]},Mass,60,-5,40,20\n")
    np.testing.assert_allclose(folder.load("test").boxes[0], [[24, 0, 32, 12]])


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        ("500,300,90,80", "outside its image of 80×40"),
        ("1,x,2,3", "not four numbers"),
        ("nan,1,2,3", "outside"),
    ],
)
def test_boxes_that_cannot_be_right_are_refused(folder, box, complaint):
    folder.boxes(f"{folder.test[0]},Mass,{box}\n")
    with pytest.raises(UsageError, match=complaint):
        folder.load("test")


@pytest.mark.parametrize("name", ["Data_Entry_2017.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt"])
def test_a_missing_file_is_named(folder, name):
    (folder.root / name).unlink()
    with pytest.raises(UsageError, match=f"{name} is missing"):
        folder.load("train")


def test_a_folder_without_images_says_where_they_belong(folder):
    for images in folder.root.glob("images_*"):
        images.rename(folder.root / f"moved_{images.name}")
    with pytest.raises(UsageError, match="belong in images/"):
        folder.load("train")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (HEADER.replace("Finding Labels", "Labels"), "no column 'Finding Labels'"),
        (HEADER + "00000001_000.png,,0,1,PA\n", "lacks a finding"),
        (HEADER + "scan.png,Mass,0,,PA\n", r"not for scan\.png \(1 such\)"),
        (HEADER.replace("Patient ID", "Age") + "scan.png,Mass,0,,PA\n", "lacks a finding or a patient"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(folder, wrong, complaint):
    folder.entries(header=wrong)
    with pytest.raises(UsageError, match=complaint):
        folder.load("train")


def test_a_listed_image_without_a_row_is_named(folder):
    folder.lists(also_train="00000099_000.png")
    with pytest.raises(UsageError, match=r"00000099_000\.png"):
        folder.load("train")


def test_damaged_and_missing_images_stop_or_are_left_out(folder):
    broken, missing = folder.train_val[0], folder.train_val[5]
    folder.path(broken).write_bytes(b"no picture")
    folder.path(missing).unlink()
    with pytest.raises(UsageError, match=f"2 of 24 chest X-rays.*{broken}.*{missing}.*bad_images=skip"):
        folder.load("train")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        splits = [folder.load(split, bad_images="skip") for split in ("train", "val")]
    assert len(caught) == 1
    assert sum(map(len, splits)) == 22
    for examples in splits:
        assert [name for name, _ in examples.bad] == [broken, missing]
        images, _ = examples.batch(range(len(examples)))
        for row, name in enumerate(examples.names):  # the rows behind the gaps are still their own
            assert images[row].max() == np.asarray(Image.open(folder.path(name))).max()


def test_prepare_fills_the_cache_for_the_splits_that_are_asked_for(folder):
    prepare(SMALL, folder.data(), ("train", "val"))
    assert len(list((folder.root / "cache").glob("*/pixels.bin"))) == 1  # train and val share the images of one list
    prepare(SMALL, folder.data(), ("test",))
    assert len(list((folder.root / "cache").glob("*/pixels.bin"))) == 2
