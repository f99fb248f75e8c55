"""Printed figures beside the value that they stand for."""

import math

import numpy as np
import pytest

from benchmarks.agreement.figures import Figure, find_values

VALUES = [0.9221303311349142, 0.00012345678, 123456.789, -1.5, 0.1, 12.0, 0.0, 2.53e-7]


def agrees(text, truth):
    return Figure("card", "#1 val/score", text, truth).agrees


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("form", [".4g", ".6g", ",.4f", ""])
def test_a_rounded_value_agrees_however_it_is_written(value, form):
    if form == ",.4f" and 0 < abs(value) < 0.1:
        return  # prints fewer than four digits of it
    assert agrees(format(value, form), value)


@pytest.mark.parametrize("value", [value for value in VALUES if value])
def test_a_value_that_differs_in_the_last_of_four_digits_does_not_agree(value):
    assert not agrees(f"{value * 1.002:.4g}", value)
    assert not agrees(f"{value * 0.998:.4g}", value)


def test_random_values_agree_with_the_texts_to_which_they_are_rounded_and_with_no_other():
    values = np.random.default_rng(0).lognormal(sigma=4, size=200)
    texts = [f"{value:.4g}" for value in values]
    agreement = np.array([[agrees(text, value) for text in texts] for value in values])
    assert (agreement == (np.array(texts)[:, None] == np.array(texts))).all()


def test_figures_of_a_column_with_the_same_decimals_agree_to_these_decimals():
    assert Figure("page", "#1 val/score", "0.106", 0.10627767535745836, is_fixed=True).agrees
    assert not Figure("page", "#1 val/score", "0.106", 0.10687767535745836, is_fixed=True).agrees
    assert not agrees("0.106", 0.10627767535745836)


def test_no_number_agrees_with_no_number_alone():
    assert agrees("nan", math.nan)
    assert agrees("", math.nan)
    assert not agrees("0.5", math.nan)
    assert not agrees("nan", 0.5)


def test_values_are_found_behind_the_name_of_their_metric():
    text = "best trial #3   val/auc 0.937   val/auc_macro 1.2e-3 at epoch 12"
    assert find_values(text, ["val/auc", "val/auc_macro"]) == [("val/auc", "0.937"), ("val/auc_macro", "1.2e-3")]
