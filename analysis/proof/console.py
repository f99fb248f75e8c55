"""The lines with which `analysis.retrain` ends."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from analysis.frames.experiment import Experiment
from analysis.proof import ledger
from analysis.proof.candidate import Candidate
from analysis.proof.result import Proof, describe_test


def format_proof(proof: Proof, search: Experiment, remarks: Sequence[str] = ()) -> list[str]:
    """Format the result in lines, the first of which is the verdict; remarks follow it."""
    lines = [f"  {proof.sentence}"]
    if proof.winner is not None:
        lines.append(f"  {proof.optimism}")
    lines += [f"  {remark}" for remark in remarks]
    lines += [f"    {_format_candidate(candidate)}" for candidate in (*proof.candidates, proof.default)]
    run, to = shlex.quote(f"run={search.path}"), shlex.quote(f"to=export/{search.name}")
    if proof.test:
        lines.append(f"  test split, look {proof.test['looks']}: {describe_test(proof.test)}")
    elif proof.is_decided and ledger.read_looks(search.path):
        lines.append("  The test split was looked at before, for something else; again=true looks once more.")
    elif proof.winner is not None and not proof.is_decided:
        lines.append("  The test split was not looked at, as nothing is decided; test=true looks in any case.")
    next_lines = [f"python -m analysis.report  {run}", f"python -m analysis.export  {run} {to}"]
    if proof.needed_seeds is not None:
        top = f"top={len(proof.candidates)} seeds={proof.needed_seeds}"
        next_lines.insert(0, f"python -m analysis.retrain {run} {top}     to decide")
    return [*lines, f"  next:   {next_lines[0]}", *(f"          {line}" for line in next_lines[1:])]


def _format_candidate(candidate: Candidate) -> str:
    values = " ".join(f"{value:.4g}" for value in candidate.values.values())
    failures = f"   failed on {', '.join(map(str, candidate.failed))}" if candidate.failed else ""
    violation = f"   {candidate.violation}" if candidate.violation else ""
    results = f"{candidate.mean:.4g}   ({values})" if values else "no result"
    return f"{candidate.name:<12} {results}{failures}{violation}"
