"""Reading a run while it is searched, and the cache of its frames."""

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
from trainables.files import BEST_WEIGHTS, CHECKPOINT, RESULT, read_lines, trial_folder

# -- a run at work ---------------------------------------------------------------------------------------------------


def test_what_vanishes_while_it_is_listed_is_left_out(finished_run, run, monkeypatch):
    (trial_folder(run, 0) / f".{TRIAL}").write_text("{}")
    (run / "trial_0009").write_text("a file")

    def list_entries(folder):
        entries = list(os.scandir(folder))
        for path, other in ((trial_folder(run, 0) / f".{TRIAL}", "renamed"), (trial_folder(run, 1), "gone")):
            if path.parent.samefile(folder):
                path.rename(path.with_name(other))
        return entries

    at_work = SimpleNamespace(scandir=list_entries, fstat=os.fstat, getpid=os.getpid)
    with monkeypatch.context() as patch:
        patch.setattr(reading, "os", at_work)
        experiment = load(run)
    assert list(experiment.trials.index) == [n for n in load(finished_run).trials.index if n != 1]
    assert not experiment.problems


def test_checkpoints_that_vanish_while_they_are_looked_at_are_not_called_cut_off(tmp_path):
    stamp = f"{BEST_WEIGHTS}:1:1 {CHECKPOINT}:1:1 .{CHECKPOINT}:1:1"
    assert reading._checkpoint_problems(tmp_path, stamp, "finished") == []


def test_weights_that_are_replaced_while_they_are_looked_at_are_whole(run):
    path = trial_folder(run, 0) / BEST_WEIGHTS

    def replace_meanwhile(file):
        other = path.with_name("other")
        other.write_bytes(path.read_bytes() + b"longer")
        other.replace(path)
        return reading._is_safetensors(file)

    assert reading._is_complete(path, replace_meanwhile)
    assert not reading._is_complete(path, reading._is_safetensors)


@pytest.mark.parametrize("header", [b"[]", b"{}x", b'{"a": 1}', b'{"a": {"data_offsets": []}}', b""])
def test_weights_with_a_header_that_is_none_are_named(run, header):
    (trial_folder(run, 0) / BEST_WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    (problem,) = load(run).problems
    assert f"trial_0000/{BEST_WEIGHTS} is cut off" in problem


# -- the cache -----------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_read_again(run, monkeypatch):
    first = load(run)
    folders_read = []
    read = reading.read_tables
    monkeypatch.setattr(reading, "read_tables", lambda folders: folders_read.append(sorted(folders)) or read(folders))
    second = load(run)
    assert folders_read == []
    pd.testing.assert_frame_equal(second.reports, first.reports)
    pd.testing.assert_frame_equal(second.trials, first.trials)
    assert second.problems == first.problems
    path = trial_folder(run, 1) / RESULT
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))
    third = load(run)
    assert folders_read == [[1]]
    assert third.trials.loc[1, "epochs"] == 1
    pd.testing.assert_frame_equal(
        third.reports[third.reports["trial"] != 1].reset_index(drop=True),
        first.reports[first.reports["trial"] != 1].reset_index(drop=True),
    )
    shutil.rmtree(trial_folder(run, 1))
    assert 1 not in load(run).trials.index


def test_a_cache_of_another_version_is_read_anew(run, monkeypatch):
    trials = list(load(run).trials.index)
    folders_read = []
    read = reading.read_tables
    monkeypatch.setattr(reading, "read_tables", lambda folders: folders_read.append(sorted(folders)) or read(folders))
    monkeypatch.setattr(reading, "VERSION", b"another")
    assert not load(run).problems
    assert not load(run).problems
    assert folders_read == [trials]


def test_a_damaged_cache_is_read_anew_and_named(run):
    first = load(run)
    (run / reading.FRAMES_FOLDER / "reports.parquet").write_bytes(b"PAR1")
    second_load = load(run)
    assert any(reading.FRAMES_FOLDER in line for line in second_load.problems)
    pd.testing.assert_frame_equal(second_load.reports, first.reports)
    assert not load(run).problems


def with_findings(run):
    """Add a finding to every report of the first trial; returns the number of reports."""
    lines = read_lines(trial_folder(run, 0) / RESULT)
    lines_with_findings = [{**line, "findings": [{"check": "flat", "message": "it is flat"}]} for line in lines]
    (trial_folder(run, 0) / RESULT).write_text("".join(json.dumps(line) + "\n" for line in lines_with_findings))
    return len(lines)


@pytest.mark.parametrize("count_before", [0, 1, 2])
def test_a_reader_that_is_killed_while_it_writes_leaves_nothing_that_is_believed(
    run, monkeypatch, tmp_path, count_before
):
    count = with_findings(run)
    shutil.rmtree(run / reading.FRAMES_FOLDER, ignore_errors=True)
    trial_folder(run, 0).rename(tmp_path / "later")
    load(run)
    (tmp_path / "later").rename(trial_folder(run, 0))
    done = []

    def kill(partial, path):
        if len(done) == count_before:
            raise KeyboardInterrupt
        done.append(partial.replace(path))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reading, "replace_file", kill)
        load(run)
    assert {path.name for path in (run / reading.FRAMES_FOLDER).iterdir()} == set(reading.TABLE_FILES)
    first, second = load(run), load(run)
    assert len(first.findings) == len(second.findings) == count
    pd.testing.assert_frame_equal(first.reports, second.reports)


@pytest.mark.parametrize("count_before", [1, 2])
def test_two_readers_at_once_do_not_mix_their_files(finished_run, run, monkeypatch, tmp_path, count_before):
    trial_folder(run, 4).rename(tmp_path / "later")
    other, _ = reading.read_trials(run)
    shutil.rmtree(run / reading.FRAMES_FOLDER, ignore_errors=True)
    (tmp_path / "later").rename(trial_folder(run, 4))
    put, done = reading.replace_file, []

    def interrupt(partial, path):
        if len(done) == count_before:
            done.append("other")
            content = partial.read_bytes()
            reading._write_cache(run / reading.FRAMES_FOLDER, other)
            partial.write_bytes(content)
        put(partial, path)
        done.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "replace_file", interrupt)
        load(run)
    for _ in range(2):
        pd.testing.assert_frame_equal(load(run).reports, load(finished_run).reports)


def test_a_full_disk_leaves_no_half_written_file(run, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    shutil.rmtree(run / reading.FRAMES_FOLDER, ignore_errors=True)
    monkeypatch.setattr(reading, "replace_file", full)
    assert any("cannot be written" in line for line in load(run).problems)
    assert not list((run / reading.FRAMES_FOLDER).iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_read_all_the_same(run):
    run.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        experiment = load(run)
    finally:
        run.chmod(stat.S_IRWXU)
    assert experiment.ranking
    assert any("cannot be written" in line for line in experiment.problems)


def test_a_cache_in_whose_place_lies_a_file_is_named(run):
    shutil.rmtree(run / reading.FRAMES_FOLDER, ignore_errors=True)
    (run / reading.FRAMES_FOLDER).write_text("")
    experiment = load(run)
    assert experiment.ranking
    assert any(reading.FRAMES_FOLDER in line for line in experiment.problems)


def test_nothing_is_unpickled(run, monkeypatch):
    for folder in run.glob("trial_*"):
        (folder / "note.pkl").write_bytes(pickle.dumps({}))

    def forbidden(*_):
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    assert load(run).ranking
    assert load(run).ranking  # from the cache
