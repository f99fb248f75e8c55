"""Every field of every variant's settings and of a search's own, to ask the same of all of them."""

from __future__ import annotations

import typing

import pytest

from search.budget import Budget, SchedulerChoice, SearcherChoice
from search.request import Run
from trainables import registry
from trainables.settings import Settings, UsageError

VARIANTS = (*registry.names(), "benchmarks.curves")
KINDS: dict[str, type[Settings]] = {
    **{name: registry.load(name).Config for name in VARIANTS},
    **{f"{name}.data": registry.load(name).Data for name in VARIANTS},
    "run": Run,
    "budget": Budget,
    "scheduler": SchedulerChoice,
    "searcher": SearcherChoice,
}
FIELDS = [(kind, name) for kind, settings in KINDS.items() for name in settings.names()]
every_field = pytest.mark.parametrize(("kind", "name"), FIELDS)


def annotation(kind: str, name: str) -> str:
    """Write a field's type, such as `int | None`."""
    hint = typing.get_type_hints(KINDS[kind])[name]
    return hint.__name__ if isinstance(hint, type) else str(hint)


def refusal(kind: str, name: str, value: object) -> str:
    """Return the sentence with which a field refuses a value."""
    with pytest.raises(UsageError) as error:
        KINDS[kind].convert(name, value)
    sentence = str(error.value)
    assert name in sentence
    assert "\n" not in sentence
    assert len(sentence) < 2000
    return sentence
