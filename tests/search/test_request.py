"""The command line of a search: what it means, what `--help` says, and what ends with one sentence and code 2."""

import subprocess
import sys

import pytest

from search import run
from search.budget import Budget, SchedulerChoice, SearcherChoice
from search.record import RunFolder
from search.request import CHANGEABLE_KEYS, Run, help_page, read
from search.space import KEYS, list_spaces
from tests.support.repository import ROOT
from tests.support.simulated import YAML, board
from trainables import registry as variants
from trainables.settings import UsageError


@pytest.fixture
def words(tmp_path):
    """Words of a command line that ask for a small space in an empty folder."""
    (tmp_path / "small.yaml").write_text(YAML)
    return [f"space={tmp_path / 'small.yaml'}", f"storage={tmp_path / 'runs'}"]


def test_a_command_line_is_a_request(words, tmp_path):
    request = read([*words, "name=mine", "seed=3", "budget.trials=5", "params.x=0.25"], now="0102-0304")
    assert (request.run.seed, request.run.name) == (3, "mine")
    assert request.folder == tmp_path / "runs" / "mine"
    assert (request.space.budget.trials, request.space.fixed["x"]) == (5, 0.25)


def test_a_run_without_a_name_gets_one_that_is_free(words, tmp_path):
    names = []
    for _ in range(3):
        names.append(read(words, now="0102-0304").run.name)
        (tmp_path / "runs" / names[-1]).mkdir(parents=True)
    assert names == ["small-0102-0304", "small-0102-0304-2", "small-0102-0304-3"]


def test_a_name_is_free_in_the_home_folder_too(words, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "runs" / "small-0102-0304").mkdir(parents=True)
    assert read([words[0], "storage=~/runs"], now="0102-0304").run.name == "small-0102-0304-2"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("sead=1", ["sead", "did you mean 'seed'?"]),
        ("bugdet.trials=3", ["bugdet", "did you mean 'budget'?"]),
        ("seed=many", ["seed=many", "whole number"]),
        ("seed=true", ["seed=true", "whole number"]),
        ("dry_run=1", ["dry_run=1", "true or false"]),
        ("cpus_per_trial=0", ["cpus_per_trial=0", "at least 0.1"]),
        ("seed", ["'seed'", "key=value"]),
        ("space=zzzzzz", ["zzzzzz", "mask_st"]),
        ('space=""', ["space=", "mask_st"]),
        ("storage=s3://bucket/runs", ["storage=s3://bucket/runs", "folder"]),
        ("params.x.uniform=[0.5,0.5]", ["params.x.uniform=[0.5, 0.5]", "empty"]),
        ("params.x.loguniform=[0,1]", ["params.x.loguniform=[0, 1]", "above 0"]),
        ("params.epochs=3", ["epochs", "budget.max_epochs"]),
        ("params.x.when.y=0.5 params.y.uniform=[0,1] params.y.when.x=0.5", ["x, y", "circle"]),
        ("params.kind.choice=[plain,shfted]", ["params.kind", "shfted", "shifted"]),
        ("data.source=nih", ["data.source", "nih"]),
        ("objective=val/score", ["objective=val/score", "objective.NAME=VALUE"]),
    ],
)
def test_what_cannot_be_used_is_one_sentence_that_names_it(words, word, said):
    with pytest.raises(UsageError) as refusal:
        read([*words, *word.split()], now="0102-0304")
    sentence = str(refusal.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    for each in said:
        assert each in sentence


def test_a_bad_command_line_ends_with_code_2_before_anything_is_loaded_or_made(tmp_path, words):
    code = "import sys; from search import run; from trainables.commands import run_command\n" + (
        "try: run_command(run.main)\n"
        "finally: print([name for name in ('torch', 'ray') if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code, *words, "sead=1"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "error: unknown setting 'sead'; did you mean 'seed'?\n[]\n"
    assert ended.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_the_module_is_a_command():
    ended = subprocess.run(
        [sys.executable, "-m", "search.run", "space=mask_stt"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert ended.returncode == 2
    assert ended.stderr == "error: unknown space 'mask_stt'; did you mean 'mask_st'?\n"


def test_help_lists_every_key_space_and_variant(capsys):
    assert run.main(["--help"]) == run.main([]) == 0
    page = help_page()
    assert capsys.readouterr().out == 2 * (page + "\n")
    listed = {line.split()[0] for line in page.splitlines() if line.startswith("  ") and line.split()}
    expected = set(Run.names()) | set(list_spaces()) | set(variants.names())
    parts = (("budget", Budget), ("scheduler", SchedulerChoice), ("searcher", SearcherChoice))
    parts += tuple(("data", variants.load(name).Data) for name in variants.names())
    expected |= {f"{part}.{name}" for part, settings in parts for name in settings.names()}
    expected |= {name for variant in variants.names() for name in variants.load(variant).Config.names()}
    assert expected <= listed
    assert {key for key in KEYS if key != "data"} <= {each.split(".")[0] for each in listed}


def test_a_dry_run_prints_the_plan_and_makes_nothing(words, tmp_path, capsys):
    assert run.main([*words, "dry_run=true", "cpus=2", "gpus=0"]) == 0
    printed = capsys.readouterr().out
    assert "8 trials × ≤ 4 epochs, compared at 2 and 4 · 2 at a time, 1 CPU each" in printed
    assert not (tmp_path / "runs").exists()


# -- going on ----------------------------------------------------------------------------------------------------


@pytest.fixture
def begun(tmp_path):
    """Create the folder of a run with seed 7."""
    on = board(tmp_path / "runs" / "mine")
    settings = Run(space="curves", seed=7, name="mine", max_concurrent=3).as_dict()
    on.folder.write_settings({**settings, "space_name": "curves"})
    return on.folder.path


def test_a_resumed_run_has_its_own_settings_and_what_may_change_changed(begun):
    request = read([f"resume={begun}", "budget.trials=30", "quiet=true"], now="")
    assert (request.run.seed, request.run.max_concurrent, request.run.quiet) == (7, 3, True)
    assert request.folder == begun
    assert (request.space.name, request.space.budget.trials, request.space.budget.max_epochs) == ("curves", 30, 9)


@pytest.mark.parametrize("word", ["seed=8", "space=mask_st", "budget.max_epochs=3", "params.x=0.5", "name=other"])
def test_what_decided_the_trials_cannot_change(begun, word):
    with pytest.raises(UsageError, match=f"{word.split('=')[0].split('.x')[0]}.* cannot change when a run is resumed"):
        read([f"resume={begun}", word], now="")
    assert RunFolder.open(begun).space().budget.trials == 12


def test_every_key_that_may_change_is_one_of_the_keys():
    assert set(CHANGEABLE_KEYS) <= set(Run.names())


def test_what_is_no_run_cannot_be_resumed(begun):
    with pytest.raises(UsageError, match="runs there: mine"):
        read([f"resume={begun.parent / 'yours'}"], now="")
