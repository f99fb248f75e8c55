"""What can be wrong with a training, judged from one epoch's report: what was measured, and what to change.

Gradients are judged part by part and before clipping. Their sum of absolute values after clipping, by which the notes
went, says how many weights a part has, and nothing of its training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainables.contract import Finding
from trainables.seq_attention.config import Config

NEVER = 0.05  # share of the done pairs
CHANCE = 0.1  # of the way from the prevalence to 1
ALWAYS = 0.9  # share of the not-done pairs
STUCK = 0.1
REPEATED = 0.5
AMBIGUOUS = 0.2
EXPLODED, LEAP = 100.0, 0.1
NO_GRADIENT, ZEROS = 1e-7, 0.99
_NORM = "health/gradient_norm_"


def findings(report: Mapping[str, float], config: Config) -> list[Finding]:
    """All that is wrong in an epoch; of those in which a network is young, only gradients that are not there."""
    found = [*_vanished(report, config)]
    if report["epoch"] > max(1.0, config.warmup_epochs):
        found += [*_done(report, config), *_location(report, config), *_exploded(report, config)]
    return found


def _vanished(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """One finding for all parts; going on is a waste where nothing can learn where objects are."""
    norms = {key.removeprefix(_NORM): value for key, value in report.items() if key.startswith(_NORM)}
    zeros = {part: report[f"health/gradient_zeros_{part}"] for part in norms}
    dead = [part for part in norms if norms[part] < NO_GRADIENT or zeros[part] >= ZEROS]
    if dead:
        measured = ", ".join(f"{part} (norm {norms[part]:.1e}, {zeros[part]:.1%} zeros)" for part in dead)
        tau = f" or raise tau ({config.tau:.3g})" if config.spatial_loss.startswith(("literal", "huber")) else ""
        remedies = {
            "glimpses": f"take glimpses=0 (it is {config.glimpses})",
            "done": f"raise done_weight ({config.done_weight:.3g})",
        }
        wanted = dict.fromkeys(remedies.get(part, f"lower lr ({config.lr:.3g}){tau}") for part in dead)
        yield Finding(
            "gradients vanish",
            f"next to no gradient reaches {measured}: {', '.join(wanted)}.",
            fatal=not {"backbone", "location"}.isdisjoint(dead),
        )


def _done(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Whether the done signal says the same of everything.

    A chosen threshold adapts to any signal: to one that is always 0.02 as well, and then says yes to all (recall 1), or
    stops roll-outs at once. So a signal that never reaches 0.5 is held to be dead when it also ranks no better than
    chance, or does not stop roll-outs, or finds nothing; one that ranks well and is only too low is used as it is.
    """
    at_half, prevalence, ap = (report[f"val/{name}"] for name in ("done_at_half", "done_prevalence", "done_ap"))
    endless, empty = report["val/rollout_endless"], report["val/rollout_empty"]
    blind = ap - prevalence < CHANCE * (1 - prevalence)
    if at_half < NEVER and (blind or endless > 0.5 or report["val/done_recall"] < 0.1):
        yield Finding(
            "done never fires",
            f"where nothing is left, the done signal reaches 0.5 in {at_half:.1%} of the pairs; its average precision "
            f"is {ap:.3f} (chance: {prevalence:.3f}) and {endless:.0%} of the roll-outs run to their limit: "
            f"{_training_of_done(config, more=True)}.",
        )
    elif report["val/done_not_wanted"] >= ALWAYS or (blind and empty > 0.5):
        yield Finding(
            "done always fires",
            f"the done signal reaches 0.5 in {report['val/done_not_wanted']:.1%} of the pairs that have objects left, "
            f"and {empty:.0%} of the roll-outs end before the first visit: {_training_of_done(config, more=False)}.",
        )
    elif endless > 0.5:
        yield Finding(
            "roll-outs do not end",
            f"the done signal tells single questions apart (average precision {ap:.3f}), but {endless:.0%} of the "
            "roll-outs, in which markers lie where the network says, run to their limit: raise marker_jitter "
            f"({config.marker_jitter:.3g}) or, as long as few single questions are hit ({report['val/hit_any']:.0%}), "
            f"lr ({config.lr:.3g}).",
        )


def _training_of_done(config: Config, *, more: bool) -> str:
    """What to change so that the signal fires more, or less."""
    if config.done_weight == 0:
        return "done_weight is 0, so that it is not trained: raise it"
    if config.sampling == "separate":
        return "take sampling=mixed, for sampling=separate teaches done at k ∈ {N−1, N} alone"
    way = "raise" if more else "lower"
    other = f"raise done_weight ({config.done_weight:.3g})" if more else f"lower hardness ({config.hardness:.3g})"
    if config.done_balance == "natural":
        return f"take done_balance=share (it is natural), or {other}"
    name = "p_done" if config.done_balance == "share" else "pos_weight"
    return f"{way} {name} ({getattr(config, name):.3g}), or {other}"


def _location(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    spread, repeated, gap = (report[f"val/{name}"] for name in ("prediction_spread", "rollout_duplicates", "order_gap"))
    if spread < STUCK:
        head = ", or take head=heatmap" if config.head == "regression" else ""
        yield Finding(
            "predictions stuck",
            f"predicted points are {spread:.1%} as far apart as the objects, as if there were one for all images: "
            f"raise lr ({config.lr:.3g}) or lower done_weight ({config.done_weight:.3g}){head}.",
        )
    if repeated > REPEATED:
        channel = "" if config.marker_channel else ", or take marker_channel=true"
        yield Finding(
            "roll-out repeats itself",
            f"{repeated:.0%} of the visits are to objects that had been visited, and "
            f"{report['val/rollout_recall']:.0%} of the objects are found at all: raise marker_jitter "
            f"({config.marker_jitter:.3g}), as markers lie where the network says{channel}.",
        )
    if gap > AMBIGUOUS and config.target == "ordered":
        yield Finding(
            "order is ambiguous",
            f"{report['val/hit_any']:.0%} of the predictions hit an object that is left, but only "
            f"{report['val/hit']:.0%} the next one in order={config.order}: the network need not be wrong; take "
            "target=nearest_unmarked, or another order.",
        )


def _exploded(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    norm = report["health/grad_norm"]
    if norm > EXPLODED:
        yield Finding(
            "gradients explode",
            f"the gradient's norm is {norm:.3g} on average before clipping, where losses are of the order of 1; "
            f"{report['health/clipped_share']:.0%} of the steps are clipped to clip_norm ({config.clip_norm:.3g}): "
            f"lower lr ({config.lr:.3g}).",
        )
        return
    prefix = "health/update_ratio_"
    ratios = {key.removeprefix(prefix): value for key, value in report.items() if key.startswith(prefix)}
    leaps = [f"{part} by {ratio:.0%}" for part, ratio in ratios.items() if ratio > LEAP]
    if leaps:
        yield Finding(
            "gradients explode",
            f"one step changes the weights of {', '.join(leaps)} (a thousandth is usual): lower lr ({config.lr:.3g}).",
        )
