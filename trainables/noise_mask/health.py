"""Health findings of a training under masks, from one epoch's report: what was measured, what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch.distributions import Beta

from trainables.contract import Finding
from trainables.noise_mask.config import Config

COLLAPSED_ENTROPY, COLLAPSED_ENDS = -3.0, 0.8  # nats per cell; share of the cells
COLLAPSED_SHARE = 0.75  # of the lowest entropy that the bounds of the parameters leave
INERT = 0.005  # mean change of the cells' expected values, which lie between 0 and 1
LOW_CONTRAST = 0.7
NO_NOISE = 0.01
CHANCE = 1.1  # times the accuracy of guessing


def findings(report: Mapping[str, float], config: Config) -> list[Finding]:
    """Find all that is wrong in an epoch; with masks and policy only while training is under masks."""
    chance = [*_chance(report, config)]
    if not config.has_masks or not report.get("train/masked", 0.0):
        return chance
    policy = [*_collapse(report, config), *_inertia(report, config)] if config.has_policy else []
    return [*policy, *_contrast(report, config), *_noise(report, config), *chance]


def _chance(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    if not _is_half_over(report, config.epochs):
        return
    accuracy, chance = report["val/accuracy_balanced_maskfree"], 1 / report["val/classes"]
    if accuracy <= CHANCE * chance:
        masks = f", or lower amplitude ({config.amplitude:.3g})" if config.has_masks else ""
        yield Finding(
            "no better than chance",
            f"balanced accuracy without masks is {accuracy:.3f} after {report['epoch']:.0f} of {config.epochs} epochs, "
            f"where guessing has {chance:.3f}: change lr ({config.lr:.3g}){masks}, and look whether images and classes "
            "belong together.",
        )


def _collapse(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    entropy, ends = report["health/policy_entropy"], report["health/cells_at_ends"]
    lowest = Beta(config.beta_high, config.beta_low).entropy().item()
    if entropy < max(COLLAPSED_ENTROPY, COLLAPSED_SHARE * lowest) or ends > COLLAPSED_ENDS:
        yield Finding(
            "policy collapsed",
            f"the cells' distributions have {entropy:.2f} nats each, where 0 is uniform, and {ends:.0%} of the drawn "
            f"values lie within 0.05 of 0 or 1, so {_describe_masks(ends)}: {_entropy_remedy(config)}, or lower "
            f"policy_lr_ratio ({config.policy_lr_ratio:.3g}).",
            fatal=True,
        )


def _describe_masks(ends: float) -> str:
    return "masks are blobs of 0 and 1" if ends > 0.5 else "an image's mask hardly varies"


def _entropy_remedy(config: Config) -> str:
    """Suggest settings that give more entropy, which has a weight in all objectives but the published one."""
    weight = (
        "take objective=reinforce, in which entropy has a weight"
        if config.objective == "literal"
        else f"raise entropy ({config.entropy:.3g})"
    )
    if config.beta_low < 1:
        return f"{weight}, take beta_low=1 (it is {config.beta_low:.3g})"
    return f"{weight}, lower beta_high ({config.beta_high:.3g})"


def _inertia(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    shift, ratio = report["health/policy_shift"], report["health/gradient_ratio_policy"]
    if _is_half_over(report, config.heat_epochs) and shift < INERT:
        yield Finding(
            "policy inert",
            f"after {report['epoch']:.0f} of {config.heat_epochs} epochs under masks the cells' expected values have "
            f"moved by {shift:.4f}, where the policy's gradient is {ratio:.1e} of the classifier's: "
            f"raise policy_lr_ratio ({config.policy_lr_ratio:.3g}), or lower mix ({config.mix:.3g}).",
        )


def _contrast(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    mean = report["health/mask_mean"]
    if mean < LOW_CONTRAST and not config.mean_preserving:
        yield Finding(
            "contrast halved",
            f"masks leave images {mean:.0%} of their contrast on average, which fine-tuning and validation have in "
            f"full: take mean_preserving=true, or lower amplitude ({config.amplitude:.3g}).",
        )


def _noise(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Find masks that hardly vary; one of a single cell has no deviation by design: it varies the contrast."""
    spread = report["health/mask_std"]
    if spread < NO_NOISE and config.grid > 1:
        even = f", lower random_beta ({config.random_beta:.3g})" if config.objective == "random" else ""
        amplitude = f", or raise amplitude ({config.amplitude:.3g})" if config.amplitude < 1 else ""
        yield Finding(
            "mask without effect",
            f"a mask's values deviate by {spread:.4f} within an image, so there is hardly any noise: lower sigma "
            f"({config.sigma:.3g}) or grid ({config.grid}){even}{amplitude}.",
        )


def _is_half_over(report: Mapping[str, float], epochs: int) -> bool:
    return 2 * report["epoch"] >= epochs
