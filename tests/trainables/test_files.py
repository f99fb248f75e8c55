"""Files that survive a kill."""

import errno
import json

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.files import OLD_RESULT, RESULT, append_line, read_lines, replace_text, replacement, result_file


def test_lines_are_read_back_and_a_missing_file_has_none(tmp_path):
    path = tmp_path / "lines.json"
    assert read_lines(path) == []
    append_line(path, {"epoch": 1, "name": "Zürich"})
    append_line(path, {"epoch": 2, "value": float("inf")})
    assert read_lines(path) == [{"epoch": 1, "name": "Zürich"}, {"epoch": 2, "value": float("inf")}]


@pytest.mark.parametrize("length", range(1, 24))
def test_a_line_torn_anywhere_is_left_out(tmp_path, length):
    path = tmp_path / "lines.json"
    append_line(path, {"epoch": 1})
    whole = json.dumps({"epoch": 2, "value": 0.125})
    with path.open("a") as file:
        file.write(whole[: min(length, len(whole) - 1)])
    assert read_lines(path) == [{"epoch": 1}]


def test_a_line_after_a_torn_one_is_not_lost(tmp_path):
    path = tmp_path / "lines.json"
    path.write_text('{"epoch": 1}\n{"epo')
    append_line(path, {"epoch": 2})
    assert {"epoch": 2} in read_lines(path)


def test_a_write_that_fails_leaves_the_old_text(tmp_path):
    path = tmp_path / "text.txt"
    replace_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(path, "new \ud800")
    assert path.read_text() == "old"


def test_a_file_that_a_full_disk_cuts_short_is_told_by_its_name_and_leaves_nothing(tmp_path, small_files):
    path = tmp_path / "last.pt"
    replace_text(path, "old")
    with small_files(1 << 14):
        for write in (
            lambda file: torch.save(torch.zeros(1 << 16), file),  # torch hides why it could not
            lambda file: Image.fromarray(_noise()).save(file, "PNG"),
            lambda file: file.write(b"x" * (1 << 17)),
        ):
            with pytest.raises(OSError, match=r"File too large: '.*last\.pt'") as caught, replacement(path) as file:
                write(file)
            assert caught.value.errno == errno.EFBIG
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]
    assert path.read_text() == "old"


def test_reports_of_an_earlier_version_are_found_and_those_of_ray_are_not_taken_for_them(tmp_path):
    assert result_file(tmp_path).name == RESULT
    append_line(tmp_path / OLD_RESULT, {"epoch": 1})
    assert result_file(tmp_path).name == OLD_RESULT
    append_line(tmp_path / RESULT, {"epoch": 1})
    assert result_file(tmp_path).name == RESULT
    (tmp_path / RESULT).unlink()
    (tmp_path / OLD_RESULT).write_text('{"epoch": 0, "failed": true, "trial_id": "a1b2", "training_iteration": 1}\n')
    assert result_file(tmp_path).name == RESULT


def _noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
