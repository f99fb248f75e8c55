"""The model card's section on the splits."""

from pathlib import Path

import pytest

from trainables import registry
from trainables.adequacy.assessment import ADEQUACY, Adequacy, DataFinding
from trainables.baselines import Baselines
from trainables.export.card import write_card
from trainables.export.recipe import Recipe
from trainables.objective import Goal, Objective

REPORT = {"epoch": 1, "val/auroc_macro": 0.5, "objective/value": 0.5}


def card(facts):
    entry = registry.load("mask_st")
    recipe = Recipe(entry, entry.Config(image_size=32), entry.Data(), Objective((Goal("val/auroc_macro"),)), 0)
    return write_card(Path("/export"), recipe, REPORT, facts, "For the test.", {})


@pytest.mark.parametrize("findings", [(), (DataFinding("few", "3 images are few.", severe=True),)])
def test_a_card_says_what_the_splits_hold_and_what_rests_on_too_little(findings):
    facts = {"classes": ["a"], **Adequacy({"train": "8 images", "val": "3 images"}, findings).as_facts()}
    section = card(facts).partition("## Can the splits judge?")[2].partition("##")[0]
    assert section.strip().splitlines() == [
        "- train: 8 images",
        "- val: 3 images",
        "",
        "- bad: 3 images are few." if findings else "No figure rests on too little.",
    ]
    assert f"- {ADEQUACY}" not in card(facts)


def test_a_card_of_older_facts_has_no_such_section():
    assert "Can the splits judge?" not in card({"classes": ["a"]})


def test_a_recipe_describes_its_own_splits():
    entry = registry.load("mask_st")
    data = entry.Data(train_size=40, val_size=20)
    recipe = Recipe(entry, entry.Config(image_size=32), data, Objective((Goal("val/auroc_macro"),)), 0)
    facts = recipe.describe_adequacy(["train", "val", "test"])
    assert facts[ADEQUACY]["lines"] == dict(entry.assess(recipe.config, data, ("train", "val", "test")).lines)
    assert facts[ADEQUACY]["lines"]["val"].startswith("20 images of 20 patients")
    curves = registry.load("benchmarks.curves")
    assert Recipe(curves, curves.Config(), curves.Data(), recipe.objective, 0).describe_adequacy() == {}


def test_a_metric_stands_beside_chance_and_trivial_methods_and_what_is_not_better_is_said():
    rows = {"chance": {"val/auroc_macro": 0.4, "val/x": 1.0}, "ridge": {"val/auroc_macro": 0.78}}
    section = card({"classes": ["a"], **Baselines(rows).as_facts()}).partition("## Metrics of these weights")[2]
    assert "| metric | these weights | chance | ridge |" in section
    assert "| val/auroc_macro | 0.5 | 0.4 | 0.78 |" in section
    assert "**not better than ridge**" in section
    assert "- baselines" not in section


def test_a_card_of_older_facts_has_the_metrics_alone():
    section = card({"classes": ["a"]}).partition("## Metrics of these weights")[2].partition("##")[0]
    assert "| metric | these weights |\n|---|---|\n| val/auroc_macro | 0.5 |" in section
    assert "not better" not in section
