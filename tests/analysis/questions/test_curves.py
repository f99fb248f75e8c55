"""The answers on the ends of the best trials' curves."""

import pytest

from tests.support.written import answer, curve, trial, write_run


def test_curves_that_rise_to_the_end_ask_for_epochs(tmp_path):
    rising = [trial([0.05 * epoch + 0.01 * number for epoch in range(9)]) for number in range(6)]
    reply = answer(write_run(tmp_path / "rising", rising), "Was it still improving")
    assert reply.verdict == "bad"
    assert reply.sentence.endswith("budget.max_epochs=14")
    assert "by 0.1 over the last third" in reply.sentence
    level = [trial([*first, max(first) + 1e-6]) for first in (curve(0.5, 8, seed=number) for number in range(6))]
    assert answer(write_run(tmp_path / "level", level), "Was it still improving").verdict == "good"
    recovering = [trial([0.1, 0.2, 0.3, 0.9, 0.3, 0.3, 0.5, 0.6, 0.7])] * 6
    assert answer(write_run(tmp_path / "recovering", recovering), "Was it still improving").verdict == "good"


def test_overfitting_is_a_fall_while_the_training_loss_falls(tmp_path):
    falling = [0.5, 0.8, 0.81, 0.8, 0.78, 0.74, 0.7, 0.66, 0.6]
    trials = [trial([value * (1 - 0.02 * number) for value in falling]) for number in range(6)]
    reply = answer(write_run(tmp_path / "over", trials), "Did it overfit")
    assert reply.verdict == "bad"
    assert "#0 is best at epoch 3" in reply.sentence
    assert "fixed.patience=3" in reply.sentence
    diverging = [{**item, "loss": -1.0} for item in trials]  # −1/epoch rises
    assert answer(write_run(tmp_path / "diverging", diverging), "Did it overfit").verdict == "good"


@pytest.mark.parametrize(
    ("values", "start", "verdict", "sentence"),
    [
        (
            [0.5, 0.8, 0.81, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8],
            "Was it",
            "unknown",
            "was not rising any more; it was best at epoch 3.",
        ),
        (
            [0.1 * epoch for epoch in range(9)],
            "Was it",
            "careful",
            "was best at the last epoch and still rising: by 0.2 over",
        ),
        (
            [0.1 * epoch for epoch in range(9)],
            "Did it",
            "unknown",
            "lost no more after its best epoch than its curve",
        ),
        (
            [0.5, 0.8, 0.81, 0.8, 0.78, 0.74, 0.7, 0.66, 0.6],
            "Did it",
            "careful",
            "fell: it is best at epoch 3 and then loses",
        ),
    ],
)
def test_a_single_curve_is_described_as_one(tmp_path, values, start, verdict, sentence):
    reply = answer(write_run(tmp_path, [trial(curve(0.1, 3)), trial(values)]), start)
    assert reply.verdict == verdict
    group = "trained all 9 epochs" if start == "Was it" else "trained in full"
    assert reply.sentence.startswith(f"#1, the only trial that {group},") and sentence in reply.sentence
