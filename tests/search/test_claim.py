"""Nothing is written before a run is claimed: a refusal leaves every byte and every time of its folder as they were."""

import subprocess
import sys
from pathlib import Path

import pytest

from search.board import Board
from search.record import RunFolder
from search.request import read
from search.retraining import Training, retrain
from search.run import _claim, main
from search.space import Space
from tests.support.simulated import add, board, search
from trainables.files import write_yaml
from trainables.settings import UsageError

X = {"x": 0.3, "y": 0.7}


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return content and time of everything in a folder, itself included."""
    files = [folder, *sorted(folder.rglob("*"))]
    return {str(file): (file.read_bytes() if file.is_file() else b"", file.stat().st_mtime_ns) for file in files}


@pytest.fixture
def run(tmp_path) -> Path:
    """Make a run with two trials as a killed search leaves it, with the lock's file."""
    on = board(tmp_path / "runs" / "mine")
    on.folder.write_settings({"space": "curves", "space_name": "curves", "storage": str(tmp_path / "runs")})
    add(on, X, epochs=9, ended="finished", cause="budget")
    add(on, X, epochs=2)
    return on.folder.path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["seed=1"], "seed cannot change"),
        (["params.x=0.3"], "cannot change"),
        (["budget.trials=1"], "has 2 trials"),
        (["budget.trials=none"], "trials=none"),
        (["cpus=0"], "cpus=0"),
        (["no_such_key=1"], "no_such_key"),
        (["retry=maybe"], "retry=maybe"),
        (["ray_start_timeout_s=0"], "ray_start_timeout_s=0"),
    ],
)
def test_a_resume_that_is_refused_for_its_words_changes_nothing(run, words, sentence):
    before = state(run)
    with pytest.raises(UsageError, match=sentence):
        main([f"resume={run}", *words])
    assert state(run) == before


HOLD = """
import sys
from pathlib import Path
from search.board import Board
from search.record import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("words", [[], ["budget.trials=30"], ["retry=true", "table=true"]])
def test_a_resume_of_a_run_that_another_process_runs_changes_nothing(run, words):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        before = state(run)
        with pytest.raises(UsageError, match="run by another process"):
            main([f"resume={run}", *words])
        assert state(run) == before
    finally:
        holder.communicate()


def test_a_resume_whose_data_have_moved_changes_nothing(tmp_path):
    parts = {
        "variant": "mask_st",
        "objective": {"metric": "val/auroc_macro"},
        "params": {"lr": {"uniform": [0.0, 1.0]}},
    }
    parts |= {"data": {"source": "nih", "root": str(tmp_path / "gone")}}
    folder = tmp_path / "runs" / "mine"
    RunFolder.create(folder, {"space": "mask_st", "space_name": "mask_st"}, Space.from_source("mask_st", parts))
    before = state(folder)
    with pytest.raises(UsageError, match="gone"):
        main([f"resume={folder}"])
    assert state(folder) == before


def test_a_new_run_of_a_name_that_is_taken_changes_nothing(run, tmp_path):
    write_yaml(tmp_path / "space.yaml", board(tmp_path / "other").space.source)
    before = state(run)
    with pytest.raises(UsageError, match="exists: resume it"):
        main([f"space={tmp_path}/space.yaml", f"storage={run.parent}", f"name={run.name}"])
    assert state(run) == before


def test_a_folder_of_someone_else_is_not_taken_and_one_that_a_kill_left_empty_is(tmp_path):
    space = board(tmp_path / "other").space
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("milk")
    (tmp_path / "file").write_text("")
    for name in ("notes", "file"):
        with pytest.raises(UsageError, match="exists"):
            RunFolder.create(tmp_path / name, {"space_name": "curves"}, space)
    assert [file.name for file in (tmp_path / "notes").iterdir()] == ["todo.txt"]
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "space.yaml").write_text("variant: curves")
    RunFolder.create(tmp_path / "begun", {"space_name": "curves"}, space)
    assert RunFolder.open(tmp_path / "begun").space() == space


def test_a_new_run_without_a_trial_leaves_no_folder_and_one_with_a_trial_does(tmp_path):
    space = board(tmp_path / "other").space
    for trials in (0, 1):
        with (
            pytest.raises(KeyboardInterrupt),
            RunFolder.claim_new(tmp_path / "run", {"space_name": "curves"}, space) as folder,
        ):
            if trials:
                Board(folder, space).begin(X, "default")
            raise KeyboardInterrupt
        assert (tmp_path / "run").exists() == bool(trials)


def test_trainings_of_other_epochs_are_refused_and_left_as_they_were(run, tmp_path):
    on = board(tmp_path / "searched")
    search(on, reports=20)
    folder = on.folder.path / "retrain"
    RunFolder.create(folder, {"space": "", "space_name": "curves"}, on.space)
    before = state(folder)
    with pytest.raises(UsageError, match="move it away"):
        retrain({"quiet": True}, on.space, folder, [], Training(epochs=5))
    assert state(folder) == before


def test_retry_without_a_run_is_refused():
    with pytest.raises(UsageError, match=r"resume=runs/NAME"):
        read(["space=mask_st", "retry=true"], now="")


def test_a_resumed_run_does_not_remember_to_retry(run):
    request = read([f"resume={run}", "retry=true"], now="")
    assert request.run.retry
    with _claim(request):
        pass
    assert not read([f"resume={run}"], now="").run.retry
