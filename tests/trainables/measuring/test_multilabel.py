"""Classification metrics against naive counting, and what must hold of them whatever the scores."""

import numpy as np
import pytest

from trainables.measuring.multilabel import auroc, average_precision, choose_thresholds, f1


def draw(seed: int, rows: int = 60, classes: int = 5, levels: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Labels float32 and scores with many ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, classes)) < 0.3).astype(np.float32)
    scores = np.round((0.4 * labels + rng.random((rows, classes))) * levels) / levels
    return labels, scores.astype(np.float32)


def naive_auroc(labels, scores) -> float:
    pairs = [(p, n) for p in scores[labels == 1] for n in scores[labels == 0]]
    return float(np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs]))


def naive_average_precision(labels, scores) -> float:
    total, recall_before = 0.0, 0.0
    for level in sorted(set(scores.tolist()), reverse=True):
        said = scores >= level
        recall = float(labels[said].sum() / labels.sum())
        total += (recall - recall_before) * float(labels[said].mean())
        recall_before = recall
    return total


def naive_f1(labels, said) -> float:
    both = int(((labels == 1) & said).sum())
    return 2 * both / (int(said.sum()) + int(labels.sum()))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("metric", "naive"), [(auroc, naive_auroc), (average_precision, naive_average_precision)])
def test_ranking_metrics_agree_with_counting(metric, naive, seed):
    labels, scores = draw(seed)
    result = metric(labels, scores)
    assert result.macro == pytest.approx(np.mean([naive(labels[:, k], scores[:, k]) for k in range(5)]))
    assert result.micro == pytest.approx(naive(labels.ravel(), scores.ravel()))
    assert result.classes == 5


@pytest.mark.parametrize("seed", range(5))
def test_f1_agrees_with_counting(seed):
    labels, scores = draw(seed)
    thresholds = np.linspace(0.3, 0.7, 5)
    said = scores >= thresholds
    result = f1(labels, scores, thresholds)
    assert result.macro == pytest.approx(np.mean([naive_f1(labels[:, k], said[:, k]) for k in range(5)]))
    assert result.micro == pytest.approx(naive_f1(labels.ravel(), said.ravel()))


@pytest.mark.parametrize("seed", range(5))
def test_chosen_thresholds_are_the_best_of_all(seed):
    labels, scores = draw(seed)
    chosen = f1(labels, scores, choose_thresholds(labels, scores)).macro
    best = [max(naive_f1(labels[:, k], scores[:, k] >= level) for level in np.unique(scores[:, k])) for k in range(5)]
    assert chosen == pytest.approx(np.mean(best))


def test_thresholds_are_chosen_per_class():
    labels = np.array([[0, 0], [0, 0], [1, 1], [1, 1]])
    scores = np.array([[0.1, 0.01], [0.2, 0.02], [0.8, 0.03], [0.9, 0.04]])
    np.testing.assert_array_equal(choose_thresholds(labels, scores), [0.8, 0.03])
    assert f1(labels, scores, choose_thresholds(labels, scores)) == (1.0, 1.0, 2)


@pytest.mark.parametrize("metric", [auroc, average_precision])
def test_ranking_metrics_see_the_order_only(metric):
    labels, scores = draw(0)
    assert metric(labels, np.exp(3 * scores)) == pytest.approx(metric(labels, scores))


def test_auroc_of_turned_scores_is_the_complement():
    labels, scores = draw(1)
    assert auroc(labels, -scores).macro == pytest.approx(1 - auroc(labels, scores).macro)
    assert auroc(labels, np.zeros_like(scores)) == (0.5, 0.5, 5)


def test_average_precision_of_a_constant_is_the_prevalence():
    labels, scores = draw(2)
    assert average_precision(labels, np.zeros_like(scores)).macro == pytest.approx(labels.mean())


def test_a_class_without_positives_is_left_out_and_counted():
    labels, scores = draw(3)
    full = auroc(labels, scores), average_precision(labels, scores), f1(labels, scores, np.full(5, 0.5))
    empty = np.zeros((60, 1), np.float32)
    labels, scores = np.hstack([labels, empty]), np.hstack([scores, empty])
    wider = auroc(labels, scores), average_precision(labels, scores), f1(labels, scores, np.full(6, 0.5))
    for before, after in zip(full, wider, strict=True):
        assert after.macro == pytest.approx(before.macro)
        assert after.classes == before.classes == 5


def test_a_class_without_negatives_has_no_auroc_but_an_average_precision():
    labels, scores = draw(4)
    labels[:, 0] = 1
    assert auroc(labels, scores).classes == 4
    assert average_precision(labels, scores).classes == 5


@pytest.mark.parametrize("value", [0, 1])
def test_labels_that_are_all_alike_give_no_nan(value):
    labels, scores = np.full((10, 2), value), np.random.default_rng(0).random((10, 2))
    expected = (1, 1, 2) if value else (0, 0, 0)
    assert auroc(labels, scores) == (0.5, 0.5, 0)
    assert average_precision(labels, scores) == pytest.approx(expected)
    assert f1(labels, scores, choose_thresholds(labels, scores)) == pytest.approx(expected)


def test_a_class_never_seen_in_calibration_is_never_said_there_and_has_a_finite_threshold():
    labels, scores = draw(5)
    labels[:, 0] = 0
    thresholds = choose_thresholds(labels, scores)
    assert np.isfinite(thresholds).all()
    assert not (scores[:, 0] >= thresholds[0]).any()


@pytest.mark.parametrize("metric", [auroc, average_precision, choose_thresholds])
def test_scores_that_are_no_numbers_are_refused(metric):
    labels, scores = draw(6)
    scores[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        metric(labels, scores)
