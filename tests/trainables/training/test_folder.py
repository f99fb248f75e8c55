"""The folder of a training: a kill anywhere changes nothing, the best weights are the best's, stages leave theirs."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.support.linear import MINIMISE, linear_loop
from tests.support.loops import same, timeless
from trainables import registry as variants
from trainables.export.folder import read_report
from trainables.files import BEST_WEIGHTS, CHECKPOINT, METRICS, RESULT, STAGE_PANEL, WEIGHTS, read_lines
from trainables.objective import Goal, Objective
from trainables.stages import Stage
from trainables.training import folder
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop
from trainables.training.monitor import DivergedError
from trainables.training.weights import load_weights

NOISY = {"dropout": 0.3, "noise": 0.5, "epochs": 4}


def train(path, until=4, **config):
    """Open the folder and train up to so many epochs; returns it, closed."""
    folder = TrainingFolder(path, linear_loop(**{**NOISY, **config}), {"lr": 0.05})
    while folder.loop.epoch_done < until and not folder.loop.finished:
        folder.run_epoch()
    folder.close()
    return folder


def reports(path):
    return [timeless(line) for line in read_lines(path / RESULT)]


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def killing(after):
    """Make a function that is killed half-way the `after`-th time that it is called."""
    calls = []

    def wrap(work):
        def killed(*arguments):
            calls.append(1)
            if len(calls) == after:
                raise Killed
            return work(*arguments)

        return killed

    return wrap


@pytest.mark.parametrize("epoch", [1, 2, 4])
@pytest.mark.parametrize("where", ["append_line", "_write_weights", "save_state"])
def test_a_kill_in_any_epoch_at_any_file_changes_nothing(tmp_path, monkeypatch, where, epoch):
    straight = train(tmp_path / "straight")
    owner = TrainingFolder if where == "_write_weights" else folder
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(owner, where, killing(epoch)(getattr(owner, where)))
        train(tmp_path / "killed")
    if where == "append_line":
        with (tmp_path / "killed" / RESULT).open("a") as file:
            file.write('{"epoch": 9, "val/m')  # the part of the line that was written
    (tmp_path / "killed" / f".{CHECKPOINT}").write_bytes(b"half a checkpoint")
    resumed = train(tmp_path / "killed")

    assert reports(tmp_path / "killed") == reports(tmp_path / "straight")
    for name, value in straight.loop.weights().items():
        assert torch.equal(resumed.loop.weights()[name], value)
    best, expected = (load_file(tmp_path / name / BEST_WEIGHTS) for name in ("killed", "straight"))
    assert all(torch.equal(best[name], value) for name, value in expected.items())
    best_reports = [read_report(tmp_path / name / BEST_WEIGHTS) for name in ("killed", "straight")]
    assert timeless(best_reports[0]) == timeless(best_reports[1])


def test_a_report_without_its_checkpoint_is_dropped(tmp_path):
    train(tmp_path, until=2)
    lines = (tmp_path / RESULT).read_text()
    (tmp_path / RESULT).write_text(lines + json.dumps({"epoch": 3, "objective/value": 99.0}) + "\n")
    train(tmp_path, until=2)
    assert (tmp_path / RESULT).read_text() == lines


def test_the_checkpoint_needs_no_unpickling_of_code(tmp_path):
    train(tmp_path, until=2)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["epoch_done"] == 2


@pytest.mark.parametrize(("mode", "best"), [("min", 1), ("max", 3)])
def test_the_best_weights_are_those_of_the_best_epoch(tmp_path, mode, best):
    entry = variants.load("benchmarks.curves")
    loop = Loop(entry.build(entry.Config(epochs=3), entry.Data()), Objective((Goal("val/score", mode),)))
    folder = TrainingFolder(tmp_path, loop, {})
    weights = []
    while not loop.finished:
        folder.run_epoch()
        weights.append({name: value.clone() for name, value in loop.weights().items()})
    kept = load_file(tmp_path / BEST_WEIGHTS)
    assert [all(torch.equal(kept[name], each[name]) for name in kept) for each in weights].index(True) == best - 1
    assert read_report(tmp_path / BEST_WEIGHTS)["epoch"] == best


def test_weights_go_back_where_they_came_from(tmp_path):
    trained = train(tmp_path, until=2)
    fresh = linear_loop(**NOISY)
    load_weights(tmp_path / BEST_WEIGHTS, fresh.variant)
    best = trained.loop.monitor.best["val/mse"]
    assert fresh.variant.evaluate("val")["mse"] == pytest.approx(best, rel=1e-6)


def test_a_diverged_epoch_leaves_the_record_as_it_was(tmp_path):
    with pytest.raises(DivergedError):
        train(tmp_path, bad_metric=float("nan"))
    assert [report["epoch"] for report in reports(tmp_path)] == [1]
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["epoch_done"] == 1


def test_lines_say_findings_and_why_the_training_ended(tmp_path):
    train(tmp_path, sick=(1, 2), collapse_patience=2)
    lines = read_lines(tmp_path / RESULT)
    assert lines[0]["findings"] == [{"check": "line flat", "message": "the line is flat; raise lr"}]
    assert [line["stop_reason"] for line in lines] == [None, "health: the line is flat; raise lr"]


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_checkpoint_that_holds_code_is_refused_and_not_run(tmp_path):
    (tmp_path / "trial").mkdir()
    torch.save({"epoch_done": Trap(tmp_path / "sprung")}, tmp_path / "trial" / CHECKPOINT)
    with pytest.raises(pickle.UnpicklingError):
        TrainingFolder(tmp_path / "trial", linear_loop(), {})
    assert not (tmp_path / "sprung").exists()


# -- stages ------------------------------------------------------------------------------------------------------

PARTS = (
    Stage("first", 1, keeps_folder=True),
    Stage("second", 2),
    Stage("third", 4, restarts_schedule=True, first_weights=True, keeps_folder=True),
)


def folders(path):
    return sorted(each.name for each in path.iterdir() if each.is_dir() and each.name != "panels")


def metrics(path, stage):
    return timeless(json.loads((path / stage / METRICS).read_text()))


def test_a_kept_stage_leaves_its_weights_figures_and_picture_as_it_ended(tmp_path):
    folder = TrainingFolder(tmp_path, linear_loop(**NOISY, parts=PARTS, picture="drawn"), {})
    weights = {}
    while not folder.loop.finished:
        epoch = folder.run_epoch()["epoch"]
        weights[epoch] = {name: value.clone() for name, value in folder.loop.weights().items()}
    folder.close()
    assert folders(tmp_path) == ["first", "third"]
    for stage, end in (("first", 1), ("third", 4)):
        assert {each.name for each in (tmp_path / stage).iterdir()} == {WEIGHTS, METRICS, STAGE_PANEL}
        kept = load_file(tmp_path / stage / WEIGHTS)
        assert kept.keys() == weights[end].keys()
        assert all(torch.equal(kept[name], value) for name, value in weights[end].items())
        report = json.loads((tmp_path / stage / METRICS).read_text())
        assert report == read_report(tmp_path / stage / WEIGHTS) == read_lines(tmp_path / RESULT)[end - 1]
        assert np.asarray(Image.open(tmp_path / stage / STAGE_PANEL)).tolist() == np.full((2, 4, 3), end).tolist()


def test_a_second_training_in_the_same_folder_leaves_nothing_of_the_first_in_a_stage(tmp_path):
    train(tmp_path, parts=PARTS, picture="drawn")
    for name in (CHECKPOINT, RESULT):
        (tmp_path / name).unlink()
    train(tmp_path, parts=PARTS, seed=1)
    assert [metrics(tmp_path, stage) for stage in ("first", "third")] == [reports(tmp_path)[0], reports(tmp_path)[3]]
    assert not (tmp_path / "first" / STAGE_PANEL).exists()  # the second training draws none


@pytest.mark.parametrize("end", [1, 4])
def test_a_picture_that_cannot_be_drawn_costs_neither_weights_nor_figures_nor_the_epoch(tmp_path, end):
    loop = linear_loop(**NOISY, parts=(Stage("all", end, keeps_folder=True), Stage("rest", 5)), picture="fails")
    folder = TrainingFolder(tmp_path, loop, {})
    for _ in range(end - 1):
        folder.run_epoch()
    with pytest.raises(RuntimeError, match="cannot be drawn"):
        folder.run_epoch()
    kept = load_file(tmp_path / "all" / WEIGHTS)
    assert all(torch.equal(kept[name], value) for name, value in loop.weights().items())
    assert metrics(tmp_path, "all") == timeless(loop.report)
    assert not (tmp_path / "all" / STAGE_PANEL).exists()
    again = linear_loop(**NOISY, parts=(Stage("all", end, keeps_folder=True), Stage("rest", 5)))
    assert TrainingFolder(tmp_path, again, {}).loop.epoch_done == end
    assert reports(tmp_path)[-1] == timeless(loop.report)


@pytest.mark.parametrize("end", [1, 4])
@pytest.mark.parametrize("where", ["replace_text", "_save_picture", "save_state"])
def test_a_kill_while_a_stage_is_kept_changes_nothing(tmp_path, monkeypatch, where, end):
    settings = {"parts": PARTS, "picture": "drawn"}
    train(tmp_path / "straight", **settings)
    train(tmp_path / "killed", until=end - 1, **settings)
    work = getattr(folder, where)

    def killed(path, *arguments):
        if path.name in (METRICS, STAGE_PANEL, CHECKPOINT):
            raise Killed
        work(path, *arguments)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(folder, where, killed)
        train(tmp_path / "killed", **settings)
    assert (tmp_path / "killed" / ("first" if end == 1 else "third") / WEIGHTS).exists()
    train(tmp_path / "killed", **settings)

    assert reports(tmp_path / "killed") == reports(tmp_path / "straight")
    assert folders(tmp_path / "killed") == folders(tmp_path / "straight") == ["first", "third"]
    for name in ("first", "third"):
        one, other = tmp_path / "killed" / name, tmp_path / "straight" / name
        assert {each.name for each in other.iterdir()} == {WEIGHTS, METRICS, STAGE_PANEL}
        left, right = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
        assert all(torch.equal(left[key], right[key]) for key in right)
        assert metrics(tmp_path / "killed", name) == metrics(tmp_path / "straight", name)
        lost = where == "_save_picture" and name == ("first" if end == 1 else "third")  # the epoch was over by then
        assert lost or (one / STAGE_PANEL).read_bytes() == (other / STAGE_PANEL).read_bytes()


def test_a_training_that_stops_itself_inside_a_stage_leaves_no_folder_for_it(tmp_path):
    train(tmp_path, parts=PARTS, picture="drawn", sick=(2, 3), collapse_patience=2)
    assert [line["epoch"] for line in reports(tmp_path)] == [1, 2, 3]
    assert folders(tmp_path) == ["first"]


# -- the figures beside the weights ---------------------------------------------------------------------------------


TWO_GOALS = Objective((Goal("val/mse", "min"), Goal("health/bias", "min")))


@pytest.mark.parametrize("goals", [MINIMISE, TWO_GOALS], ids=["one", "two"])
@pytest.mark.parametrize("parts", [(), (Stage("a", 2), Stage("b", 4))], ids=["plain", "staged"])
def test_the_weights_kept_are_those_of_the_report_that_stands_for_the_training(tmp_path, goals, parts):
    worse = {"lr": 5.0, "parts": parts, "epochs": 4}  # so that the best epoch is not the last one
    folder = TrainingFolder(tmp_path, linear_loop(goals, **worse), {})
    weights, epochs = {}, []
    while not folder.loop.finished:
        epoch = folder.run_epoch()["epoch"]
        weights[epoch] = {name: value.clone() for name, value in folder.loop.weights().items()}
        standing = goals.standing_report(read_lines(tmp_path / RESULT))
        assert read_report(tmp_path / BEST_WEIGHTS) == standing
        assert same(load_file(tmp_path / BEST_WEIGHTS), weights[standing["epoch"]])
        epochs.append(standing["epoch"])
    folder.close()
    assert epochs == [1, 2, 3, 4] if goals.is_multi else epochs[-1] < 4 or parts


def test_a_training_that_is_resumed_keeps_the_report_that_stands_for_it(tmp_path):
    folder = TrainingFolder(tmp_path, linear_loop(lr=5.0, epochs=4), {})
    folder.run_epoch(), folder.run_epoch()
    folder.close()
    resumed = TrainingFolder(tmp_path, linear_loop(lr=5.0, epochs=4), {})
    assert resumed.loop.monitor.standing == folder.loop.monitor.standing
    resumed.close()
