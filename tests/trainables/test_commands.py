"""Command lines that have parts beside their own keys."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from trainables.commands import parse_parts
from trainables.settings import Settings, UsageError, setting


@dataclass(frozen=True, kw_only=True)
class Keys(Settings):
    seeds: int = setting(3, "trainings", low=1)


def test_own_keys_and_parts_are_told_apart():
    keys, parts = parse_parts(["seeds=5", "data.source=nih", "data.root=here"], Keys, ("data", "fixed"))
    assert keys == Keys(seeds=5)
    assert parts == {"data": {"source": "nih", "root": "here"}, "fixed": {}}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["seed=5"], "unknown setting 'seed'; did you mean 'seeds'"),
        (["dato.root=x"], "did you mean 'data'"),
        (["data=nih"], "data=nih is no part with settings of its own; write data.NAME=VALUE"),
        (["seeds=0"], "seeds=0 is out of range"),
        (["seeds"], "'seeds' is no setting"),
    ],
)
def test_what_cannot_be_read_is_named(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        parse_parts(words, Keys, ("data", "fixed"))
