"""A search whose environment fails it stops, says what to do, and is no worse for it."""

import errno

import pytest

from search.board import Proposal
from search.environment import (
    REMEDIES,
    describe_failures,
    explain_error,
    find_missing_metric,
    find_unrepeated,
    is_blocked,
)
from tests.support.simulated import add, board, reopened

X = {"x": 0.3, "y": 0.7}


def fail(on, cause="environment"):
    number = add(on, X).number
    on.end(number, "failed", cause, "OSError: [Errno 28] No space left on device: 'last.pt'", "ENOSPC")


def test_several_in_a_row_stop_a_search_and_one_alone_does_not(tmp_path):
    on = board(tmp_path / "run")
    for ended in (None, None, "finished", None, None):
        fail(on) if ended is None else add(on, X, epochs=9, ended=ended, cause="budget")
        assert not is_blocked(on)
    fail(on)
    assert is_blocked(on)
    assert describe_failures(on.environment_failures) == (
        "3 trials (#3, #4, #5) failed because of the environment, not of their settings: "
        "OSError: [Errno 28] No space left on device: 'last.pt'; make room on the disk, or raise the quota"
    )
    assert not is_blocked(reopened(on.folder.path))  # whoever resumes it may have made room


def test_a_training_of_a_plan_that_the_environment_failed_is_no_result_though_later_ones_went_well(tmp_path):
    on = board(tmp_path / "run")
    fail(on)
    plan = [Proposal(on.trials[0].params, on.trials[0].origin)]
    add(on, {"x": 0.1, "y": 0.2}, epochs=9, ended="finished", cause="budget")
    assert not on.environment_failures
    assert [trial.number for trial in find_unrepeated(on, plan)] == [0]
    assert find_unrepeated(on, []) == []  # a training that nobody asks for any more
    add(on, X, epochs=9, ended="finished", cause="budget")  # it has been repeated
    assert find_unrepeated(on, plan) == []


def test_failures_of_settings_never_stop_a_search(tmp_path):
    on = board(tmp_path / "run")
    for _ in range(9):
        fail(on, cause="error")
    assert not is_blocked(on)


def test_a_metric_that_no_trial_has_reported_stops_a_search_at_once(tmp_path):
    on = board(tmp_path / "run")
    fail(on, cause="objective")
    assert is_blocked(on)
    assert find_missing_metric(on) == on.trials[0].reason
    assert find_missing_metric(reopened(on.folder.path)) is not None  # a resumed run has the same objective


def test_a_metric_that_only_some_configs_lack_stops_no_search(tmp_path):
    on = board(tmp_path / "run")
    add(on, X, epochs=9, ended="finished", cause="budget")
    for _ in range(4):
        fail(on, cause="objective")
    assert not is_blocked(on)


def test_a_record_that_cannot_be_written_stops_it_and_leaves_the_trial_to_be_resumed(tmp_path, small_files):
    on = board(tmp_path / "run")
    add(on, X, epochs=2)
    before = (on.folder.path / "trial_0000" / "trial.json").read_bytes()
    with small_files(0), pytest.raises(OSError, match=r"trial_0000/trial\.json"):
        on.end(0, "finished", "budget", "for the test")
    assert is_blocked(on)
    assert explain_error(on.record_error).endswith("trial.json': make room on the disk, or raise the quota")
    assert (on.folder.path / "trial_0000" / "trial.json").read_bytes() == before
    assert reopened(on.folder.path).waiting == [0]
    with small_files(0), pytest.raises(OSError, match=r"trial_0001/trial\.json"):
        on.begin(X, "random")
    assert sorted(reopened(on.folder.path).trials) == [0]


@pytest.mark.parametrize("symbol", REMEDIES)
def test_every_remedy_is_of_an_error_that_there_is(symbol):
    assert symbol in errno.errorcode.values()
