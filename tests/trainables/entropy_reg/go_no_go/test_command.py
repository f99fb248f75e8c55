"""`python -m trainables.entropy_reg.go_no_go`: what it trains and judges, what it leaves, what it refuses."""

import shlex
from dataclasses import fields, replace

import numpy as np
import pytest

from tests.support.fake_gaze import EPOCHS, IMAGES, PROBES, Fake, record, run, write_config
from trainables import registry
from trainables.entropy_reg.go_no_go.__main__ import Request, main
from trainables.export.recipe import Recipe
from trainables.files import RESULT, read_lines
from trainables.objective import Goal, Objective
from trainables.settings import UsageError
from trainables.training.folder import TrainingFolder


def test_a_config_that_gains_out_of_domain_is_go(config, capsys):
    assert run(config) == 0
    assert record(config)["go"] is True
    printed = capsys.readouterr().out
    assert "GO: Bias on uniform images went from 0.500 to 0.100 bit" in printed
    assert "NO-GO" not in printed
    assert "<h1>GO</h1>" in (config.parent / "go_no_go" / "go_no_go.html").read_text()


def test_a_config_that_loses_out_of_domain_is_no_go_and_a_result_all_the_same(config, monkeypatch, capsys):
    monkeypatch.setattr(Fake, "gains", -0.05)
    assert run(config) == 0
    assert record(config)["go"] is False
    assert "NO-GO: Out of domain −0.050 bit" in capsys.readouterr().out
    page = (config.parent / "go_no_go" / "go_no_go.html").read_text()
    assert "<h1>NO-GO</h1>" in page
    assert page.count("✗&nbsp;failed") == 3


def test_both_arms_are_trained_in_full_with_every_seed_and_the_twin_differs_in_its_regulariser_alone(config):
    run(config, "seeds=4", "first_seed=7", "fixed.patience=1", "fixed.lambda_eff=0.7")
    trainings = config.parent / "go_no_go" / "trainings"
    names = {f"{arm}-{seed}" for arm in ("twin", "regularised") for seed in range(7, 11)}
    assert {path.name for path in trainings.iterdir()} == names
    for name in names:
        assert [line["epoch"] for line in read_lines(trainings / name / RESULT)] == [1, 2, 3]
    twin, regularised = (Recipe.read(trainings / f"{arm}-8" / "config.yaml", {}, {}) for arm in ("twin", "regularised"))
    assert replace(twin, config=replace(twin.config, regulariser="entropy")) == regularised
    assert twin.config.regulariser == "none"
    assert (twin.seed, twin.config.lambda_eff, twin.config.patience) == (8, 0.7, 0)


def test_no_training_holds_a_test_image(config):
    run(config)
    assert Fake.build_splits[:6] == (("train", "val"),) * 6
    assert Fake.build_splits[6:] == (("train", "val", "test"),) * 12


def test_the_weights_of_the_last_epoch_are_judged_with_the_three_centre_biases(config):
    run(config, "seeds=3")
    first = {name: arm["in_domain"][0][0] for name, arm in record(config)["arms"].items()}
    assert first == {"twin": 100 + EPOCHS + 10, "regularised": 100 + EPOCHS + 10}  # in domain, its own centre bias
    outside = record(config)["arms"]["twin"]["out_of_domain"]
    assert {name: values[0][0] - EPOCHS for name, values in outside.items()} == {
        "uniform": 0,
        "source": 10,
        "target": 20,
    }
    assert np.shape(outside["target"]) == (3, IMAGES)


def test_a_model_without_centre_bias_is_shown_none_in_domain(tmp_path):
    write_config(tmp_path / "config.yaml", centre_bias="uniform")
    run(tmp_path / "config.yaml")
    assert record(tmp_path / "config.yaml")["arms"]["twin"]["in_domain"][0][0] == 100 + EPOCHS


def test_the_record_has_everything_the_page_shows_and_json_alone(config):
    run(config)
    values = record(config)
    assert len(values["criteria"]) == 8
    assert values["thresholds"]["bias_share"] == 0.25
    assert np.shape(values["arms"]["regularised"]["bias"]["scrambled"]) == (3, PROBES)
    assert values["arms"]["twin"]["sigma"] == [0.03] * 3
    assert values["seeds"] == [1000, 1001, 1002]
    assert values["changed"]["regulariser"] == ["none", "entropy"]
    assert values["ood"]["bias"] == "none"
    assert values["facts"]["in_domain"]["splits"]["test"] == {"images": IMAGES}
    maps = np.load(config.parent / "go_no_go" / "bias_maps.npz")
    assert set(maps) == {f"{arm}/{kind}" for arm in ("twin", "regularised") for kind in ("uniform", "scrambled")}
    assert maps["twin/uniform"].sum() == pytest.approx(1)


def test_an_interrupted_judgement_goes_on_by_the_same_command(config, monkeypatch, capsys):
    run_epoch = TrainingFolder.run_epoch

    def interrupt(self, *arguments):
        if len(Fake.steps) == 8:  # in the second training, after its first epoch
            raise KeyboardInterrupt
        return run_epoch(self, *arguments)

    monkeypatch.setattr(TrainingFolder, "run_epoch", interrupt)
    assert run(config) == 130
    assert "interrupted; the same command resumes" in capsys.readouterr().out
    assert not (config.parent / "go_no_go" / "go_no_go.json").exists()
    monkeypatch.setattr(TrainingFolder, "run_epoch", run_epoch)
    assert run(config) == 0
    steps = [f"{arm}-{seed}-{e}" for seed in (1000, 1001, 1002) for arm in ("none", "entropy") for e in range(EPOCHS)]
    assert list(Fake.steps) == [step for step in steps for _ in range(2)]  # none twice
    assert len(record(config)["looks"]) == 1


def test_a_second_look_is_asked_for_and_counted(config):
    run(config)
    with pytest.raises(UsageError, match="has the verdict; again=true looks at the test split once more"):
        run(config)
    assert len(record(config)["looks"]) == 1
    steps = len(Fake.steps)
    assert run(config, "again=true") == 0
    assert len(record(config)["looks"]) == 2
    assert len(Fake.steps) == steps
    assert "looked at 2 times" in (config.parent / "go_no_go" / "go_no_go.html").read_text()


def test_the_command_on_the_page_does_it_again(config):
    run(config, f"to={config.parent}/it's here", "ood.bias=corner")
    command = record(config, config.parent / "it's here")["command"]
    assert main(shlex.split(command)[3:]) == 0
    assert len(record(config, config.parent / "it's here")["looks"]) == 2


@pytest.mark.parametrize("other", ["seeds=4", "first_seed=1", "fixed.lr=0.1", "data.degree=0.1", "ood.bias=corner"])
def test_a_folder_with_other_settings_is_refused_even_for_another_look(config, other):
    run(config)
    with pytest.raises(UsageError, match="other settings; write elsewhere with to=FOLDER"):
        run(config, other, "again=true")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["fixed.regulariser=none"], "regulariser=none is the twin itself.*fixed.regulariser=entropy"),
        (["ood.bias=centre"], "ood.bias is as it is in domain"),
        (["ood.bais=none"], "ood.bais.*did you mean 'ood.bias'"),
        (["ood=none"], "ood=none is no part"),
        (["sedes=4"], "did you mean 'seeds'"),
        (["seeds=0"], "seeds=0 is out of range"),
        (["data.source=mit1003"], "data.root=FOLDER"),
        (["ood.source=fixations", "ood.root=/nowhere/at/all"], "data.root=/nowhere/at/all is no folder"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_written(config, more, message):
    with pytest.raises(UsageError, match=message):
        run(config, *more)
    assert not (config.parent / "go_no_go").exists()


def test_a_config_of_another_variant_is_refused(tmp_path):
    entry = registry.load("benchmarks.curves")
    Recipe(entry, entry.Config(), entry.Data(), Objective((Goal("val/score"),)), 0).write(tmp_path / "config.yaml")
    with pytest.raises(UsageError, match=r"variant=benchmarks\.curves has no regulariser to judge"):
        run(tmp_path / "config.yaml")


def test_a_training_that_diverges_is_no_go_without_a_look_at_the_test_split(config, monkeypatch):
    monkeypatch.setattr(Fake, "loss_offset", float("nan"))
    assert run(config) == 0
    values = record(config)
    assert values["go"] is False
    assert "twin-1000 did not finish: loss became nan" in values["reason"]
    assert values["looks"] == []
    assert all("test" not in splits for splits in Fake.build_splits)
    page = (config.parent / "go_no_go" / "go_no_go.html").read_text()
    assert "looked at 0 times" in page


def test_help_lists_every_key(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(field.name in printed for field in fields(Request))


def test_the_variant_itself_is_trained_and_judged(tmp_path, monkeypatch):
    monkeypatch.undo()
    small = {"image_size": 64, "downsample": 1.0, "epochs": 2, "n_uniform": 2, "batch_size": 8}
    write_config(tmp_path / "config.yaml", lr=1e-3, **small)
    sizes = [
        "data.train_size=8",
        "data.val_size=4",
        "data.probes=2",
        f"data.cache={tmp_path / 'cache'}",
    ]
    assert run(tmp_path / "config.yaml", "seeds=2", *sizes) == 0
    values = record(tmp_path / "config.yaml")
    assert "Too few seeds: 2 in each arm" in values["reason"] or "too few seeds: 2 in each arm" in values["reason"]
    assert set(values["arms"]["twin"]["bias"]) == {"uniform", "reflect", "scrambled", "texture"}
    assert np.isfinite(values["arms"]["regularised"]["out_of_domain"]["target"]).all()
    assert values["arms"]["twin"]["in_domain"] != values["arms"]["regularised"]["in_domain"]
