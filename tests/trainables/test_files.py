"""Files that survive a kill."""

import json

import pytest

from trainables.files import ERROR, TIMEOUT, append_line, failure_reason, read_lines, replace_text


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


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, None),
        ({ERROR: "loss became nan\n\ntraceback"}, "loss became nan"),
        ({TIMEOUT: "Thread 0x1"}, "took longer than trial_timeout_s"),
        ({TIMEOUT: ""}, None),
        ({ERROR: "first\n", TIMEOUT: "Thread"}, "first"),
    ],
)
def test_a_dead_trial_says_why(tmp_path, files, reason):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    said = failure_reason(tmp_path)
    assert said is None if reason is None else said.startswith(reason)
