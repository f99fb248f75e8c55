"""`python -m trainables.train` on the curves: what it leaves, how it goes on, what it refuses."""

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.support.loops import timeless
from trainables import registry as variants
from trainables import train
from trainables.export.folder import CARD
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, RESULT, WEIGHTS, read_lines
from trainables.objective import Goal, Objective
from trainables.settings import UsageError
from trainables.training.folder import TrainingFolder

SCORE = Goal("val/score")


@pytest.fixture
def config(tmp_path):
    """Write an exported config of the curves."""
    path = tmp_path / "export" / CONFIG
    path.parent.mkdir()
    write(path)
    return path


def write(path, *goals, **constraints):
    entry = variants.load("benchmarks.curves")
    objective = Objective(goals or (SCORE,), constraints)
    Recipe(entry, entry.Config(epochs=4), entry.Data(), objective, seed=5).write(path)


def run(config, *more):
    return train.main([f"config={config}", "device=cpu", *more])


def epochs(folder):
    return [line["epoch"] for line in read_lines(folder / RESULT)]


def test_a_training_leaves_the_folder_of_an_export(config, tmp_path, capsys):
    assert run(config, f"to={tmp_path / 'full'}", "epochs=3", "fixed.x=0.3") == 0
    folder = tmp_path / "full"
    assert epochs(folder) == [1, 2, 3]
    assert {CONFIG, WEIGHTS, METRICS, CARD} <= {each.name for each in folder.iterdir()}
    recipe = Recipe.read(folder / CONFIG, {}, {})
    assert (recipe.config.epochs, recipe.config.x, recipe.seed) == (3, 0.3, 5)
    metrics = json.loads((folder / METRICS).read_text())
    assert metrics["report"]["val/score"] == pytest.approx(1 - 0.6**2 / 4 - 1 / 4)
    printed = capsys.readouterr().out
    assert "epoch 3/3" in printed
    assert "best epoch 3: val/score 0.6600" in printed


def test_a_training_lands_beside_its_config_and_its_own_config_can_be_trained_again(config):
    assert run(config) == 0
    first = config.parent / "trained"
    assert run(first / CONFIG) == 0
    again = first / "trained"
    assert [timeless(line) for line in read_lines(first / RESULT)] == [
        timeless(line) for line in read_lines(again / RESULT)
    ]
    assert same_weights(first, again)


def same_weights(one, other):
    """Bit for bit; the headers differ in the times of their reports."""
    left, right = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_an_interrupted_training_goes_on_by_the_same_command(config, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "full"
    work = TrainingFolder.run_epoch

    def epoch(self, *arguments):
        if self.loop.epoch_done == 2:
            raise KeyboardInterrupt
        return work(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingFolder, "run_epoch", epoch)
        assert run(config, f"to={folder}") == 130
    assert "interrupted after epoch 2; the same command resumes" in capsys.readouterr().out
    assert epochs(folder) == [1, 2]
    assert run(config, f"to={folder}") == 0
    assert epochs(folder) == [1, 2, 3, 4]
    assert "epoch 2/4" not in capsys.readouterr().out

    assert run(config, f"to={tmp_path / 'straight'}") == 0
    assert same_weights(folder, tmp_path / "straight")


def test_a_finished_training_is_not_trained_again(config):
    assert run(config) == 0
    lines = (config.parent / "trained" / RESULT).read_text()
    assert run(config) == 0
    assert (config.parent / "trained" / RESULT).read_text() == lines


@pytest.mark.parametrize("change", ["seed=6", "epochs=5", "fixed.x=0.2", "data.bad_images=skip"])
def test_a_folder_is_not_continued_with_another_recipe(config, change):
    assert run(config) == 0
    with pytest.raises(UsageError, match="trained holds a training with other settings; write elsewhere with to="):
        run(config, change)
    assert run(config) == 0


def test_a_folder_is_not_continued_with_another_objective(config):
    assert run(config) == 0
    write(config, Goal("val/cost", "min"))
    with pytest.raises(UsageError, match="other settings"):
        run(config)


def test_a_diverged_training_ends_with_1_and_keeps_what_it_had(config, capsys):
    assert run(config, "fixed.goes_wrong=nan", "fixed.wrong_epoch=3") == 1
    assert "loss became nan in epoch 3" in capsys.readouterr().err
    assert epochs(config.parent / "trained") == [1, 2]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["epoch=3"], ["epoch", "did you mean 'epochs'?"]),
        (["epochs=0"], ["epochs=0", "at least 1"]),
        (["fixed.xx=1"], ["config.xx", "did you mean 'config.x'?"]),
        (["fixed.x=2"], ["x=2", "0 to 1"]),
        (["fixed=2"], ["fixed=2", "fixed.NAME=VALUE"]),
        (["data.source=nih"], ["data.source", "nih", "synthetic"]),
        (["data.root=/no/such"], ["data.root=/no/such is no folder"]),
        (["config=/no/such.yaml"], ["config=/no/such.yaml is no file", "analysis.export"]),
    ],
)
def test_what_cannot_be_used_is_named(config, more, words):
    with pytest.raises(UsageError) as refusal:
        run(config, *more)
    for word in words:
        assert word in str(refusal.value)
    assert not (config.parent / "trained").exists()


def test_a_file_that_is_no_export_is_refused(tmp_path):
    (tmp_path / "space.yaml").write_text("variant: benchmarks.curves\n")
    with pytest.raises(UsageError, match="is no exported config; it lacks"):
        run(tmp_path / "space.yaml")


def test_help_lists_every_key(capsys):
    assert train.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name in train.Training.names():
        assert f"\n  {name} " in printed


def test_a_violated_constraint_is_named_in_every_line_and_on_the_card(config, capsys):
    write(config, **{"val/cost": 0.03})
    assert run(config) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    costs = [line["val/cost"] for line in read_lines(config.parent / "trained" / RESULT)]
    violations = [f"violates val/cost {cost:.4g} > 0.03" for cost in costs]
    assert [text in line for line, text in zip(lines, [*violations, violations[0]], strict=True)] == [True] * 5
    health = (config.parent / "trained" / CARD).read_text().partition("## Health")[2].partition("##")[0]
    assert f"violates a constraint: {violations[0].removeprefix('violates ')}" in health and "Fine" not in health


def test_with_several_goals_the_last_line_and_the_card_are_of_the_last_epoch(config, capsys):
    write(config, Goal("val/score", "min"), Goal("val/cost", "min"))  # the first epoch is the best by the first goal
    assert run(config) == 0
    last = read_lines(config.parent / "trained" / RESULT)[-1]
    assert (
        f"last epoch 4: val/score {last['val/score']:.4f} · val/cost {last['val/cost']:.4f}" in capsys.readouterr().out
    )
    card = (config.parent / "trained" / CARD).read_text()
    assert "Weights of epoch 4 of 4, the last, as there are several goals." in card
    assert json.loads((config.parent / "trained" / METRICS).read_text())["report"] == last


def test_a_training_that_collapsed_under_masks_leaves_no_export(tmp_path, monkeypatch):
    from tests.support import tiny_noise  # noqa: PLC0415  (torchvision takes seconds, and the other tests need none)
    from trainables.contract import Finding  # noqa: PLC0415
    from trainables.noise_mask.variant import NoiseMask  # noqa: PLC0415

    finding = [Finding("flat", "it is flat; raise lr", fatal=True)]
    monkeypatch.setattr(NoiseMask, "health", lambda self, report: finding)
    entry = variants.load("noise_mask")
    settings, data = tiny_noise.config(collapse_patience=1), entry.Data(train_size=24, val_size=24)
    Recipe(entry, settings, data, tiny_noise.OBJECTIVE, seed=0).write(tmp_path / CONFIG)
    with pytest.raises(UsageError, match=r"ended in stage heat because of health: it is flat; raise lr.*fine_tune"):
        run(tmp_path / CONFIG)
    assert not (tmp_path / "trained" / WEIGHTS).exists()
