"""Fixations in a table: scanpaths whatever the order of the rows, and what is refused."""

import csv
from pathlib import Path

import numpy as np
import pytest

from trainables.entropy_reg.config import Data
from trainables.entropy_reg.sources.fixations import list_images
from trainables.settings import UsageError

HEADER = ["image", "subject", "index", "x", "y", "duration_ms"]
ROWS = [
    ["b.png", "2", 0, 1.5, 2, 100],
    ["b.png", "2", 1, 3, 4.25, 100],
    ["a.png", "10", 0, 5, 6, 100],
    ["b.png", "1", 0, -7, 800, 100],
]


def write(root: Path, rows=ROWS, header=HEADER, images=("a.png", "b.png", "unseen.png")) -> Path:
    (root / "stimuli").mkdir(exist_ok=True)
    for name in images:
        (root / "stimuli" / name).parent.mkdir(exist_ok=True)
        (root / "stimuli" / name).touch()  # no image at all: nothing may open it
    with (root / "fixations.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return root


def read(root: Path):
    return list_images(Data(source="fixations", root=str(root)))


def change_row(index: int, column: str, value) -> list[list]:
    rows = [list(row) for row in ROWS]
    rows[index][HEADER.index(column)] = value
    return rows


# what is read


def test_images_come_by_name_with_the_scanpath_of_each_subject(tmp_path):
    first, second = read(write(tmp_path))
    assert (first.name, second.name) == ("a.png", "b.png")
    assert first.file == tmp_path / "stimuli" / "a.png"
    assert first.size is None
    assert [path.tolist() for path in first.scanpaths] == [[[5.0, 6.0]]]
    assert [path.tolist() for path in second.scanpaths] == [[[-7.0, 800.0]], [[1.5, 2.0], [3.0, 4.25]]]
    assert {path.dtype for image in (first, second) for path in image.scanpaths} == {np.dtype(np.float32)}


def test_rows_may_come_in_any_order(tmp_path):
    rng = np.random.default_rng(0)
    paths = {(f"{name}.png", subject): rng.uniform(0, 90, (length, 2)).astype(np.float32) for name, subject, length in
             [("a", "x", 12), ("a", "y", 1), ("b", "y", 30), ("c/d", "z", 11)]}  # fmt: skip
    rows = [
        [*key, index, *map(repr, map(float, point)), 0]
        for key, path in paths.items()
        for index, point in enumerate(path)
    ]
    names = {name for name, _ in paths}
    rows_in_any_order = [rows[index] for index in rng.permutation(len(rows))]
    found = read(write(tmp_path, rows_in_any_order, images=names))
    assert [image.name for image in found] == ["a.png", "b.png", "c/d.png"]
    read_back = [path for image in found for path in image.scanpaths]
    for path, expected in zip(read_back, paths.values(), strict=True):
        np.testing.assert_array_equal(path, expected)


def test_an_index_is_a_number_and_need_not_begin_at_0(tmp_path):
    rows = [["a.png", "s", number, number, 0, 1] for number in (10, 9, 100)]
    (only,) = read(write(tmp_path, rows))
    assert only.scanpaths[0][:, 0].tolist() == [9, 10, 100]


def test_images_without_fixations_are_left_out(tmp_path):
    assert "unseen.png" not in [image.name for image in read(write(tmp_path))]


def test_two_ways_to_write_a_path_are_one_image(tmp_path):
    (only,) = read(write(tmp_path, [["./a.png", "s", 1, 1, 1, 1], ["a.png", "s", 0, 2, 2, 2]]))
    assert only.name == "a.png"
    assert only.scanpaths[0].tolist() == [[2, 2], [1, 1]]


def test_a_byte_order_mark_other_columns_and_empty_lines_do_no_harm(tmp_path):
    write(tmp_path, images=["NA"])
    text = "y,x,index,subject,note,image\n\n2,1,0,NA,,NA\n\n"
    (tmp_path / "fixations.csv").write_text(text, encoding="utf-8-sig")
    (only,) = read(tmp_path)
    assert (only.name, only.scanpaths[0].tolist()) == ("NA", [[1, 2]])


def test_names_that_look_like_numbers_are_names(tmp_path):
    assert [image.name for image in read(write(tmp_path, [["007", "1", 0, 1, 1, 1]], images=["007"]))] == ["007"]


def test_lines_are_counted_with_the_empty_ones(tmp_path):
    write(tmp_path)
    (tmp_path / "fixations.csv").write_text("image,subject,index,x,y\n\n\na.png,1,0,1,no\n")
    with pytest.raises(UsageError, match="line 4, says 'no' under y"):
        read(tmp_path)


def test_real_fixations_are_those_of_the_table(real_data):
    root = real_data("fixations")
    found = read(root)
    assert len(found) == 700
    assert sum(len(image.scanpaths) for image in found) == 10500
    with (root / "fixations.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["image"] == found[350].name and row["subject"] == "3"]
    expected = [[float(row["x"]), float(row["y"])] for row in sorted(rows, key=lambda row: int(row["index"]))]
    assert any(np.array_equal(path, np.array(expected, np.float32)) for path in found[350].scanpaths)
    assert sum(len(path) for image in found for path in image.scanpaths) == 98321


# what is refused

REFUSED = {
    r"csv, line 3, says 'nan' under x: give a finite number": change_row(1, "x", "nan"),
    r"csv, line 4, says 'inf' under y": change_row(2, "y", "inf"),
    r"csv, line 2, says '1e\+?300' under y": change_row(0, "y", "1e300"),
    r"csv, line 5, says 'left' under x": change_row(3, "x", "left"),
    r"csv, line 3, says nothing under y": change_row(1, "y", ""),
    r"csv, line 3, says 'first' under index": change_row(1, "index", "first"),
    r"csv, line 2, says nothing under subject: complete it": change_row(0, "subject", ""),
    r"csv, line 4, says nothing under image": change_row(2, "image", ""),
    r"csv, line 4, names the image c\.png, which \S+stimuli does not hold: add it": change_row(2, "image", "c.png"),
    r"has index 0 of subject 2 on b\.png twice, in lines 2 and 3": change_row(1, "index", 0),
    r"has index 1 of subject 1 on b\.png twice, in lines 5 and 6": [
        *change_row(3, "index", 1), ["./b.png", 1, 1.0, 0, 0],
    ],
    r"has no rows": [],
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "rows"), REFUSED.items())
def test_what_cannot_be_right_is_refused(tmp_path, sentence, rows):
    with pytest.raises(UsageError, match=sentence):
        read(write(tmp_path, rows))


@pytest.mark.parametrize("column", HEADER[:5])
def test_a_missing_column_is_named(tmp_path, column):
    header = [f"{name}s" if name == column else name for name in HEADER]
    with pytest.raises(UsageError, match=rf"lacks the column {column}: its first line"):
        read(write(tmp_path, header=header))


def test_a_missing_or_broken_table_is_refused(tmp_path):
    (tmp_path / "stimuli").mkdir()
    with pytest.raises(UsageError, match=r"fixations\.csv is missing: data\.root is the folder"):
        read(tmp_path)
    for content in (
        b"",
        b"image,subject,index,x,y\n\xff\xfe,1,0,1,1\n",
        b'image,subject\n"a,1\n',
        b"a,b\n1,2\n1,2,3\n",
    ):
        (tmp_path / "fixations.csv").write_bytes(content)
        with pytest.raises(UsageError, match=r"fixations\.csv is no table of comma-separated values"):
            read(tmp_path)


def test_more_values_than_columns_are_refused_and_not_taken_for_labels(tmp_path):
    with pytest.raises(UsageError, match="more values in a row than columns"):
        read(write(tmp_path, [[*row, 1] for row in ROWS]))


def test_a_missing_folder_of_images_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "stimuli").rename(tmp_path / "images")
    with pytest.raises(UsageError, match=r"line 2, names the image b\.png, which \S+stimuli does not hold"):
        read(tmp_path)
