"""The proof at the top of a page."""

import pytest

from analysis.page.proof import proof_blocks


def proof_of(seeds: int, looks: int) -> dict:
    """Build a proof of one candidate, as `proof.json` holds it."""
    interval = {"low": 0.1, "high": 0.3} if seeds > 1 else {"low": None, "high": None}
    gain = {"value": 0.2, **interval, "confidence": 0.95}
    values = {str(1000 + index): 0.7 + 0.01 * index for index in range(seeds)}
    rows = [{"trial": trial, "values": values, "mean": 0.7, "failed": []} for trial in (3, 0)]
    test = {"metric": "test/score", "gain": gain, "looks": looks}
    facts = {"sentence": "So it is.", "verdict": "better", "metric": "val/score", "winner": 3, "seeds": [*values]}
    return {**facts, "candidates": rows[:1], "default": rows[1], "gain": gain, "test": test}


@pytest.mark.parametrize(
    ("seeds", "looks", "caption", "note"),
    [
        (
            1,
            1,
            "Each candidate is trained over 1 fresh seed, the default over 1.",
            "Gain of the winner over the default: 0.2. On the test split (test/score): 0.2. "
            "The test split has been looked at once.",
        ),
        (
            3,
            2,
            "Each candidate is trained over 3 fresh seeds, the default over 3.",
            "Gain of the winner over the default: 0.2 (95% interval 0.1 to 0.3). "
            "On the test split (test/score): 0.2 (95% interval 0.1 to 0.3). The test split has been looked at twice.",
        ),
    ],
)
def test_seeds_and_looks_are_counted_and_one_seed_has_no_interval(seeds, looks, caption, note):
    _, plot, table = proof_blocks(proof_of(seeds, looks), has_constraints=False)
    assert plot.caption.startswith(caption)
    assert plot.caption.endswith("which is optimistic for the candidates because they were chosen by it.")
    assert table.note == note
