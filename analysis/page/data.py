"""The section of a page on the data: what each split holds, and which figures rest on too little of it."""

from __future__ import annotations

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Block, Note, Section, Table
from analysis.questions.data import read_splits
from trainables.adequacy.assessment import Adequacy


def data_sections(experiment: Experiment) -> list[Section]:
    """Build the section; none where the run has no record of its splits."""
    adequacy = read_splits(experiment.path)
    if adequacy is None:
        return []
    lines = Table(("split", "holds"), tuple(adequacy.lines.items()), wide_columns=frozenset({"holds"}))
    lead = "What each split holds, and which figures rest on too little of it, as it was before the first trial."
    return [Section("data", "Data", (lines, _list_findings(adequacy)), lead)]


def _list_findings(adequacy: Adequacy) -> Block:
    if not adequacy.findings:
        return Note("No figure rests on too little.")
    rows = tuple((item.verdict, item.check, item.message) for item in adequacy.findings)
    message = "finding, with the remedy"
    return Table(("verdict", "check", message), rows, wide_columns=frozenset({message}))
