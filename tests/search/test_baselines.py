"""Baselines before the first trial, and in the card after the last one."""

import json

import pytest

from search.baselines import compute_baselines
from search.console import card
from search.request import Run
from search.space import Space
from tests.search.test_console import FAR, NEAR, SHORT, trained
from tests.support.simulated import board, space
from tests.support.tiny_noise import SETTINGS
from trainables.baselines import Baselines
from trainables.files import BASELINES
from trainables.noise_mask import baselines as noise_baselines

TINY = {
    "variant": "noise_mask",
    "objective": {"metric": "val/accuracy_balanced_maskfree"},
    "data": {"train_size": 24, "val_size": 12},
    "fixed": {name: value for name, value in SETTINGS.items() if name not in ("lr", "epochs")},
    "params": {"lr": {"loguniform": [1e-4, 1e-2]}},
}


def write_rows(on, *, score, chance=0.1):
    Baselines({"chance": {"val/score": chance}, "mean": {"val/score": score}}).write(on.folder.path)


def test_rows_are_printed_and_written_once(tmp_path, capsys):
    tiny = Space.from_source("tiny", TINY)
    first = compute_baselines(tmp_path, Run(), tiny)
    text = capsys.readouterr().out
    assert "val/accuracy_balanced_maskfree: chance 0.3333 · ridge on 32 × 32 pixels" in text
    stamp = (tmp_path / BASELINES).stat().st_mtime_ns
    assert compute_baselines(tmp_path, Run(quiet=True), tiny) == first
    assert capsys.readouterr().out == ""
    assert (tmp_path / BASELINES).stat().st_mtime_ns == stamp


def test_a_failure_is_told_and_recorded_and_stops_nothing(tmp_path, monkeypatch):
    def fail(config, data):
        raise MemoryError("no room for the thumbnails")

    monkeypatch.setattr(noise_baselines, "compute", fail)
    with pytest.warns(UserWarning, match="no baselines to compare with: MemoryError: no room for the thumbnails"):
        assert compute_baselines(tmp_path, Run(), Space.from_source("tiny", TINY)).rows == {}
    assert "no room" in json.loads((tmp_path / BASELINES).read_text())["problem"]


def test_a_variant_without_baselines_leaves_no_file_and_says_nothing(tmp_path, capsys):
    assert compute_baselines(tmp_path, Run(), space()) == Baselines()
    assert capsys.readouterr().out == ""
    assert not (tmp_path / BASELINES).exists()


@pytest.mark.parametrize(
    ("score", "warning"),
    [
        (0.2, None),
        (0.5, "NOT BETTER than mean: default"),
        (0.7, "NOT BETTER than mean: default, best trial"),
        (0.66, "NOT BETTER than mean: default"),
    ],
)
def test_the_card_says_loudly_what_is_not_better(tmp_path, score, warning):
    on = board(tmp_path / "run", **SHORT)
    write_rows(on, score=score)
    trained(on, FAR)
    trained(on, NEAR)
    text = card(on, on.folder)
    assert f"val/score: chance 0.1 · mean {score:.4g} · default 0.2167 · best trial 0.6667" in text
    assert ("NOT BETTER" in text) == (warning is not None)
    assert warning is None or f"{warning}\n" in text


def test_where_the_default_is_best_it_is_named_once(tmp_path):
    on = board(tmp_path / "run", **SHORT)
    write_rows(on, score=0.9)
    trained(on, FAR)
    text = card(on, on.folder)
    assert "mean 0.9 · default 0.2167\n" in text
    assert "NOT BETTER than mean: default\n" in text


def test_the_card_of_an_older_run_is_as_it_was(tmp_path):
    on = board(tmp_path / "run", **SHORT)
    trained(on, FAR)
    assert "chance" not in card(on, on.folder)
