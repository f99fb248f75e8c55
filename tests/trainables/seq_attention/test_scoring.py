"""From predictions to metrics: against loops and scikit-learn, and on locators whose metrics are known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as oracle

from tests.support.tiny_scenes import build_scenes
from trainables.measuring.calibration import Platt
from trainables.seq_attention.pairs import PairPredictions, Pairs, enumerate_pairs, predict_pairs
from trainables.seq_attention.rollout import Rollout, roll_out
from trainables.seq_attention.scoring import Predictions, Scale, score
from trainables.seq_attention.split import Scenes
from trainables.seq_attention.thresholds import Thresholds, done_scaling, done_threshold, rollout_threshold

SIZE = np.array([300.0, 200.0])
RADIUS, LIMIT = 5.0, 30


def scenes(*counts: int, seed: int = 0) -> Scenes:
    """Place objects on a jittered grid, 30 pixels apart, so that none lies within the radius of another."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(20, 290, 30), np.arange(20, 190, 30)), -1).reshape(-1, 2)
    return build_scenes(
        [(rng.permutation(grid)[:n] + rng.uniform(-5, 5, (n, 2))).astype(np.float32) for n in counts], SIZE.astype(int)
    )


MANY = scenes(12, 1, 5, 9, 20, 3, 2, 8)


class TrueLocator:
    """Knows the truth of some scenes, and says what a subclass makes of it."""

    def __init__(self, images: Scenes) -> None:
        self.objects = enumerate_pairs(images, "reading", 30.0).objects

    def __call__(self, places, marked) -> PairPredictions:
        results = [self.one(self.objects[place], list(points)) for place, points in zip(places, marked, strict=True)]
        return PairPredictions(
            np.array([point for point, _ in results], dtype=np.float64), np.array([done for _, done in results])
        )

    def one(self, objects: np.ndarray, marked: list) -> tuple[np.ndarray, float]:
        left = [point for point in objects if all(np.hypot(*(point - mark)) > 1 for mark in marked)]
        return self.says(left, marked, float(not left))

    def says(self, left: list, marked: list, done: float):
        return (left[0] if left else np.zeros(2)), done


class Noisy(TrueLocator):
    """Often near the next object, sometimes near another, with a signal of many ties that is worth something."""

    def says(self, left, marked, done):
        rng = np.random.default_rng([len(left), len(marked), int(1000 * sum(map(float, left[0]))) if left else 0])
        near = left[rng.integers(len(left))] if left and rng.random() < 0.5 else super().says(left, marked, done)[0]
        return near + rng.normal(0, 4, 2), np.round(np.clip(0.3 * done + 0.7 * rng.random(), 0, 1), 1)


def scale(radius: float, spacing: float, done=0.5, rollout=0.5, limit=LIMIT, platt=Platt(1.0, 0.0)) -> Scale:  # noqa: B008
    return Scale(radius, spacing, Thresholds(done, rollout, platt), limit)


def evaluate(kind: type[TrueLocator], images: Scenes = MANY, radius: float = RADIUS, **thresholds) -> dict[str, float]:
    """Score a locator, with thresholds of half unless they are given."""
    pairs = enumerate_pairs(images, "reading", 30.0)
    locate = kind(images)
    predictions = predict_pairs(locate, pairs, range(len(pairs)), 7)
    rollouts = roll_out(locate, range(len(images)), LIMIT, 3)
    return score(
        Predictions(pairs, predictions, images.sizes, rollouts, images.points),
        scale(radius, images.spacing(), **thresholds),
    )


# -- oracles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [3.0, 5.0, 40.0])
def test_figures_of_the_location_are_those_of_a_loop(radius):
    result, spacing = evaluate(Noisy, radius=radius), MANY.spacing()
    errors, nearest = [], []
    pairs = enumerate_pairs(MANY, "reading", 30.0)
    predictions = predict_pairs(Noisy(MANY), pairs, range(len(pairs)), 1)
    for (x, y), image, k in zip(predictions.points, pairs.image, pairs.k, strict=True):
        apart = [math.hypot(x - a, y - b) for a, b in pairs.objects[image][k:]]
        errors += apart[:1]
        nearest += [min(apart)] if apart else []
    assert result["pixel_error_mean_px"] == pytest.approx(sum(errors) / len(errors))
    assert result["pixel_error_median_px"] == pytest.approx(np.median(errors))
    assert result["pixel_error_spacing"] == pytest.approx(np.median(errors) / spacing)
    assert result["pixel_error_p90_px"] == pytest.approx(np.percentile(errors, 90))
    for name, values, within in (
        ("hit", errors, radius),
        ("hit_any", nearest, radius),
        ("hit_half_spacing", errors, spacing / 2),
        ("hit_any_half_spacing", nearest, spacing / 2),
    ):
        assert result[name] == pytest.approx(sum(value < within for value in values) / len(values))
    assert result["order_gap"] == pytest.approx(result["hit_any"] - result["hit"])
    assert 0 < result["hit"] < result["hit_any"]


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7])
def test_figures_of_the_done_signal_are_those_of_scikit_learn(threshold):
    pairs = enumerate_pairs(MANY, "reading", 30.0)
    signal = predict_pairs(Noisy(MANY), pairs, range(len(pairs)), 5).done
    done, border = pairs.done, pairs.k >= pairs.count - 1
    result = evaluate(Noisy, done=threshold, rollout=0.6)
    assert result["done_stops"] == pytest.approx(oracle.recall_score(done, signal >= 0.6))
    assert result["done_ap"] == pytest.approx(oracle.average_precision_score(done, signal))
    assert result["done_ap_border"] == pytest.approx(oracle.average_precision_score(done[border], signal[border]))
    as_in_a_roll_out = [  # of N + 1 questions about an image one is done, and its other pairs stand for the rest
        1 / (n + 1) if k == n else n / (n + 1) / sum(other < n for other in pairs.k[pairs.image == image])
        for image, k, n in zip(pairs.image, pairs.k, pairs.count, strict=True)
    ]
    assert result["done_brier"] == pytest.approx(oracle.brier_score_loss(done, signal, sample_weight=as_in_a_roll_out))
    assert result["done_f1"] == pytest.approx(oracle.f1_score(done, signal >= threshold))
    assert result["done_precision"] == pytest.approx(oracle.precision_score(done, signal >= threshold))
    assert result["done_recall"] == pytest.approx(oracle.recall_score(done, signal >= threshold))
    table = oracle.confusion_matrix(done, signal >= 0.5, normalize="true")
    assert (result["done_not_wanted"], result["done_at_half"]) == pytest.approx((table[0, 1], table[1, 1]))
    assert result["done_prevalence"] == pytest.approx(8 / len(pairs))
    assert result["done_prevalence_border"] == 0.5  # every image has objects
    assert result["done_ap_border"] != pytest.approx(result["done_ap"])


def test_figures_of_the_roll_outs_are_those_of_a_loop():
    result = evaluate(Noisy, rollout=0.9, radius=8.0)
    errors, scores, visits, hits, repeats, endless = [], [], 0, 0, 0, 0
    for rollout, objects in zip(roll_out(Noisy(MANY), range(8), LIMIT, 8, threshold=0.9), MANY.points, strict=True):
        errors.append(len(rollout.points) - len(objects))
        scores.append(1 - min(1, abs(errors[-1]) / len(objects)))
        visits += len(rollout.points)
        endless += len(rollout.done) == len(rollout.points)
        taken: set[int] = set()
        for point in rollout.points:
            within = [place for place in range(len(objects)) if math.dist(objects[place], point) < 8]
            free = [place for place in within if place not in taken]
            taken |= set(sorted(free, key=lambda place: math.dist(objects[place], point))[:1])
            hits += bool(free)
            repeats += bool(within) and not free
    assert result["count_error"] == pytest.approx(np.mean(np.abs(errors)))
    assert result["count_rmse"] == pytest.approx(np.mean(np.square(errors)) ** 0.5)
    assert result["count_bias"] == pytest.approx(np.mean(errors))
    assert result["count_score"] == pytest.approx(np.mean(scores))
    assert result["rollout_precision"] == pytest.approx(hits / visits)
    assert result["rollout_recall"] == pytest.approx(hits / 60)
    assert result["rollout_f1"] == pytest.approx(2 / (visits / hits + 60 / hits))
    assert result["rollout_duplicates"] == pytest.approx(repeats / visits)
    assert result["rollout_endless"] == endless / 8
    assert min(hits, repeats) > 0


def score_by_hand(rollouts, truths, threshold: float) -> tuple[float, float]:
    """Compute the F1 of the visits until a threshold, and how far counts are off."""
    hits = visits = off = 0
    for rollout, objects in zip(rollouts, truths, strict=True):
        points, free = rollout.points[: rollout.count(threshold)], list(map(tuple, objects.tolist()))
        for x, y in points.tolist():
            near = [point for point in free if math.dist(point, (x, y)) < RADIUS]
            if near:
                free.remove(min(near, key=lambda point: math.dist(point, (x, y))))
                hits += 1
        visits, off = visits + len(points), off + abs(len(points) - len(objects))
    return 2 * hits / max(visits + sum(map(len, truths)), 1), -off


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_is_better_than_the_chosen_one_and_none_as_good_has_more_room(seed):
    rng = np.random.default_rng(seed)
    truths = [rng.uniform(0, 40, (n, 2)) for n in rng.integers(0, 9, 5)]
    levels = (10, 1000)[seed % 2]
    rollouts = [Rollout(rng.uniform(0, 40, (12, 2)), np.round(rng.random(12) ** 3 * levels) / levels) for _ in truths]
    chosen = rollout_threshold(rollouts, truths, RADIUS)
    signals = np.unique(np.concatenate([rollout.done for rollout in rollouts]))
    tried = {
        value: score_by_hand(rollouts, truths, value) for value in [*signals, 2.0]
    }  # each stands for all down to the next
    best = max(tried.values())
    assert score_by_hand(rollouts, truths, chosen) == best
    changes = [low for low in signals if any(low in np.maximum.accumulate(rollout.done) for rollout in rollouts)]
    rooms = {(low, high): high - low for low, high in itertools.pairwise(changes) if tried[high] == best}
    if rooms:
        widest = max(rooms.values())
        assert chosen in [(low + high) / 2 for (low, high), room in rooms.items() if room == pytest.approx(widest)]


def far(count: int) -> np.ndarray:
    """Place objects that nobody hits, so that only counts tell thresholds apart."""
    return np.full((count, 2), 1e3)


@pytest.mark.parametrize("signal", [0.0, 0.02, 1.0])
@pytest.mark.parametrize(("counts", "ends"), [([0, 0], True), ([12, 12], False), ([1, 2], True), ([10, 11], False)])
def test_of_a_signal_that_is_always_the_same_the_threshold_ends_all_or_none(signal, counts, ends):
    rollouts = [Rollout(np.zeros((12, 2)), np.full(12, signal))] * 2
    threshold = rollout_threshold(rollouts, [far(count) for count in counts], RADIUS)
    assert math.isfinite(threshold)
    assert [rollout.count(threshold) for rollout in rollouts] == [0 if ends else 12] * 2


def test_a_hit_is_worth_more_than_a_count_that_is_less_wrong():
    """By the count alone a young network, which would run on, ends every roll-out at once, and all figures are 0."""
    rollout = Rollout(np.zeros((12, 2)), np.full(12, 0.02))
    assert rollout.count(rollout_threshold([rollout], [np.zeros((1, 2))], RADIUS)) == 12


@pytest.mark.parametrize(("signal", "count", "tied"), [([0.1, 0.1, 0.5], 1, 0.1), ([0.1, 0.5, 0.2], 2, 0.6)])
def test_on_a_tie_neither_all_nor_none_is_ended(signal, count, tied):
    rollout, truths = Rollout(np.zeros((3, 2)), np.array(signal)), [far(count)]
    assert score_by_hand([rollout], truths, tied) == score_by_hand([rollout], truths, 0.3) == (0, -1)
    assert rollout_threshold([rollout], truths, RADIUS) == pytest.approx(0.3)


@pytest.mark.parametrize("low", [0.3, np.nextafter(0.3, 1)])  # half-way is rounded up, and down
def test_between_neighbouring_numbers_the_threshold_is_above_the_lower_one(low):
    rollout = Rollout(np.zeros((4, 2)), np.array([low, low, np.nextafter(low, 1), 0.9]))
    assert rollout.count(rollout_threshold([rollout], [far(2)], RADIUS)) == 2


def test_how_training_balances_done_does_not_change_the_brier_score():
    """A weight or a share of the done pairs moves and stretches the signal's logit, and calibration undoes that."""
    pairs = enumerate_pairs(MANY, "reading", 30.0)
    predictions = predict_pairs(Noisy(MANY), pairs, range(len(pairs)), 5)
    logits = special.logit(np.clip(predictions.done, 0.02, 0.98))
    scores = []
    for slope, offset in ((1.0, 0.0), (0.5, 2.0), (1.5, -3.0)):
        scaled = PairPredictions(predictions.points, special.expit(slope * logits + offset))
        platt = done_scaling(pairs, scaled)
        result = score(Predictions(pairs, scaled, MANY.sizes, [], []), scale(RADIUS, 30.0, platt=platt))
        scores.append(result["done_brier"])
    assert scores[1:] == pytest.approx(scores[:1] * 2, abs=1e-4)
    share = np.average(pairs.done, weights=pairs.weight)
    assert 0 < scores[0] < share * (1 - share)  # better than always saying the share


def test_a_question_s_threshold_has_room_on_both_sides():
    pairs = enumerate_pairs(scenes(3, 3), "reading", 30.0)
    signal = np.where(pairs.done, np.linspace(0.9, 0.99, len(pairs)), 0.1)
    weakest = signal[pairs.done].min()
    assert done_threshold(pairs, PairPredictions(np.zeros((len(pairs), 2)), signal)) == pytest.approx(
        (weakest + 0.1) / 2
    )
    nobody = Pairs(pairs.image[:2], pairs.k[:2], pairs.objects)  # nothing done: just above all, so that all is no
    assert done_threshold(nobody, PairPredictions(np.zeros((2, 2)), np.array([0.2, 0.7]))) > 0.7


# -- locators whose metrics are known ---------------------------------------------------------------------------------


def test_of_perfect_answers_all_figures_are_perfect():
    result = evaluate(TrueLocator)
    ones = ("hit", "hit_any", "hit_half_spacing", "hit_any_half_spacing", "done_ap", "done_ap_border", "done_f1")
    ones += ("done_at_half", "done_stops", "count_score", "rollout_precision", "rollout_recall", "rollout_f1")
    zeros = ("pixel_error_mean_px", "pixel_error_p90_px", "order_gap", "done_brier", "done_not_wanted", "count_error")
    zeros += ("count_rmse", "count_bias", "rollout_duplicates", "rollout_endless", "rollout_empty")
    assert {name: result[name] for name in ones} == dict.fromkeys(ones, 1.0)
    assert {name: result[name] for name in zeros} == dict.fromkeys(zeros, 0.0)
    assert result["prediction_spread"] == pytest.approx(1)


class Never(TrueLocator):
    def says(self, left, marked, done):
        return super().says(left, marked, done)[0], 0.02


def test_who_never_says_done_is_right_on_most_pairs_and_yet_gets_nothing_for_it():
    counts = [len(points) for points in MANY.points]
    every = [k == n for n in counts for k in range(n + 1)]  # k uniform, as the notes have it
    assert 1 - np.mean(every) > 0.88
    result = evaluate(Never)
    assert result["done_recall"] == result["done_at_half"] == result["done_f1"] == 0
    assert result["done_ap"] == pytest.approx(result["done_prevalence"])
    assert result["done_ap_border"] == pytest.approx(result["done_prevalence_border"])
    assert result["rollout_endless"] == 1
    assert result["count_bias"] == pytest.approx(LIMIT - np.mean(counts))


def test_a_chosen_threshold_hides_it_from_recall_but_not_from_the_rest():
    pairs = enumerate_pairs(MANY, "reading", 30.0)
    threshold = done_threshold(pairs, predict_pairs(Never(MANY), pairs, range(len(pairs)), 9))
    result = evaluate(Never, done=threshold)
    assert result["done_recall"] == 1
    assert (result["done_at_half"], result["done_ap"]) == (0, pytest.approx(result["done_prevalence"]))


class LastAgain(TrueLocator):
    """Always names the last object of the order, whether it was visited or not, and knows how many there are."""

    def one(self, objects, marked):
        return objects[-1] if len(objects) else np.zeros(2), float(len(marked) >= len(objects))


def test_who_counts_right_and_always_hits_one_object_that_is_left_does_not_win():
    """Single questions and counts, which know nothing of each other, would call this perfect."""
    result = evaluate(LastAgain)
    assert result["hit_any"] == result["count_score"] == 1
    assert result["rollout_f1"] < 0.3
    assert result["rollout_duplicates"] > 0.7


class Always(TrueLocator):
    def says(self, left, marked, done):
        return super().says(left, marked, done)[0], 0.9


def test_who_always_says_done_visits_nothing():
    result = evaluate(Always)
    assert result["rollout_empty"] == result["done_not_wanted"] == result["done_recall"] == 1
    assert result["count_score"] == result["rollout_f1"] == result["rollout_duplicates"] == 0
    assert result["hit"] == 1


def test_an_image_without_objects_is_rightly_left_at_once():
    assert evaluate(TrueLocator, scenes(0, 3))["rollout_empty"] == 0
    assert evaluate(Always, scenes(0, 0, 3))["rollout_empty"] == 1
    assert evaluate(Always, scenes(0, 0, 3))["count_score"] == pytest.approx(2 / 3)


class Repeating(TrueLocator):
    """Right as long as what is marked is the truth; its own mark, half a pixel off, it does not see."""

    def says(self, left, marked, done):
        return left[0] + np.array([0.5, 0.0]) if left else np.zeros(2), done

    def one(self, objects, marked):
        left = [point for point in objects if all(np.hypot(*(point - mark)) > 0.4 for mark in marked)]
        return self.says(left, marked, float(not left))


def test_a_roll_out_that_repeats_a_point_shows_where_hits_are_perfect():
    result = evaluate(Repeating)
    assert result["hit"] == result["done_ap"] == 1
    assert result["rollout_recall"] == pytest.approx(8 / 60)  # one in each image
    assert result["rollout_duplicates"] == pytest.approx(1 - 1 / LIMIT)
    assert result["rollout_precision"] == pytest.approx(1 / LIMIT)


class Last(TrueLocator):
    def says(self, left, marked, done):
        return (left[-1] if left else np.zeros(2)), done


def test_who_names_another_object_that_is_left_hits_in_no_order():
    result = evaluate(Last, scenes(12, 9, 7))
    last = 3 / 15  # of the pairs with objects left, those with one
    assert result["hit"] == pytest.approx(last)
    assert result["hit_any"] == result["rollout_f1"] == 1
    assert result["order_gap"] == pytest.approx(1 - last)


class Marked(TrueLocator):
    def says(self, left, marked, done):
        return (marked[0] if marked else np.full(2, -50.0)), done


def test_an_object_that_is_marked_is_no_hit():
    assert evaluate(Marked)["hit_any"] == 0


class Middle(TrueLocator):
    def says(self, left, marked, done):
        return SIZE / 2, done


def test_who_always_names_one_point_has_no_spread():
    result = evaluate(Middle)
    assert result["prediction_spread"] == 0
    assert 0.9 < evaluate(Noisy)["prediction_spread"] < 1.2


def test_spread_counts_a_large_image_as_a_small_one():
    pairs = enumerate_pairs(MANY, "reading", 30.0)
    larger = [points * (1 + 9 * (index % 2)) for index, points in enumerate(pairs.objects)]
    predictions, spread = predict_pairs(Noisy(MANY), pairs, range(len(pairs)), 9), []
    for factor, ordered in ((np.ones(8), pairs.objects), (1 + 9 * (np.arange(8) % 2), larger)):
        scaled = PairPredictions(predictions.points * factor[pairs.image][:, None], predictions.done)
        asked = Pairs(pairs.image, pairs.k, ordered)
        result = score(Predictions(asked, scaled, MANY.sizes * factor[:, None], [], []), scale(5.0, 30.0))
        spread.append(result["prediction_spread"])
    assert spread[0] == pytest.approx(spread[1])


# -- what holds of any answers ---------------------------------------------------------------------------------------


def test_at_the_radius_there_is_no_hit():
    pairs = Pairs(np.zeros(1, int), np.zeros(1, int), [np.array([[10.0, 10.0]])])
    rollout = Rollout(np.array([[13.0, 14.0]]), np.array([0.0, 1.0]))

    def at(radius: float, spacing: float) -> dict[str, float]:
        predictions = PairPredictions(rollout.points, np.zeros(1))
        return score(
            Predictions(pairs, predictions, SIZE[None], [rollout], pairs.objects), scale(radius, spacing, limit=3)
        )

    names = ("hit", "hit_any", "hit_half_spacing", "hit_any_half_spacing", "rollout_precision", "rollout_recall")
    assert [at(5.0, 10.0)[name] for name in names] == [0] * 6
    assert [at(5.001, 10.002)[name] for name in names] == [1] * 6


def test_the_order_of_the_images_changes_nothing():
    before = evaluate(Noisy)
    turned = MANY.select(np.array([3, 7, 0, 5, 1, 6, 2, 4]))
    assert evaluate(Noisy, turned) == pytest.approx(before)


def test_roll_outs_that_ended_at_the_threshold_have_the_figures_of_whole_ones():
    pairs, locate = enumerate_pairs(MANY, "reading", 30.0), Noisy(MANY)
    predictions = predict_pairs(locate, pairs, range(len(pairs)), 7)
    ended = roll_out(locate, range(8), LIMIT, 8, threshold=0.9)
    same = scale(RADIUS, MANY.spacing(), rollout=0.9)
    assert score(Predictions(pairs, predictions, MANY.sizes, ended, MANY.points), same) == evaluate(Noisy, rollout=0.9)


@pytest.mark.parametrize("counts", [(0,), (0, 0), (1,), (2,), (0, 1, 2), (1, 1)])
@pytest.mark.parametrize("kind", [TrueLocator, Noisy, Never, Always, Middle])
def test_whatever_there_is_the_figures_are_the_same_ones_and_finite(counts, kind):
    images = scenes(*counts)
    result = evaluate(kind, images)
    assert list(result) == list(evaluate(TrueLocator))
    assert all(type(value) is float and math.isfinite(value) for value in result.values())


@pytest.mark.parametrize("place", [0.1, 33.3, 77.7, 123.4])  # their means are not always they, to the last digit
def test_objects_that_are_all_in_one_place_ask_for_no_spread(place):
    ordered = [np.full((1, 2), place, np.float32)] * 7
    pairs = Pairs(np.arange(7), np.zeros(7, int), ordered)
    predictions = PairPredictions(np.arange(14.0).reshape(7, 2), np.zeros(7))
    result = score(Predictions(pairs, predictions, np.tile(SIZE, (7, 1)), [], []), scale(5.0, 0.0))
    assert result["prediction_spread"] == 1


def test_the_done_threshold_is_the_best_on_its_pairs():
    pairs = enumerate_pairs(MANY, "reading", 30.0)
    predictions = predict_pairs(Noisy(MANY), pairs, range(len(pairs)), 9)
    best = max(oracle.f1_score(pairs.done, predictions.done >= level) for level in np.unique(predictions.done))
    assert oracle.f1_score(pairs.done, predictions.done >= done_threshold(pairs, predictions)) == best
