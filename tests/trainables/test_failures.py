"""Why a trial failed: the environment or its settings, written and read back, and never taken from Ray."""

import errno
import os

import pytest
from PIL import Image

from trainables.failures import (
    FAILURE,
    OLD_FAILURE,
    TIMEOUT,
    Failure,
    failure_file,
    read_failure,
    set_failure_aside,
)
from trainables.settings import UsageError

RAYS = "Failure # 1 (occurred at 2026-12-01_02-11-10)\nThe actor died unexpectedly before finishing this task.\n"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, None),
        ({FAILURE: "loss became nan\n\ntraceback"}, "loss became nan"),
        ({OLD_FAILURE: "loss became nan\n\ntraceback"}, "loss became nan"),
        ({OLD_FAILURE: RAYS}, None),
        ({OLD_FAILURE: ""}, None),
        ({OLD_FAILURE: RAYS[:9]}, None),
        ({OLD_FAILURE: RAYS.replace("# 1", "# 12") * 2}, None),
        ({OLD_FAILURE: RAYS, FAILURE: "first\n"}, "first"),
        ({OLD_FAILURE: RAYS, TIMEOUT: "Thread 0x1"}, "took longer than trial_timeout_s"),
        ({TIMEOUT: "Thread 0x1"}, "took longer than trial_timeout_s"),
        ({TIMEOUT: ""}, None),
        ({FAILURE: "first\n", TIMEOUT: "Thread"}, "first"),
    ],
)
def test_a_dead_trial_says_why(tmp_path, files, reason):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    failure = read_failure(tmp_path)
    assert failure is None if reason is None else failure.reason.startswith(reason)
    assert (failure_file(tmp_path) is None) == (reason is None)


@pytest.mark.parametrize(
    "symbol", ["ENOSPC", "EDQUOT", "EROFS", "EMFILE", "ENFILE", "ESTALE", "EIO", "EACCES", "EPERM", "ENOENT", "EFBIG"]
)
def test_what_the_operating_system_refuses_is_the_environment_with_its_symbol(tmp_path, symbol):
    number = getattr(errno, symbol)
    error = OSError(number, os.strerror(number), "/data/last.pt")
    failure = Failure.from_exception(error)
    assert (failure.cause, failure.errno) == ("environment", symbol)
    assert failure.reason.endswith(f"{os.strerror(number)}: '/data/last.pt'")
    failure.write(tmp_path, "Traceback\n\ncause: error\n")
    assert read_failure(tmp_path) == failure


def raised(error: Exception, cause: Exception | None = None, context: Exception | None = None) -> Exception:
    try:
        try:
            if context:
                raise context
        finally:
            raise error from cause
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (raised(UsageError("images/ cannot be read."), cause=FileNotFoundError(2, "No such file")), "environment"),
        (raised(RuntimeError("step"), cause=raised(ValueError("x"), cause=OSError(5, "I/O error"))), "environment"),
        (TimeoutError("the share does not answer"), "environment"),
        (RuntimeError("[Errno 28] No space left on device"), "error"),  # words decide nothing
        (MemoryError(), "error"),
        (UsageError("temperature=0 is out of range"), "error"),
        (KeyError("x"), "error"),
    ],
)
def test_the_cause_is_told_by_the_kind_of_exception_and_not_by_its_words(error, cause):
    assert Failure.from_exception(error).cause == cause


def test_an_error_met_on_the_way_to_another_one_is_not_its_cause():
    error = raised(RuntimeError("loss became nan"), context=FileNotFoundError(2, "no cache yet"))
    assert Failure.from_exception(error).cause == "error"


def test_a_picture_that_cannot_be_read_is_the_environment(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(OSError, match="cannot identify") as caught:
        Image.open(tmp_path / "a.png")
    assert Failure.from_exception(caught.value).cause == "environment"


def test_a_failure_that_cannot_be_written_says_so_and_is_told_all_the_same(tmp_path, small_files):
    with small_files(0):
        failure = Failure("RuntimeError: step").write(tmp_path, "traceback")
    assert failure.reason.startswith("RuntimeError: step (failure.txt could not be written: [Errno 27]")
    assert read_failure(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_failures_are_set_aside_one_after_the_other_and_none_is_lost(tmp_path):
    for reason in ("first", "second"):
        Failure(reason).write(tmp_path)
        (tmp_path / TIMEOUT).write_text(f"hung, {reason}")
        set_failure_aside(tmp_path)
        assert read_failure(tmp_path) is None
    texts = {file.name: file.read_text().partition("\n")[0] for file in tmp_path.iterdir()}
    assert texts == {
        "failure_1.txt": "first",
        "failure_2.txt": "second",
        "timeout_1.txt": "hung, first",
        "timeout_2.txt": "hung, second",
    }
