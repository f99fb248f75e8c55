"""Commands on a page: a shell takes them as they stand, and the page shows them as commands."""

import html
import re
import shlex

from analysis.frames.experiment import load
from analysis.page.render import mark_commands
from analysis.page.tables import follow_up_commands
from analysis.questions.answer import proof_command, quote_path, quote_word
from analysis.questions.playbook import answers
from tests.support.written import curve, trial, write_run


def test_what_is_quoted_is_read_back_and_shown_as_one_command(tmp_path):
    run = tmp_path / "my $HOME; run's"
    words = [
        f"run={quote_path(run)}",
        quote_word("params.lr.loguniform=[1e-05,0.1]"),
        quote_word("params.x={choice: [a, b]}"),
        "n=3",
    ]
    command = f"python -m search.run {' '.join(words)}"
    options = ["params.lr.loguniform=[1e-05,0.1]", "params.x={choice: [a, b]}", "n=3"]
    assert shlex.split(command)[3:] == [f"run={run}", *options]
    markup = str(mark_commands(f"Go on: {command} and see. Or: {proof_command(run, 4)}; then rest."))
    codes = [html.unescape(item) for item in re.findall(r"<code>(.*?)</code>", markup)]
    assert codes == [command, f"python -m analysis.retrain run={quote_path(run)} top=4 seeds=5"]


def test_every_command_of_a_run_in_an_odd_place_is_taken_by_a_shell(tmp_path):
    experiment = write_run(tmp_path / "odd $place here", [trial(curve(0.4 + 0.05 * item)) for item in range(8)])
    lines = [command for _, command in follow_up_commands(experiment).commands]
    lines += [
        item.sentence[item.sentence.index("python -m") :]
        for item in answers(experiment)
        if "python -m" in item.sentence
    ]
    assert len(lines) > 4
    for command in lines:
        for word in shlex.split(command)[3:]:
            name, _, value = word.partition("=")
            if name in ("run", "resume", "space"):
                assert value.startswith(str(experiment.path))


def test_the_same_search_again_takes_another_folder(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(0.4))])
    original = "search/run.py space=a b.yaml name=mine params.lr.uniform=[0,1] seed=3"
    (experiment.path / "environment.json").write_text(f'{{"command": "{original}"}}')
    (_, repeat), *_ = follow_up_commands(load(experiment.path)).commands
    assert shlex.split(repeat) == ["python", "-m", "search.run", "space=a b.yaml", "params.lr.uniform=[0,1]", "seed=3"]


def test_the_command_to_resume_names_the_damaged_trials_in_the_way(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(0.4)), trial(curve(0.5))])
    (experiment.path / "trial_0001" / "trial.json").write_text("{")
    purposes = [purpose for purpose, _ in follow_up_commands(load(experiment.path)).commands]
    assert "resume, or change the budget, after moving trial_0001 out of the folder" in purposes
