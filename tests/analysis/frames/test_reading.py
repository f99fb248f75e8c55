"""Reading a run that is at work, and the cache of what was read."""

import json
import os
import pickle
import shutil
import stat
from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.frames import reading
from analysis.frames.experiment import load
from search.record import TRIAL
from trainables.files import BEST_WEIGHTS, LAST, RESULT, read_lines, trial_folder

# -- a run at work ---------------------------------------------------------------------------------------------------


def test_what_vanishes_while_it_is_listed_is_left_out(finished_run, run, monkeypatch):
    (trial_folder(run, 0) / f".{TRIAL}").write_text("{}")
    (run / "trial_0009").write_text("a file")

    def listed(folder):
        entries = list(os.scandir(folder))
        for path, other in ((trial_folder(run, 0) / f".{TRIAL}", "renamed"), (trial_folder(run, 1), "gone")):
            if path.parent.samefile(folder):
                path.rename(path.with_name(other))
        return entries

    at_work = SimpleNamespace(scandir=listed, fstat=os.fstat, getpid=os.getpid)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "os", at_work)
        experiment = load(run)
    assert list(experiment.trials.index) == [n for n in load(finished_run).trials.index if n != 1]
    assert not experiment.problems


def test_checkpoints_that_vanish_while_they_are_looked_at_are_not_called_cut_off(tmp_path):
    stamp = f"{BEST_WEIGHTS}:1:1 {LAST}:1:1 .{LAST}:1:1"
    assert reading._checkpoint_problems(tmp_path, stamp, "finished") == []


def test_weights_that_are_replaced_while_they_are_looked_at_are_whole(run):
    path = trial_folder(run, 0) / BEST_WEIGHTS

    def replaced(file):
        other = path.with_name("other")
        other.write_bytes(path.read_bytes() + b"longer")
        other.replace(path)
        return reading._is_safetensors(file)

    assert reading._whole(path, replaced)
    assert not reading._whole(path, reading._is_safetensors)


@pytest.mark.parametrize("header", [b"[]", b"{}x", b'{"a": 1}', b'{"a": {"data_offsets": []}}', b""])
def test_weights_with_a_header_that_is_none_are_named(run, header):
    (trial_folder(run, 0) / BEST_WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    (said,) = load(run).problems
    assert f"trial_0000/{BEST_WEIGHTS} is cut off" in said


# -- the cache -----------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_read_again(run, monkeypatch):
    first = load(run)
    asked = []
    read = reading.tables
    monkeypatch.setattr(reading, "tables", lambda folders: asked.append(sorted(folders)) or read(folders))
    second = load(run)
    assert asked == []
    pd.testing.assert_frame_equal(second.reports, first.reports)
    pd.testing.assert_frame_equal(second.trials, first.trials)
    assert second.problems == first.problems
    path = trial_folder(run, 1) / RESULT
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))
    third = load(run)
    assert asked == [[1]]
    assert third.trials.loc[1, "epochs"] == 1
    pd.testing.assert_frame_equal(
        third.reports[third.reports["trial"] != 1].reset_index(drop=True),
        first.reports[first.reports["trial"] != 1].reset_index(drop=True),
    )
    shutil.rmtree(trial_folder(run, 1))
    assert 1 not in load(run).trials.index


def test_a_damaged_cache_is_read_anew_and_named(run):
    first = load(run)
    (run / reading.FRAMES / "reports.parquet").write_bytes(b"PAR1")
    again = load(run)
    assert any(reading.FRAMES in line for line in again.problems)
    pd.testing.assert_frame_equal(again.reports, first.reports)
    assert not load(run).problems


def with_findings(run):
    """The run, every report of its first trial with a finding; and how many these are."""
    lines = read_lines(trial_folder(run, 0) / RESULT)
    found = [{**line, "findings": [{"check": "flat", "message": "it is flat"}]} for line in lines]
    (trial_folder(run, 0) / RESULT).write_text("".join(json.dumps(line) + "\n" for line in found))
    return len(lines)


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_reader_that_is_killed_while_it_writes_leaves_nothing_that_is_believed(run, monkeypatch, tmp_path, written):
    count = with_findings(run)
    shutil.rmtree(run / reading.FRAMES, ignore_errors=True)
    trial_folder(run, 0).rename(tmp_path / "later")
    load(run)
    (tmp_path / "later").rename(trial_folder(run, 0))
    done = []

    def killed(partial, path):
        if len(done) == written:
            raise KeyboardInterrupt
        done.append(partial.replace(path))

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(reading, "put_in_place", killed)
        load(run)
    assert {path.name for path in (run / reading.FRAMES).iterdir()} == set(reading.TABLES)
    first, second = load(run), load(run)
    assert len(first.findings) == len(second.findings) == count
    pd.testing.assert_frame_equal(first.reports, second.reports)


@pytest.mark.parametrize("written", [1, 2])
def test_two_readers_at_once_do_not_mix_their_files(finished_run, run, monkeypatch, tmp_path, written):
    trial_folder(run, 4).rename(tmp_path / "later")
    other, _ = reading.read_trials(run)
    shutil.rmtree(run / reading.FRAMES, ignore_errors=True)
    (tmp_path / "later").rename(trial_folder(run, 4))
    put, done = reading.put_in_place, []

    def interrupted(partial, path):
        if len(done) == written:
            done.append("other")
            kept = partial.read_bytes()
            reading._keep(run / reading.FRAMES, other)
            partial.write_bytes(kept)
        put(partial, path)
        done.append(path)

    with monkeypatch.context() as patched:
        patched.setattr(reading, "put_in_place", interrupted)
        load(run)
    for _ in range(2):
        pd.testing.assert_frame_equal(load(run).reports, load(finished_run).reports)


def test_a_full_disk_leaves_no_half_written_file(run, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    shutil.rmtree(run / reading.FRAMES, ignore_errors=True)
    monkeypatch.setattr(reading, "put_in_place", full)
    assert any("cannot be written" in line for line in load(run).problems)
    assert not list((run / reading.FRAMES).iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_read_all_the_same(run):
    run.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        experiment = load(run)
    finally:
        run.chmod(stat.S_IRWXU)
    assert experiment.ranked
    assert any("cannot be written" in line for line in experiment.problems)


def test_a_cache_in_whose_place_lies_a_file_is_named(run):
    shutil.rmtree(run / reading.FRAMES, ignore_errors=True)
    (run / reading.FRAMES).write_text("")
    experiment = load(run)
    assert experiment.ranked
    assert any(reading.FRAMES in line for line in experiment.problems)


def test_nothing_is_unpickled(run, monkeypatch):
    for folder in run.glob("trial_*"):
        (folder / "note.pkl").write_bytes(pickle.dumps({}))

    def forbidden(*_):
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    assert load(run).ranked
    assert load(run).ranked  # from the cache
