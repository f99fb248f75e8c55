"""`python -m trainables.entropy_reg.go_no_go`: what it trains and judges, what it leaves, what it refuses."""

import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from trainables import registry as variants
from trainables.contract import Step, Variant
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.go_no_go import __main__ as go_no_go
from trainables.entropy_reg.go_no_go.verdict_page import Axis, render
from trainables.export.recipe import Recipe
from trainables.files import RESULT, read_lines
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.registry import Entry
from trainables.settings import UsageError
from trainables.training.folder import TrainingFolder

GAIN = Goal("val/information_gain_bits")
IMAGES, PROBES, EPOCHS = 20, 4, 3


class Bias(NamedTuple):
    bits: np.ndarray
    density: np.ndarray


class Fake(Variant):
    """Its weight is the number of epochs that it was trained for, and its figures show what it was asked."""

    gains = 0.05
    loss_is = 0.0
    built: tuple[tuple[str, ...], ...] = ()
    trained: tuple[str, ...] = ()

    def __init__(self, config, data, context):
        self.config, self.data, self.device = config, data, context.device
        self.processes, self.splits, self.seed = Processes(), context.splits, context.seed
        self.net = nn.Linear(1, 1, bias=False)
        self.prior = f"prior of {data.bias}"
        Fake.built = (*Fake.built, context.splits)

    @property
    def steps_per_epoch(self):
        return 2

    def parameter_groups(self):
        return [{"params": list(self.net.parameters())}]

    def batches(self, epoch):
        yield from (epoch, epoch)

    def begin_epoch(self, epoch):
        pass

    def step(self, batch, update):
        Fake.trained = (*Fake.trained, f"{self.config.regulariser}-{self.seed}-{batch}")
        weight = self.net.weight
        with torch.no_grad():
            weight.fill_(batch + 1.0)
        return Step((weight - weight.detach()).sum() + Fake.loss_is, {})

    def evaluate(self, split):
        assert split in self.splits
        return {"information_gain_bits": -self.net.weight.item()}  # the first epoch is the best

    def modules(self):
        return {"net": self.net}

    def judged(self, split, given):
        assert split == "test"
        assert split in self.splits
        gain = Fake.gains * (self.config.regulariser != "none") * (self.data.bias == "none")
        shown = {None: 0.0, "prior of centre": 10.0, "prior of none": 20.0, "prior of corner": 30.0}[given]
        bits = self.net.weight.item() + gain + shown + np.linspace(0, 1, IMAGES)
        return {"log_likelihood_bits": bits, "information_gain_bits": bits + 100}

    def measured(self):
        bits = np.full(PROBES, 0.5 if self.config.regulariser == "none" else 0.1)
        density = np.arange(1, 13, dtype=float).reshape(3, 4)
        return {kind: Bias(bits, density / density.sum()) for kind in ("uniform", "scrambled")}

    def learned(self):
        return {"sigma": 0.03, "centre_bias_weight": 0.9}

    def describe(self):
        return {"splits": {split: {"images": IMAGES} for split in self.splits}}


@pytest.fixture(autouse=True)
def faked(monkeypatch):
    """The variant is a fake one, and has no images to decode."""

    def build(self, config, data, *, device, seed, splits=("train", "val"), processes=None):
        from trainables.contract import Context  # noqa: PLC0415

        return Fake(config, data, Context(torch.device(device), seed, splits, Processes()))

    monkeypatch.setattr(Entry, "build", build)
    monkeypatch.setattr(Entry, "prepare", lambda *arguments: None)
    for name, value in (("gains", 0.05), ("loss_is", 0.0), ("built", ()), ("trained", ())):
        monkeypatch.setattr(Fake, name, value)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "export" / "config.yaml"
    path.parent.mkdir()
    write(path)
    return path


def write(path, **changes):
    settings = {"backbone": "tiny", "epochs": EPOCHS, "lr": 0.0, "regulariser": "entropy", **changes}
    Recipe(variants.load("entropy_reg"), Config(**settings), Data(), Objective((GAIN,)), seed=5).write(path)


def run(config, *more):
    return go_no_go.main([f"config={config}", "device=cpu", *more])


def record(config, folder=None):
    return json.loads(((folder or config.parent / "go_no_go") / "go_no_go.json").read_text())


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
    assert {each.name for each in trainings.iterdir()} == names
    for name in names:
        assert [line["epoch"] for line in read_lines(trainings / name / RESULT)] == [1, 2, 3]
    twin, regularised = (Recipe.read(trainings / f"{arm}-8" / "config.yaml", {}, {}) for arm in ("twin", "regularised"))
    assert replace(twin, config=replace(twin.config, regulariser="entropy")) == regularised
    assert twin.config.regulariser == "none"
    assert (twin.seed, twin.config.lambda_eff, twin.config.patience) == (8, 0.7, 0)


def test_no_training_holds_a_test_image(config):
    run(config)
    assert Fake.built[:6] == (("train", "val"),) * 6
    assert Fake.built[6:] == (("train", "val", "test"),) * 12


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
    write(tmp_path / "config.yaml", centre_bias="uniform")
    run(tmp_path / "config.yaml")
    assert record(tmp_path / "config.yaml")["arms"]["twin"]["in_domain"][0][0] == 100 + EPOCHS


def test_the_record_has_everything_the_page_shows_and_json_alone(config):
    run(config)
    found = record(config)
    assert len(found["criteria"]) == 8
    assert found["thresholds"]["bias_share"] == 0.25
    assert np.shape(found["arms"]["regularised"]["bias"]["scrambled"]) == (3, PROBES)
    assert found["arms"]["twin"]["sigma"] == [0.03] * 3
    assert found["seeds"] == [1000, 1001, 1002]
    assert found["changed"]["regulariser"] == ["none", "entropy"]
    assert found["ood"]["bias"] == "none"
    assert found["facts"]["in_domain"]["splits"]["test"] == {"images": IMAGES}
    maps = np.load(config.parent / "go_no_go" / "bias_maps.npz")
    assert set(maps) == {f"{arm}/{kind}" for arm in ("twin", "regularised") for kind in ("uniform", "scrambled")}
    assert maps["twin/uniform"].sum() == pytest.approx(1)


def test_an_interrupted_judgement_goes_on_by_the_same_command(config, monkeypatch, capsys):
    work = TrainingFolder.epoch

    def epoch(self, *arguments):
        if len(Fake.trained) == 8:  # in the second training, after its first epoch
            raise KeyboardInterrupt
        return work(self, *arguments)

    monkeypatch.setattr(TrainingFolder, "epoch", epoch)
    assert run(config) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().out
    assert not (config.parent / "go_no_go" / "go_no_go.json").exists()
    monkeypatch.setattr(TrainingFolder, "epoch", work)
    assert run(config) == 0
    steps = [f"{arm}-{seed}-{e}" for seed in (1000, 1001, 1002) for arm in ("none", "entropy") for e in range(EPOCHS)]
    assert list(Fake.trained) == [step for step in steps for _ in range(2)]  # none twice
    assert len(record(config)["looks"]) == 1


def test_a_second_look_is_asked_for_and_counted(config):
    run(config)
    with pytest.raises(UsageError, match="has the verdict; again=true looks at the test split once more"):
        run(config)
    assert len(record(config)["looks"]) == 1
    trained = len(Fake.trained)
    assert run(config, "again=true") == 0
    assert len(record(config)["looks"]) == 2
    assert len(Fake.trained) == trained
    assert "looked at 2 times" in (config.parent / "go_no_go" / "go_no_go.html").read_text()


def test_the_command_on_the_page_does_it_again(config):
    run(config, f"to={config.parent}/it's here", "ood.bias=corner")
    command = record(config, config.parent / "it's here")["command"]
    import shlex  # noqa: PLC0415

    assert go_no_go.main(shlex.split(command)[3:]) == 0
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
    entry = variants.load("benchmarks.curves")
    Recipe(entry, entry.Config(), entry.Data(), Objective((Goal("val/score"),)), 0).write(tmp_path / "config.yaml")
    with pytest.raises(UsageError, match=r"variant=benchmarks\.curves has no regulariser to judge"):
        run(tmp_path / "config.yaml")


def test_out_of_domain_is_without_centre_bias_or_cropped_unless_it_is_said(tmp_path):
    assert go_no_go._out_of_domain(Data(), {}) == Data(bias="none")
    real = Data(source="mit1003", root=str(tmp_path))
    assert go_no_go._out_of_domain(real, {}) == replace(real, crop=0.7)
    other = {"source": "pysaliency", "fold": 2}
    assert go_no_go._out_of_domain(real, other) == replace(real, **other)


@pytest.mark.parametrize("change", [{"fold": 2}, {"folds": 5}, {"split_seed": 1}])
def test_images_that_were_trained_on_are_not_judged_out_of_domain(tmp_path, change):
    """The same images split in another way: a test image of the one split is a training image of the other."""
    real = Data(source="mit1003", root=str(tmp_path))
    with pytest.raises(UsageError, match=rf"ood\.{next(iter(change))}=.* leave it out"):
        go_no_go._out_of_domain(real, {"crop": 0.5, **change})
    assert go_no_go._out_of_domain(real, {"root": str(tmp_path / "other"), **change}).root != real.root


def test_a_training_that_diverges_is_no_go_without_a_look_at_the_test_split(config, monkeypatch):
    monkeypatch.setattr(Fake, "loss_is", float("nan"))
    assert run(config) == 0
    found = record(config)
    assert found["go"] is False
    assert "twin-1000 came to no end: loss became nan" in found["reason"]
    assert found["looks"] == []
    assert all("test" not in splits for splits in Fake.built)
    page = (config.parent / "go_no_go" / "go_no_go.html").read_text()
    assert "looked at 0 times" in page


def test_help_lists_every_key(capsys):
    assert go_no_go.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(each.name in printed for each in fields(go_no_go.Judging))


# -- the page --------------------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Which elements there are, whether all that are opened are closed, and what is said of pictures."""

    VOID = ("meta", "img", "br", "line", "circle", "rect")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(config):
    run(config)
    return (config.parent / "go_no_go" / "go_no_go.html").read_text()


def outline(page):
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_needs_nothing_else(page):
    tags = outline(page)
    assert "script" not in tags.tags
    assert "link" not in tags.tags
    assert not re.search(r"https?:|url\(|@import", page)
    assert all(each["src"].startswith("data:image/png;base64,") for tag, each in tags.attributes if tag == "img")


def test_every_picture_of_the_page_is_said_in_words(page):
    named = outline(page).attributes
    pictures = [each["alt"] for tag, each in named if tag == "img"]
    drawings = [each["aria-label"] for tag, each in named if tag == "svg"]
    assert len(pictures) == 4
    assert "density from −2.700 to +0.885 bit" in pictures[0]  # log2(1 / 78 · 12), log2(12 / 78 · 12)
    assert len(drawings) == 6
    assert "Uniform colour, held out: twin 0.500 bit, regularised 0.100 bit" in drawings[1]
    assert "Out of domain, uniform centre bias +0.050 bit" in drawings[0]


def test_every_image_is_a_point_and_every_seed_a_ring(page):
    classes = [each.get("class") for tag, each in outline(page).attributes if tag == "circle"]
    assert classes.count("point") == 4 * IMAGES
    assert classes.count("dot") == 3 * (4 + 2 * 2)  # places; kinds of both arms


def test_text_from_outside_is_escaped(config):
    run(config)
    values = record(config) | {"reason": "<script>alert(1)</script>"}
    assert "<script>" not in render(values, {})


def test_an_axis_puts_round_values_where_they_belong():
    axis = Axis(-0.13, 0.31, 0, 440)
    assert axis.ticks == [(30.0, "−0.1"), (130.0, "0.0"), (230.0, "0.1"), (330.0, "0.2"), (430.0, "0.3")]
    assert Axis(0, 8, 0, 80).ticks == [(0.0, "0"), (20.0, "2"), (40.0, "4"), (60.0, "6"), (80.0, "8")]


# -- with the variant itself -----------------------------------------------------------------------------------------


def test_the_variant_itself_is_trained_and_judged(tmp_path, monkeypatch):
    monkeypatch.undo()
    small = {"image_size": 64, "downsample": 1.0, "epochs": 2, "n_uniform": 2, "batch_size": 8}
    write(tmp_path / "config.yaml", lr=1e-3, **small)
    sizes = [
        "data.train_size=8",
        "data.val_size=4",
        "data.probes=2",
        f"data.cache={tmp_path / 'cache'}",
    ]
    assert run(tmp_path / "config.yaml", "seeds=2", *sizes) == 0
    found = record(tmp_path / "config.yaml")
    assert "Too few seeds: 2 in each arm" in found["reason"] or "too few seeds: 2 in each arm" in found["reason"]
    assert set(found["arms"]["twin"]["bias"]) == {"uniform", "reflect", "scrambled", "texture"}
    assert np.isfinite(found["arms"]["regularised"]["out_of_domain"]["target"]).all()
    assert found["arms"]["twin"]["in_domain"] != found["arms"]["regularised"]["in_domain"]
