"""Run a search: `python -m search.run space=mask_st`. `--help` lists every key.

Read the command line, show the plan, let Ray train trials that the searcher proposes and the scheduler
stops, watch them, and say at the end what is best against the default settings and what to do next.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Iterator
from typing import Any

from search.baselines import compute_baselines
from search.board import Board
from search.console import card, describe_interruption, plan
from search.environment import describe_failures, explain_error, find_missing_metric, is_blocked, resume_command
from search.feasibility import check_metrics, check_samples
from search.interruption import Interruption
from search.placement import gpu_names, place_trials, this_machine
from search.ray_environment import quiet_ray
from search.record import RunFolder
from search.request import Request, Run, help_page, read
from search.status import StatusLine
from trainables.commands import run_command
from trainables.progress import silence
from trainables.settings import UsageError


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(help_page())
        return 0
    request = read(arguments, now=time.strftime("%m%d-%H%M"))
    space = request.space
    check_samples(space, is_new=not request.run.resume)
    check_metrics(space)
    space.check_start()
    quiet_ray(request.run.ray_start_timeout_s)
    placement = place_trials(request.run, this_machine(request.run)) if not request.run.address else None
    if request.run.dry_run or not request.run.quiet:
        print(plan(request, placement), flush=True)
    if request.run.dry_run:
        return 0
    return search(request)


def search(request: Request) -> int:
    """Run or resume the search of a request; returns the exit code.

    Raises:
        UsageError: the folder is not free, cannot be written, or Ray does not start.
    """
    run, space = request.run, request.space
    config = space.config(space.default_params())
    if not run.quiet:
        print("  preparing data and networks …", flush=True)
    with silence(run.quiet):
        space.entry.prepare(config, space.data)
    adequacy = space.entry.assess(config, space.data)
    if adequacy and not run.quiet:
        print("\n".join(adequacy.report()), flush=True)
    try:
        with _claim(request) as folder:
            if adequacy:
                adequacy.write(folder.path)
            return _run(request, folder)
    except OSError as error:
        if error.errno in (None, errno.EPIPE):
            raise
        has_trials = any(request.folder.glob("trial_*/trial.json"))
        step = f"resume with {resume_command(request.folder)}" if has_trials else "give the same command again"
        raise UsageError(f"{explain_error(error)}, then {step}.") from error


def _run(request: Request, folder: RunFolder) -> int:
    """Run the search in its locked folder; returns the exit code."""
    from search import cluster  # noqa: PLC0415  (imports Ray, which must find its environment set)

    run, interruption = request.run, Interruption()
    board = Board(folder, request.space)
    compute_baselines(folder.path, run, request.space)
    if run.retry:
        board.retry_failures()
    start = time.monotonic()
    with cluster.connect(run, interruption, folder.remove_without_trials) as machine:
        line = StatusLine(board, run, start)
        cluster.run_trials(run, board, machine, line)
    line.close()
    return _ending(board, folder, run, time.monotonic() - start, interruption.exit_code)


def _ending(board: Board, folder: RunFolder, run: Run, seconds: float, interrupt_code: int) -> int:
    """Print how the search ended, and what is best; returns the exit code, `interrupted` if it was."""
    if board.remaining() or board.count("running"):
        if missing := find_missing_metric(board):
            raise UsageError(f"{missing}; search anew with another objective.metric, or without that constraint.")
        if is_blocked(board):
            reason = describe_failures(board.environment_failures)
            print(f"error: {reason}, then {resume_command(folder.path, retry=True)}", file=sys.stderr)
            return 1
        out_of_time = run.time_budget_s is not None and seconds >= run.time_budget_s
        print(describe_interruption(board, out_of_time))
        if not out_of_time:
            return interrupt_code
    print(card(board, folder))
    return 1 if board.failures() or not board.count("finished", "stopped") else 0


@contextlib.contextmanager
def _claim(request: Request) -> Iterator[RunFolder]:
    """Lock the run's folder, a new one or that of the run to resume, and write what it is to be."""
    settings: dict[str, Any] = {**request.run.as_dict(), "space_name": request.space.name, "resume": "", "retry": False}
    if not request.run.resume:
        with RunFolder.claim_new(request.folder, settings, request.space, gpu_names()) as folder:
            yield folder
        return
    folder = RunFolder.open(request.folder)
    with folder.lock():
        folder.write_settings(settings)
        folder.write_space(request.space)
        yield folder


if __name__ == "__main__":
    run_command(main)
