"""Whole commands on a real Ray: a search that is killed and goes on, one whose trials fail, one that is interrupted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.xray_folders import SMALL, write_xrays, xray_data
from trainables.adequacy.assessment import Adequacy
from trainables.mask_st.data import load_split

pytestmark = pytest.mark.xdist_group("ray")

SPACE = """
variant: benchmarks.curves
objective: {metric: val/score}
budget: {trials: 8, max_epochs: 9}
fixed: {epoch_s: 0.15}
params:
  x: {uniform: [0.0, 1.0]}
  y: {uniform: [0.0, 1.0]}
"""
TINY = """
variant: mask_st
objective: {metric: val/auroc_macro}
budget: {grace_epochs: 1}
data: {train_size: 16, val_size: 8}
fixed: {image_size: 32, batch_size: 8}
params: {lr: {loguniform: [1e-4, 1e-3]}}
"""
FAILING = """
variant: benchmarks.curves
objective: {metric: val/score}
budget: {trials: 6, max_epochs: 3, grace_epochs: 1}
scheduler: {kind: none}
searcher: {kind: random}
params:
  goes_wrong: {choice: [never, raises, nan, memory, hangs]}
"""


def test_a_search_whose_worker_and_then_driver_are_killed_goes_on_without_losing_or_repeating_a_trial(tmp_path):
    run = Search(tmp_path, SPACE)
    run.wait_for(lambda: run.ended() >= 2)
    run.wait_for(lambda: run.worker() is not None)  # between two calls a process goes by another title
    os.kill(run.worker(), signal.SIGKILL)
    run.wait_for(lambda: run.ended() >= 4)
    before = run.trials()
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()

    done = run.again(f"resume={run.folder}")

    assert done.returncode == 0, done.stdout + done.stderr
    after = run.trials()
    assert sorted(after) == list(range(8))
    for number, trial in before.items():
        if trial["status"] != "running":  # what had ended is left alone, to the last byte
            assert after[number] == trial
    for number, trial in after.items():
        assert trial["status"] in ("finished", "stopped"), trial
        assert run.epochs(number) == list(range(1, len(run.epochs(number)) + 1))  # no epoch twice, none left out
    assert "best trial" in done.stdout


def test_a_trial_whose_worker_was_killed_outlives_the_snapshot_in_which_ray_calls_it_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "2")
    run = Search(tmp_path, SPACE, "fixed.epoch_s=0.4", "max_concurrent=2")
    run.wait_for(lambda: run.worker() is not None)
    os.kill(run.worker(), signal.SIGKILL)
    run.wait_for(lambda: any(run.folder.glob("trial_*/error.txt")))
    [word] = run.folder.glob("trial_*/error.txt")
    assert word.read_text().startswith("Failure # 1 (occurred at ")  # Ray's, of a trial that is trained on
    run.process.send_signal(signal.SIGINT)
    run.process.communicate(timeout=60)

    done = run.again(f"resume={run.folder}")

    assert done.returncode == 0, done.stdout + done.stderr
    for number, trial in run.trials().items():
        assert trial["status"] in ("finished", "stopped"), trial
        assert run.epochs(number) == list(range(1, len(run.epochs(number)) + 1))
    assert run.trials()[int(word.parent.name[-4:])]["earlier_failures"] == []


def test_a_full_disk_stops_a_search_which_is_finished_once_there_is_room(disk):
    run = Search(disk, SPACE, "max_concurrent=1")
    run.wait_for(lambda: run.ended() >= 2)
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 9_000))
    output, errors = run.process.communicate(timeout=200)
    assert run.process.returncode in (1, 2), output + errors  # trials could not write, or the driver could not
    [sentence] = [line for line in errors.splitlines() if line.startswith("error:")]
    assert "No space left on device" in sentence
    assert "make room on the disk" in sentence
    assert f"resume={run.folder}" in sentence
    assert all(trial["cause"] == "environment" for trial in run.trials().values() if trial["status"] == "failed")
    (disk / "ballast").unlink()

    done = run.again(f"resume={run.folder}", "retry=true")

    assert done.returncode == 0, done.stdout + done.stderr
    assert {trial["status"] for trial in run.trials().values()} <= {"finished", "stopped"}
    assert all(run.epochs(number) == list(range(1, len(run.epochs(number)) + 1)) for number in range(8))


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """Mount a disk of 3 MB; the test is skipped where that is not allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_ctrl_c_leaves_a_run_that_says_how_to_go_on_and_does(tmp_path):
    run = Search(tmp_path, SPACE)
    run.wait_for(lambda: run.ended() >= 1)
    run.process.send_signal(signal.SIGINT)
    output, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == 130
    assert f"python -m search.run resume={run.folder}" in output

    done = run.again(f"resume={run.folder}", "budget.trials=9")

    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(run.trials()) == list(range(9))  # and the finished search has been extended by one


def test_failed_trials_end_with_their_reason_and_the_others_go_on(tmp_path):
    run = Search(tmp_path, FAILING, "trial_timeout_s=10", "seed=3", "max_concurrent=1")
    output, errors = run.process.communicate(timeout=400)
    assert run.process.returncode == 1, output + errors
    reasons = {trial["params"]["goes_wrong"]: trial["reason"] for trial in run.trials().values()}
    said = {
        "never": "trained its 3 epochs",
        "raises": "RuntimeError: this trial was asked to fail",
        "nan": "loss became nan in epoch 2",
        "memory": "out of memory",
        "hangs": "took longer than trial_timeout_s",
    }
    assert set(reasons) == set(said), "the seed draws every way to fail"
    for kind, sentence in said.items():
        assert sentence in reasons[kind]
    assert (run.folder / "failures.csv").read_text().count("\n") >= 5
    hung = next(number for number, trial in run.trials().items() if trial["params"]["goes_wrong"] == "hangs")
    assert "variant.py" in (run.folder / f"trial_{hung:04d}" / "timeout.txt").read_text()  # where it hung


def test_a_search_tells_what_its_splits_hold_before_the_first_trial_and_keeps_it(tmp_path):
    run = Search(tmp_path, TINY, "budget.trials=1", "budget.max_epochs=1")
    output, errors = run.process.communicate(timeout=300)
    assert run.process.returncode == 0, output + errors
    adequacy = Adequacy.read(run.folder)
    assert adequacy.lines["val"].startswith("8 images of 8 patients") and adequacy.findings
    told = [output.index(line) for line in adequacy.report()]
    assert told == sorted(told) and told[-1] < output.index("1/1 trials")
    assert (run.folder / "splits.json").stat().st_mtime <= run.trials()[0]["started"]


def test_a_mean_over_no_class_is_refused_before_there_is_a_run(tmp_path):
    """Every patient of validation has what no patient of training has."""
    val = load_split(SMALL, xray_data(write_xrays(tmp_path / "probe", ["A", ""] * 4)), "val").patients
    root = write_xrays(tmp_path / "xrays", ["B" if str(index) in val else ["", "A"][index % 2] for index in range(8)])
    data = ["data.source=nih", f"data.root={root}", f"data.cache={tmp_path}/cache"]
    refused = command("search.run", "space=mask_st", *data, f"storage={tmp_path}", "name=run", "quiet=true")
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "error: none of the 2 classes has images with and without it in training and in val"
    )
    assert not (tmp_path / "run").exists()


def test_a_declared_gpu_is_shared_out_by_fractions(tmp_path):
    run = Search(tmp_path, SPACE, "gpus=1", "cpus=8", "cpus_per_trial=0.5", "gpus_per_trial=0.25", "budget.trials=5")
    output, errors = run.process.communicate(timeout=300)
    assert run.process.returncode == 0, output + errors
    assert "4 at a time, 0.5 CPU and 0.25 GPU each" in output
    assert run.most_at_a_time() <= 4


def test_a_winner_is_proved_reported_and_exported_and_a_killed_proof_goes_on(tmp_path):
    run = Search(tmp_path, SPACE, "budget.trials=5", "budget.max_epochs=4", "fixed.noise=0.01", "fixed.epoch_s=0.05")
    output, errors = run.process.communicate(timeout=300)
    assert run.process.returncode == 0, output + errors
    proof = ["analysis.retrain", f"run={run.folder}", "top=2", "seeds=2"]
    first = subprocess.Popen([sys.executable, "-m", *proof], start_new_session=True, stdout=subprocess.DEVNULL)
    confirmed = Search.attach(run.folder / "retrain", first)
    confirmed.wait_for(lambda: confirmed.ended() >= 2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = confirmed.trials()

    done = command(*proof)

    assert done.stdout.splitlines()[-8].startswith("  Better than the default: trial"), done.stdout + done.stderr
    after = confirmed.trials()
    assert len(after) == 2 * 2 + 3
    assert all(after[number] == trial for number, trial in before.items() if trial["status"] == "finished")
    assert {(trial["origin"], trial["seed"]) for trial in after.values() if trial["origin"] == "default"} == {
        ("default", seed) for seed in (1000, 1001, 1002)
    }
    again = command(*proof, "test=true")
    assert again.returncode == 2
    assert "again=true looks once more" in again.stderr
    assert command("analysis.report", f"run={run.folder}").returncode == 0
    assert "Better than the default: trial" in (run.folder / "report.html").read_text()
    assert command("analysis.export", f"run={run.folder}", f"to={tmp_path}/export").returncode == 0
    assert "looked at once" in (tmp_path / "export" / "model_card.md").read_text()


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=400, check=False)


class Search:
    """A search in a process of its own, and what its folder says."""

    def __init__(self, tmp_path: Path, space: str, *arguments: str) -> None:
        (tmp_path / "space.yaml").write_text(space)
        self.workers: set[int] = set()
        self.folder = tmp_path / "run"
        begin = [f"space={tmp_path}/space.yaml", f"storage={tmp_path}", "name=run", *arguments]
        self.process = subprocess.Popen(
            self._command(*begin), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    @classmethod
    def attach(cls, folder: Path, process: subprocess.Popen[str]) -> "Search":
        """Attach to a search that was started elsewhere."""
        search = cls.__new__(cls)
        search.folder, search.process = folder, process
        return search

    def again(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command(*arguments), capture_output=True, text=True, timeout=300, check=False)

    def trials(self) -> dict[int, dict]:
        found = [json.loads(path.read_text()) for path in self.folder.glob("trial_*/trial.json")]
        return {trial["number"]: trial for trial in found}

    def ended(self) -> int:
        return sum(trial["status"] != "running" for trial in self.trials().values())

    def epochs(self, number: int) -> list[int]:
        lines = (self.folder / f"trial_{number:04d}" / "reports.jsonl").read_text().splitlines()
        return [json.loads(line)["epoch"] for line in lines]

    def most_at_a_time(self) -> int:
        spans = [(trial["started"], trial["ended"]) for trial in self.trials().values()]
        return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 300
        while not condition():
            if time.monotonic() > until or self.process.poll() is not None:
                self.process.kill()
                pytest.fail(f"the search did not get there: {self.process.communicate()}")
            time.sleep(0.05)

    def worker(self) -> int | None:
        """Return a process that trains this run's trials, the same for as long as it lives; None if there is none."""
        titles = {pid: _title(pid) for pid in self._descendants() if pid not in self.workers}
        self.workers |= {pid for pid, title in titles.items() if b"ray::" in title and b"train" in title.lower()}
        return min(self.workers, default=None)

    def _descendants(self) -> Iterator[int]:
        group = os.getsid(self.process.pid)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _session(int(entry.name)) == group:
                yield int(entry.name)

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "search.run", *arguments]


def _title(pid: int) -> bytes:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended meanwhile


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1  # it has ended meanwhile
