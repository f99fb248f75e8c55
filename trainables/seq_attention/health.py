"""Health checks of one epoch's report: the value that is wrong, and what to change.

Gradients are judged part by part and before clipping. Their sum of absolute values after clipping, which the notes
judged, depends on how many weights a part has, and not on its training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainables.contract import Finding
from trainables.seq_attention.config import Config

MIN_FIRING = 0.05  # share of the done pairs in which the signal reaches 0.5
MIN_PRECISION_GAIN = 0.1  # of average precision over the prevalence, as a share of the most that is possible
MAX_FALSE_FIRING = 0.9  # share of the other pairs in which the signal reaches 0.5
MIN_SPREAD = 0.1  # of predictions, as a share of the objects'
MAX_DUPLICATES = 0.5  # share of the visits
MAX_ORDER_GAP = 0.2
MAX_GRADIENT_NORM, MAX_UPDATE_RATIO = 100.0, 0.1
MIN_GRADIENT_NORM, MAX_ZEROS = 1e-7, 0.99
_NORM = "health/gradient_norm_"


def findings(report: Mapping[str, float], config: Config) -> list[Finding]:
    """Return the findings of an epoch; in the first epochs and in warm-up only those of vanishing gradients."""
    problems = [*_check_vanishing(report, config)]
    if report["epoch"] > max(1.0, config.warmup_epochs):
        problems += [*_check_done(report, config), *_check_location(report, config), *_check_exploding(report, config)]
    return problems


def _check_vanishing(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Yield one finding for all parts; training on is a waste where no location can be learnt."""
    norms = {key.removeprefix(_NORM): value for key, value in report.items() if key.startswith(_NORM)}
    zeros = {part: report[f"health/gradient_zeros_{part}"] for part in norms}
    dead = [part for part in norms if norms[part] < MIN_GRADIENT_NORM or zeros[part] >= MAX_ZEROS]
    if dead:
        parts = ", ".join(f"{part} (norm {norms[part]:.1e}, {zeros[part]:.1%} zeros)" for part in dead)
        tau = f" or raise tau ({config.tau:.3g})" if config.spatial_loss.startswith(("literal", "huber")) else ""
        remedies = {
            "glimpses": f"take glimpses=0 (it is {config.glimpses})",
            "done": f"raise done_weight ({config.done_weight:.3g})",
        }
        advice = dict.fromkeys(remedies.get(part, f"lower lr ({config.lr:.3g}){tau}") for part in dead)
        yield Finding(
            "gradients vanish",
            f"next to no gradient reaches {parts}: {', '.join(advice)}.",
            fatal=not {"backbone", "location"}.isdisjoint(dead),
        )


def _check_done(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Check whether the done signal is the same for all pairs, and whether it ends roll-outs.

    A threshold adapts to any signal: even if it is always 0.02, all pairs then count as done (recall 1), or roll-outs
    stop at once. So a signal that never reaches 0.5 is dead if it also ranks no better than chance, or does not stop
    roll-outs, or has no recall; one that ranks well and is only too low is used as it is.
    """
    at_half, prevalence, ap = (report[f"val/{name}"] for name in ("done_at_half", "done_prevalence", "done_ap"))
    endless, empty = report["val/rollout_endless"], report["val/rollout_empty"]
    blind = ap - prevalence < MIN_PRECISION_GAIN * (1 - prevalence)
    if at_half < MIN_FIRING and (blind or endless > 0.5 or report["val/done_recall"] < 0.1):
        yield Finding(
            "done never fires",
            f"where nothing is left, the done signal reaches 0.5 in {at_half:.1%} of the pairs; its average precision "
            f"is {ap:.3f} (chance: {prevalence:.3f}) and {endless:.0%} of the roll-outs run to their limit: "
            f"{_done_remedy(config, stronger=True)}.",
        )
    elif report["val/done_not_wanted"] >= MAX_FALSE_FIRING or (blind and empty > 0.5):
        yield Finding(
            "done always fires",
            f"the done signal reaches 0.5 in {report['val/done_not_wanted']:.1%} of the pairs that have objects left, "
            f"and {empty:.0%} of the roll-outs end before the first visit: {_done_remedy(config, stronger=False)}.",
        )
    elif endless > 0.5:
        yield Finding(
            "roll-outs do not end",
            f"the done signal tells single questions apart (average precision {ap:.3f}), but {endless:.0%} of the "
            "roll-outs, in which markers lie where the network says, run to their limit: raise marker_jitter "
            f"({config.marker_jitter:.3g}) or, as long as few single questions are hit ({report['val/hit_any']:.0%}), "
            f"lr ({config.lr:.3g}).",
        )


def _done_remedy(config: Config, *, stronger: bool) -> str:
    """Advise how to make the signal fire more, or less."""
    if config.done_weight == 0:
        return "done_weight is 0, so that it is not trained: raise it"
    if config.sampling == "separate":
        return "take sampling=mixed, for sampling=separate teaches done at k ∈ {N−1, N} alone"
    verb = "raise" if stronger else "lower"
    alternative = (
        f"raise done_weight ({config.done_weight:.3g})" if stronger else f"lower hardness ({config.hardness:.3g})"
    )
    if config.done_balance == "natural":
        return f"take done_balance=share (it is natural), or {alternative}"
    name = "p_done" if config.done_balance == "share" else "pos_weight"
    return f"{verb} {name} ({getattr(config, name):.3g}), or {alternative}"


def _check_location(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    spread, duplicates, gap = (
        report[f"val/{name}"] for name in ("prediction_spread", "rollout_duplicates", "order_gap")
    )
    if spread < MIN_SPREAD:
        head = ", or take head=heatmap" if config.head == "regression" else ""
        yield Finding(
            "predictions stuck",
            f"predicted points are {spread:.1%} as far apart as the objects, as if there were one for all images: "
            f"raise lr ({config.lr:.3g}) or lower done_weight ({config.done_weight:.3g}){head}.",
        )
    if duplicates > MAX_DUPLICATES:
        channel = "" if config.marker_channel else ", or take marker_channel=true"
        yield Finding(
            "roll-out repeats itself",
            f"{duplicates:.0%} of the visits are to objects that had been visited, and "
            f"{report['val/rollout_recall']:.0%} of the objects are found at all: raise marker_jitter "
            f"({config.marker_jitter:.3g}), as markers lie where the network says{channel}.",
        )
    if gap > MAX_ORDER_GAP and config.target == "ordered":
        yield Finding(
            "order is ambiguous",
            f"{report['val/hit_any']:.0%} of the predictions hit an object that is left, but only "
            f"{report['val/hit']:.0%} the next one in order={config.order}: the network need not be wrong; take "
            "target=nearest_unmarked, or another order.",
        )


def _check_exploding(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    norm = report["health/grad_norm"]
    if norm > MAX_GRADIENT_NORM:
        yield Finding(
            "gradients explode",
            f"the gradient's norm is {norm:.3g} on average before clipping, where losses are of the order of 1; "
            f"{report['health/clipped_share']:.0%} of the steps are clipped to clip_norm ({config.clip_norm:.3g}): "
            f"lower lr ({config.lr:.3g}).",
        )
        return
    prefix = "health/update_ratio_"
    ratios = {key.removeprefix(prefix): value for key, value in report.items() if key.startswith(prefix)}
    leaps = [f"{part} by {ratio:.0%}" for part, ratio in ratios.items() if ratio > MAX_UPDATE_RATIO]
    if leaps:
        yield Finding(
            "gradients explode",
            f"one step changes the weights of {', '.join(leaps)} (a thousandth is usual): lower lr ({config.lr:.3g}).",
        )
