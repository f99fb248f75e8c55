"""Commands on a page: a shell takes them as they stand, and the page shows them as commands."""

import html
import re
import shlex

from analysis.frames.experiment import load
from analysis.page.render import with_commands
from analysis.page.tables import commands
from analysis.questions.answer import quoted, retraining, shown
from analysis.questions.playbook import answers
from tests.support.written import curve, trial, written


def test_what_is_quoted_is_read_back_and_shown_as_one_command(tmp_path):
    run = tmp_path / "my $HOME; run's"
    words = [
        f"run={shown(run)}",
        quoted("params.lr.loguniform=[1e-05,0.1]"),
        quoted("params.x={choice: [a, b]}"),
        "n=3",
    ]
    command = f"python -m search.run {' '.join(words)}"
    meant = ["params.lr.loguniform=[1e-05,0.1]", "params.x={choice: [a, b]}", "n=3"]
    assert shlex.split(command)[3:] == [f"run={run}", *meant]
    made = str(with_commands(f"Go on: {command} and see. Or: {retraining(run, 4)}; then rest."))
    shown_as = [html.unescape(each) for each in re.findall(r"<code>(.*?)</code>", made)]
    assert shown_as == [command, f"python -m analysis.retrain run={shown(run)} top=4 seeds=5"]


def test_every_command_of_a_run_in_an_odd_place_is_taken_by_a_shell(tmp_path):
    experiment = written(tmp_path / "odd $place here", [trial(curve(0.4 + 0.05 * each)) for each in range(8)])
    said = [command for _, command in commands(experiment).commands]
    said += [
        each.sentence[each.sentence.index("python -m") :]
        for each in answers(experiment)
        if "python -m" in each.sentence
    ]
    assert len(said) > 4
    for command in said:
        for word in shlex.split(command)[3:]:
            name, _, value = word.partition("=")
            if name in ("run", "resume", "space"):
                assert value.startswith(str(experiment.path))


def test_the_same_search_again_takes_another_folder(tmp_path):
    experiment = written(tmp_path, [trial(curve(0.4))])
    recorded = "search/run.py space=a b.yaml name=mine params.lr.uniform=[0,1] seed=3"
    (experiment.path / "environment.json").write_text(f'{{"command": "{recorded}"}}')
    (_, again), *_ = commands(load(experiment.path)).commands
    assert shlex.split(again) == ["python", "-m", "search.run", "space=a b.yaml", "params.lr.uniform=[0,1]", "seed=3"]


def test_going_on_says_which_damaged_trials_are_in_the_way(tmp_path):
    experiment = written(tmp_path, [trial(curve(0.4)), trial(curve(0.5))])
    (experiment.path / "trial_0001" / "trial.json").write_text("{")
    purposes = [purpose for purpose, _ in commands(load(experiment.path)).commands]
    assert "go on, or change the budget, with trial_0001 out of the folder" in purposes
