"""What no field takes is refused wherever it is written: fixed, searched in any distribution, in a condition, data."""

import pytest

from search.dimensions import read_dimension
from search.space import Space
from tests.support.fields import KINDS, VARIANTS
from trainables import registry
from trainables.settings import UsageError

CONFIG_FIELDS = [(variant, name) for variant in VARIANTS for name in KINDS[variant].names() if name != "epochs"]
DATA_FIELDS = [(variant, name) for variant in VARIANTS for name in KINDS[f"{variant}.data"].names()]
RANGES = {
    "uniform": [0.25, 0.75],
    "loguniform": [0.25, 0.75],
    "quniform": [0.25, 0.75, 0.25],
    "randint": [1, 5],
}
IMPOSSIBLE = (10**400, float("nan"), float("inf"), "x" * 10**6)


def sentence(act) -> str:
    with pytest.raises(UsageError) as error:
        act()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 2000
    return str(error.value)


def space(variant: str, **parts) -> Space:
    return Space.from_source("any", {"variant": variant, "objective": {"metric": "val/score"}, **parts})


@pytest.mark.parametrize(("variant", "name"), CONFIG_FIELDS)
@pytest.mark.parametrize("kind", RANGES)
def test_a_range_of_numbers_is_no_distribution_of_a_text_a_word_or_a_truth(variant, name, kind):
    config = registry.load(variant).Config
    if config.number_type(name) is None:
        refusal = sentence(lambda: read_dimension(config, name, {kind: RANGES[kind]}))
        assert f"params.{name}" in refusal
        assert "choice" in refusal
    elif config.number_type(name) is int and kind != "randint":
        refusal = sentence(
            lambda: read_dimension(config, name, {kind: [3.5 * number for number in (1, 3, 1)][: len(RANGES[kind])]})
        )
        assert name in refusal


@pytest.mark.parametrize(("variant", "name"), CONFIG_FIELDS)
@pytest.mark.parametrize("kind", [*RANGES, "choice"])
def test_no_distribution_reaches_beyond_any_machine(variant, name, kind):
    config = registry.load(variant).Config
    for value in IMPOSSIBLE:
        values = [1, value, 1] if kind == "quniform" else [1, value]
        if kind == "choice" and config.number_type(name) is None and value != "x" * 10**6:
            continue  # a text may be a number's digits
        assert name in sentence(lambda values=values: read_dimension(config, name, {kind: values}))


@pytest.mark.parametrize(("variant", "name"), CONFIG_FIELDS)
def test_a_condition_is_on_a_value_that_the_field_can_have(variant, name):
    config = registry.load(variant).Config
    other = "lr" if name != "lr" else "weight_decay"
    for value in ("x" * 10**6, {"a": 1}, [["b"]]):
        spec = {"uniform": [0.1, 0.2], "when": {name: value}}
        assert name in sentence(lambda spec=spec: read_dimension(config, other, spec))


@pytest.mark.parametrize(("variant", "name"), CONFIG_FIELDS)
def test_a_fixed_field_is_refused_with_its_name(variant, name):
    for value in ("x" * 10**6, ["x"] * 1000):
        assert name in sentence(lambda value=value: space(variant, fixed={name: value}))


@pytest.mark.parametrize(("variant", "name"), DATA_FIELDS)
def test_a_field_of_the_data_is_refused_with_its_name(variant, name):
    for value in ("x" * 10**6, ["x"] * 1000):
        assert f"data.{name}" in sentence(lambda value=value: space(variant, data={name: value}))


def test_a_condition_reads_none_as_the_field_does():
    config = registry.load("mask_st").Config
    read = read_dimension(config, "floor_fraction", {"uniform": [0.1, 0.5], "when": {"temperature_decay": "none"}})
    assert read.is_active({}, lambda name: getattr(config(), name))
