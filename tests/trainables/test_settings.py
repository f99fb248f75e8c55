"""Settings check themselves, and every refusal is one sentence that names the value and the remedy."""

from dataclasses import dataclass
from typing import Literal

import pytest

from trainables.commands import parse_arguments, table
from trainables.settings import Settings, UsageError, describe_unknown, format_value, setting


@dataclass(frozen=True, kw_only=True)
class Example(Settings):
    needed: str = setting(help="must be given")
    count: int = setting(3, "how many", low=1, high=9)
    rate: float = setting(0.5, "how fast", low=0.0)
    flag: bool = setting(False, "whether")
    noise: Literal["logistic", "none"] = setting("logistic", "which noise")
    limit: float | None = setting(None, "at most", low=0.0)
    share: float | Literal["auto"] = setting("auto", "of a GPU", low=0.0)


def example(**values):
    return Example.from_dict({"needed": "x", **values})


@pytest.mark.parametrize(
    ("name", "given", "held"),
    [
        ("count", 4.0, 4),
        ("rate", 1, 1.0),
        ("rate", 0, 0.0),
        ("noise", None, "none"),
        ("limit", "none", None),
        ("limit", 2, 2.0),
        ("share", "auto", "auto"),
        ("share", 0.25, 0.25),
        ("needed", 7, "7"),
    ],
)
def test_values_are_held_in_the_type_of_their_field(name, given, held):
    value = getattr(example(**{name: given}), name)
    assert value == held
    assert type(value) is type(held)
    assert Example.convert(name, given) == held


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cuont": 4}, ["part.cuont", "did you mean 'part.count'?"]),
        ({"count": 0}, ["count=0", "1 to 9"]),
        ({"count": 2.5}, ["count=2.5", "whole number"]),
        ({"count": True}, ["count=true", "whole number"]),
        ({"count": "many"}, ["count=many", "whole number"]),
        ({"rate": True}, ["rate=true", "number"]),
        ({"rate": -0.1}, ["rate=-0.1", "at least 0"]),
        ({"rate": float("nan")}, ["rate=nan", "number"]),
        ({"rate": [1]}, ["rate=[1]", "number"]),
        ({"flag": 1}, ["flag=1", "true or false"]),
        ({"flag": "yes"}, ["flag=yes", "true or false"]),
        ({"noise": "logistc"}, ["noise", "logistc", "did you mean 'logistic'?"]),
        ({"limit": "many"}, ["limit=many", "number"]),
        ({"limit": -1}, ["limit=-1", "at least 0"]),
        ({"needed": None}, ["needed=none", "word"]),
    ],
)
def test_a_bad_value_is_named_with_what_is_accepted(given, words):
    with pytest.raises(UsageError) as refusal:
        Example.from_dict({"needed": "x", **given}, prefix="part.")
    sentence = str(refusal.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    for word in words:
        assert word in sentence


def test_a_required_setting_is_asked_for():
    with pytest.raises(UsageError, match=r"part\.needed is required: must be given\."):
        Example.from_dict({}, prefix="part.")


def test_a_name_like_no_other_gets_all_of_them():
    with pytest.raises(UsageError, match=r"part\.count, part\.rate"):
        Example.from_dict({"needed": "x", "zzz": 1}, prefix="part.")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_count_that_is_not_finite_is_refused(value):
    with pytest.raises(UsageError, match=f"count={value}"):
        example(count=value)


@pytest.mark.parametrize("value", [-1, "abc"])
def test_a_setting_that_takes_a_number_or_a_word_says_both(value):
    with pytest.raises(UsageError) as refusal:
        example(share=value)
    assert "auto" in str(refusal.value)
    assert "number" in str(refusal.value) or "at least 0" in str(refusal.value)


def test_help_lists_every_field_with_default_and_choices():
    rows = {name: (default, text) for name, default, text in Example.help_lines()}
    assert list(rows) == Example.names()
    assert rows["needed"] == ("required", "must be given")
    assert rows["limit"] == ("none", "at most")
    assert rows["flag"] == ("false", "whether")
    assert rows["noise"] == ("logistic", "which noise [logistic | none]")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["budget.trials=8", "budget.max_epochs=2"], {"budget": {"trials": 8, "max_epochs": 2}}),
        (["lr=1e-4"], {"lr": 1e-4}),
        (["lr.loguniform=[1e-4,1e-2]"], {"lr": {"loguniform": [1e-4, 1e-2]}}),
        (["constraints.health/coverage_error=0.03"], {"constraints": {"health/coverage_error": 0.03}}),
        (["root=/a=b"], {"root": "/a=b"}),
        (["seed=1", "seed=2"], {"seed": 2}),
        (["a=null", "b=none", "c=true"], {"a": None, "b": "none", "c": True}),
    ],
)
def test_arguments_become_nested_values(words, values):
    assert parse_arguments(words) == values


@pytest.mark.parametrize("word", ["seed", "=3", "--seed"])
def test_a_word_that_is_no_setting_is_named(word):
    with pytest.raises(UsageError, match=f"'{word}' is no setting: write key=value"):
        parse_arguments([word])


@pytest.mark.parametrize("word", ["a=[1", "a=x: y: z", "a=${b}"])
def test_a_value_that_is_no_yaml_is_named(word):
    with pytest.raises(UsageError) as refusal:
        parse_arguments([word])
    assert word in str(refusal.value)


@pytest.mark.parametrize("value", [None, True, 3e-4, 12, "word"])
def test_a_value_as_typed_is_read_back(value):
    assert Example.convert("limit", "none") is None
    read = parse_arguments([f"key={format_value(value)}"])["key"]
    assert read == ("none" if value is None else value)


@pytest.mark.parametrize(("name", "hint"), [("trails", "did you mean 'trials'?"), ("q", "accepted: trials, seed.")])
def test_an_unknown_name_gets_the_nearest_or_all(name, hint):
    assert describe_unknown(name, ["trials", "seed"]) == f"unknown setting '{name}'; {hint}"


def test_a_table_is_aligned():
    lines = table([("a", "", "first"), ("longer", "12", "second")]).splitlines()
    assert lines[0].index("first") == lines[1].index("second")
