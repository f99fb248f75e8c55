"""How rare done is: what is printed, against counting one by one."""

import re
from itertools import pairwise

import numpy as np
import pytest

from tests.support.tiny_scenes import build_scenes
from trainables.seq_attention import balance
from trainables.seq_attention.balance import PUBLISHED_MODES, explain, main, remaining_shares, training_modes
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import count_objects
from trainables.seq_attention.pairs import enumerate_pairs
from trainables.seq_attention.sampling import draw_done_k, draw_k, draw_location_k
from trainables.settings import UsageError

COUNTS = np.array([1, 2, 2, 3, 7, 12, 50])
EVENLY = (np.arange(5_000) + 0.5) / 5_000
MODES = {mode.name: mode for mode in PUBLISHED_MODES}
SMALL = ["data.train_size=40", "data.val_size=30"]


def shares_of(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.bincount(n - k, minlength=n.max() + 1) / len(n)


@pytest.mark.parametrize(
    ("mode", "k"),
    [
        (MODES["published classification"], draw_done_k),
        (MODES["published regression"], draw_location_k),
        (MODES["published mixed"], lambda n, u: np.floor(u * (n + 1)).astype(int)),
        (training_modes(Config())[0], lambda n, u: draw_k(n, u, Config())),
        (training_modes(Config(sampling="separate"))[0], draw_done_k),
        (training_modes(Config(sampling="separate"))[1], draw_location_k),
    ],
    ids=lambda mode: getattr(mode, "name", ""),
)
def test_what_is_left_is_what_drawing_leaves(mode, k):
    n = np.repeat(COUNTS, len(EVENLY))
    np.testing.assert_allclose(
        remaining_shares(COUNTS, mode), shares_of(k(n, np.tile(EVENLY, len(COUNTS))), n), atol=2e-4
    )


def test_validation_has_the_pairs_that_are_enumerated():
    for n in range(13):
        points = np.random.default_rng(n).uniform(0, 50, (n, 2)).astype(np.float32)
        scenes = build_scenes([points], 50)
        pairs = enumerate_pairs(scenes, "reading", 50.0)
        expected = shares_of(pairs.k, np.full(len(pairs), n))
        np.testing.assert_allclose(remaining_shares(np.array([n]), MODES["validation here"]), expected)


@pytest.mark.parametrize("mode", PUBLISHED_MODES, ids=lambda mode: mode.name)
def test_no_objects_are_no_trouble(mode):
    shares = remaining_shares(np.array([0, 0]), mode)
    assert shares.tolist() == [1.0 if mode.done else 0.0]


def row(output: str, split: str, name: str) -> list[str]:
    """Find the cells of a mode's row below a split's title."""
    section = output[output.index(f"{split}: ") :]
    line = next(line for line in section.splitlines() if line.strip().startswith(name))
    return re.split(r"\s{2,}", line.strip())[1:]


def test_the_rows_say_how_often_done_comes_and_what_the_loss_makes_of_it(capsys):
    assert main([*SMALL, "config.done_balance=pos_weight", "config.pos_weight=6"]) == 0
    output = capsys.readouterr().out
    for split in ("train", "val", "test"):
        n = count_objects(Data(train_size=40, val_size=30), split)
        share = np.mean([1 / (count + 1) for count in n])
        done, naive, weight, odds = row(output, split, "published mixed")[:4]
        assert done == f"{100 * share:.1f} %"
        assert naive == f"{100 / (n.mean() + 1):.1f} %"
        assert (weight, odds) == ("1", f"{share / (1 - share):.3g}")
        assert f"{split}: {len(n)} images kept, 0 left out" in output
        assert f"mean {n.mean():.1f}, median {np.median(n):g}, {n.min()} to {n.max()}, {n.sum()} in all" in output
        assert row(output, split, "published classification")[0] == "50.0 %"
        assert row(output, split, "published regression")[0] == "–"
    share = np.mean(1 / (count_objects(Data(train_size=40), "train") + 1))
    done, _, weight, odds = row(output, "train", "this training")[:4]
    assert (done, weight, odds) == (f"{100 * share:.1f} %", "6", f"{6 * share / (1 - share):.3g}")
    assert output.count("this training  ") == 1  # validation and test train nothing


def test_the_shares_of_a_row_add_up_and_its_bins_are_those_of_its_title(capsys):
    main(SMALL)
    output = capsys.readouterr().out
    head = next(line for line in output.splitlines() if "N−k" in line).split("N−k")[1].split()
    starts = [int(re.match(r"\d+", title)[0]) for title in head]
    n = count_objects(Data(train_size=40), "train")
    shares = remaining_shares(n, MODES["published mixed"])
    for cell, start, end in zip(
        row(output, "train", "published mixed")[-len(head) :], starts, [*starts[1:], 999], strict=True
    ):
        assert cell == f"{100 * shares[start:end].sum():.1f} %"


def test_the_histogram_has_every_image_once():
    rng = np.random.default_rng(0)
    for n in (rng.integers(1, 50, 200), rng.integers(3, 6, 20), np.array([7])):
        lines = balance._histogram(n)
        ranges = [re.findall(r"\d+", line) for line in lines]
        assert len(lines) <= 10
        assert [int(numbers[0]) for numbers in ranges] == sorted(int(numbers[0]) for numbers in ranges)
        for *ends, images in ranges:
            assert int(images) == ((n >= int(ends[0])) & (n <= int(ends[-1]))).sum()
        assert all(int(one[-2]) + 1 == int(two[0]) for one, two in pairwise(ranges))
        assert int(ranges[-1][-2]) == n.max()


def test_the_sentences_name_the_gap_the_unseen_and_the_shift():
    n = np.array([1, 41])
    text = explain(n, n, Config(done_balance="share", p_done=0.5))
    assert "(mixed) has 26.2 % done, where 1 / (mean N + 1) would be 4.5 %" in text
    assert "right 73.8 % of the time" in text
    assert f"as {100 * (1 - (1 + 2 / 42) / 2):.1f} % of those" in text
    assert "odds of 1 in its loss, against 0.355 in counting" in text
    assert "probabilities calibrated, after it" in text


def test_what_is_left_out_is_told_and_no_image_left_is_no_error(capsys):
    main([*SMALL, "data.max_objects=2"])
    output = capsys.readouterr().out
    n = count_objects(Data(train_size=40, max_objects=2), "train")
    assert f"train: {len(n)} images kept, {40 - len(n)} left out by data.min_objects=1 to data.max_objects=2" in output
    main([*SMALL, "data.min_objects=13"])
    assert "train: 0 images kept, 40 left out" in capsys.readouterr().out


def test_real_annotations_are_measured(real_data, capsys):
    assert main(["data.source=coco", f"data.root={real_data('objects')}"]) == 0
    output = capsys.readouterr().out
    assert "train: 205 images kept, 0 left out" in output
    assert "1 to 28, 2804 in all" in output
    assert row(output, "val", "published mixed")[:2] == ["9.3 %", "7.1 %"]


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_the_settings_that_decide(word, capsys):
    assert main([word]) == 0
    output = capsys.readouterr().out
    for key in ("data.source", "data.max_objects", "config.p_done", "config.hardness", "config.sampling"):
        assert re.search(rf"^  {re.escape(key)} ", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("smapling=mixed", r"unknown setting 'smapling'; did you mean 'config\.sampling'"),
        ("config.p_dnoe=0.2", r"unknown setting 'config\.p_dnoe'; did you mean 'config\.p_done'"),
        ("data.min_objects=80", r"min_objects=80 is above max_objects=50"),
        ("data=3", r"data=3 is no setting: write data\.NAME=VALUE"),
        ("data.source=coco", r"say where with data\.root=FOLDER"),
    ],
)
def test_mistakes_are_told_in_a_sentence(word, sentence):
    with pytest.raises(UsageError, match=sentence):
        main([word])


def test_a_root_that_is_no_folder_is_told():
    with pytest.raises(UsageError, match=r"data\.root=/nope is no folder"):
        main(["data.source=coco", "data.root=/nope"])
