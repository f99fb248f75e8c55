"""Whether validation can judge, as the run's own record of its splits says."""

import json

import pytest

from analysis.page.render import mark_commands
from analysis.questions.playbook import answers
from tests.support.pages import Elements, write_page
from tests.support.simulated import board
from tests.support.written import healthy_trials, write_run
from trainables.adequacy.assessment import Adequacy, DataFinding
from trainables.files import SPLITS

LINES = {"train": "40 images · of each class: a 20, b 20", "val": "6 images · of each class: a 3, b 3"}
CAREFUL = DataFinding("few images", "val/x rests on 6 images: add <some>.")
OTHER = DataFinding("scarce class", "a in validation has 3 images: add some.")
BAD = DataFinding("classes not scored", "validation has a single class: add others.", severe=True)
QUESTION = "Can the validation split judge?"


def answer(run):
    found = [(index, item) for index, item in enumerate(answers(run)) if item.question == QUESTION]
    assert [index for index, _ in found] == [1]
    return found[0][1]


@pytest.mark.parametrize(
    ("findings", "verdict", "sentence"),
    [
        ((), "good", f"No figure rests on too little. Validation has {LINES['val']}."),
        ((CAREFUL,), "careful", CAREFUL.message),
        (
            (CAREFUL, OTHER, BAD),
            "bad",
            f"Validation has a single class: add others. {CAREFUL.message} 1 more under Data.",
        ),
    ],
)
def test_the_verdict_is_that_of_the_worst_finding(tmp_path, findings, verdict, sentence):
    run = write_run(tmp_path, healthy_trials())
    Adequacy(LINES, findings).write(run.path)
    result = answer(run)
    assert (result.verdict, result.sentence) == (verdict, sentence)


def test_before_the_first_result_it_is_answered_too(tmp_path):
    on = board(tmp_path / "run")
    Adequacy(LINES, (BAD,)).write(on.folder.path)
    page, summary = write_page(on.folder.path)
    assert summary["answers"][1]["verdict"] == "bad"
    assert "Data" in Elements(page).headings


def test_a_run_without_a_record_is_not_asked(tmp_path):
    run = write_run(tmp_path, healthy_trials())
    assert QUESTION not in [item.question for item in answers(run)]
    page, summary = write_page(run.path)
    assert summary["splits"] is None and "Data" not in Elements(page).headings


def test_a_damaged_record_is_unknown_and_says_how_to_write_it_again(tmp_path):
    run = write_run(tmp_path, healthy_trials())
    (run.path / SPLITS).write_text('{"lines": ')
    result = answer(run)
    assert result.verdict == "unknown"
    assert f"<code>python -m search.run resume={run.path}</code>" in str(mark_commands(result.sentence))
    assert write_page(run.path)[1]["splits"] is None


def test_page_and_summary_have_every_line_and_finding(tmp_path):
    run = write_run(tmp_path, healthy_trials())
    Adequacy(LINES, (CAREFUL, BAD), {"val": {"images": 6}}).write(run.path)
    page, summary = write_page(run.path)
    assert summary["splits"] == json.loads((run.path / SPLITS).read_text())
    assert summary["splits"]["facts"] == {"val": {"images": 6}}
    for text in (*LINES.values(), "val/x rests on 6 images: add &lt;some&gt;.", BAD.message, BAD.check):
        assert text in page
    assert "Data" in Elements(page).headings
