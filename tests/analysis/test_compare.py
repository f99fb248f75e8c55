"""Runs side by side: groups that can be compared, the answers on their pairs, and the page."""

import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from analysis.compare import answer_pairs, build_page, group_by_goal, main
from analysis.page.blocks import Table
from analysis.page.drawing import format_number
from analysis.page.render import PAGE_FOLDER, list_plots
from analysis.proof.arms import group_arms
from analysis.proof.statistics import gain, mean_interval
from analysis.proof.trajectory import total_cost, trajectory, value_at
from tests.support.arms import search_arm, with_proof
from tests.support.simulated import board
from trainables.settings import UsageError

# -- groups and answers ------------------------------------------------------------------------------------------------


def test_arms_are_compared_at_the_cost_that_the_cheapest_has_spent(two_spaces):
    (group,) = group_by_goal(group_arms(two_spaces, "epochs"))
    assert group.equal_cost == min(total_cost(run, "epochs") for run in two_spaces)
    wide = group.arms[0].values(group.equal_cost)
    assert wide == {seed: value_at(trajectory(two_spaces[seed], "epochs"), group.equal_cost) for seed in range(3)}


def test_pairs_share_seeds_and_the_better_space_is_named(two_spaces):
    (group,) = group_by_goal(group_arms(two_spaces, "epochs"))
    wide, narrow = (arm.values(group.equal_cost) for arm in group.arms)
    assert group.pairs[0].search_gain == gain(wide, narrow)
    (answer,) = answer_pairs(group)
    assert answer.verdict == "good"
    interval = group.pairs[0].search_gain
    bounds = f"{interval.value:+.3g}, 95% interval {interval.low:+.3g} to {interval.high:+.3g}"
    assert f"Over 3 search seeds wide is better: gain of wide over narrow {bounds}." in answer.sentence
    (reverse,) = answer_pairs(group_by_goal(group_arms([*two_spaces[3:], *two_spaces[:3]], "epochs"))[0])
    assert "wide is better: gain of narrow over wide -" in reverse.sentence  # whichever comes first


def test_one_seed_each_cannot_tell(two_spaces):
    (answer,) = answer_pairs(group_by_goal(group_arms([two_spaces[0], two_spaces[3]], "epochs"))[0])
    assert answer.verdict == "unknown"
    assert "one seed each cannot tell" in answer.sentence
    assert answer.sentence.endswith(" or prove both with python -m analysis.retrain.")


def test_proofs_speak_before_the_searches(two_spaces):
    luck = np.array([0.1, -0.1, 0.05])
    runs = [with_proof(two_spaces[0], 0.7 + luck), with_proof(two_spaces[3], 0.8 + luck + [0.001, 0, 0.002])]
    (answer,) = answer_pairs(group_by_goal(group_arms(runs, "epochs"))[0])
    assert answer.sentence.startswith(
        "With fresh seeds narrow is better: gain of wide over narrow -0.101, 95% interval"
    )


def test_another_metric_is_another_group(two_spaces, tmp_path):
    cost = search_arm(tmp_path / "cost", objective={"metric": "val/cost", "mode": "min"})
    groups = group_by_goal(group_arms([two_spaces[0], two_spaces[3], cost], "epochs"))
    assert [len(group.arms) for group in groups] == [2, 1]
    assert "nothing can be compared with it" in answer_pairs(groups[1])[0].sentence


# -- the page ------------------------------------------------------------------------------------------------------


def test_the_page_draws_every_arm_and_plotly_accepts_it(two_spaces):
    groups = group_by_goal(group_arms(two_spaces, "epochs"))
    (plot,) = list_plots(build_page(groups))
    text = json.dumps(plot.figure)
    css = (PAGE_FOLDER / "page.css").read_text()
    for token in set(re.findall(r"--[\w-]+", text)):
        assert f"{token}:" in css
        text = text.replace(f'"{token}"', '"#123456"')
    go.Figure(json.loads(text))
    lines = {trace["name"]: trace for trace in plot.figure["data"] if trace["line"]["width"] > 0}
    arm = groups[0].arms[0]
    assert lines["wide"]["y"][-1] == pytest.approx(np.mean(list(arm.values(arm.min_cost).values())), abs=1e-5)
    bands = [trace for trace in plot.figure["data"] if trace["line"]["width"] == 0]
    assert len(bands) == 4
    (table,) = [block for block in build_page(groups).sections[0].blocks if isinstance(block, Table)]
    interval = mean_interval(list(arm.values(groups[0].equal_cost).values()))
    bounds = f"({format_number(interval.low)} to {format_number(interval.high)})"
    assert table.rows[0][4].splitlines() == [format_number(interval.value), bounds]


def test_the_command_writes_a_page_and_says_the_outcome(two_spaces, tmp_path, capsys):
    words = ",".join(str(run.path) for run in two_spaces)
    assert main([f"runs=[{words}]", "cost=epochs", f"to={tmp_path}/page.html"]) == 0
    assert "wide is better" in capsys.readouterr().out
    text = (tmp_path / "page.html").read_text()
    assert "wide or narrow?" in text


def test_input_that_cannot_be_compared_is_refused(two_spaces, tmp_path):
    with pytest.raises(UsageError, match="at least two"):
        main([f"runs=[{two_spaces[0].path}]"])
    with pytest.raises(UsageError, match="runs="):
        main([f"runs={two_spaces[0].path}"])
    empty = board(tmp_path / "empty")
    with pytest.raises(UsageError, match="empty has no trial with a result yet"):
        main([f"runs=[{two_spaces[0].path},{empty.folder.path}]"])


def test_runs_on_different_data_are_pointed_out_and_another_cache_is_none(two_spaces, tmp_path):
    cache = search_arm(tmp_path / "cache", name="cache", data={"source": "synthetic", "cache": "elsewhere"})
    other = search_arm(tmp_path / "other", name="other", data={"source": "synthetic", "bad_images": "skip"})
    assert "different data" not in str(build_page(group_by_goal(group_arms([two_spaces[0], cache], "epochs"))))
    assert "different data" in str(build_page(group_by_goal(group_arms([two_spaces[0], other], "epochs"))))
