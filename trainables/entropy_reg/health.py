"""What can be wrong with a training, judged from one epoch's report: what was measured, and what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainables.contract import Finding
from trainables.entropy_reg.config import Config

SUM_ERROR = 1e-3
GROWTH, GROWTH_FACTOR = 0.1, 1.25  # bits, and times the least so far
WIDE = 0.2  # of the longer side: a blur that leaves nothing of the content


def findings(report: Mapping[str, float], config: Config, least_bias: float) -> list[Finding]:
    """List all that is wrong in an epoch.

    Args:
        report: of the epoch.
        config: of the training.
        least_bias: the least bias information on uniform probes of the epochs before, bits; inf where there was none.
    """
    epoch_findings = [*_density(report), *_regulariser(report, config)]
    if report["epoch"] > max(1.0, config.warmup_epochs):
        epoch_findings += [*_worse(report, config), *_bias(report, config, least_bias), *_blur(report, config)]
    return epoch_findings


def _density(report: Mapping[str, float]) -> Iterator[Finding]:
    error = report["health/density_sum_error"]
    if not error <= SUM_ERROR:
        yield Finding(
            "density does not sum to one",
            f"a density sums to 1 within {error:.2g} only, so that its bits are none: take precision=fp32.",
            fatal=True,
        )


def _regulariser(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    if config.regulariser != "entropy":
        return
    if report["health/regulariser_share"] == 0:
        yield Finding(
            "regulariser never computed",
            f"no step of this epoch computed the entropy: compute_every ({config.compute_every}) is more than the "
            "steps of an epoch; lower it, and leave lambda_eff, which is per step.",
        )
    if config.lambda_eff == 0:
        yield Finding(
            "regulariser without weight",
            "lambda_eff is 0, so that the entropy is computed and changes nothing: raise it, or take regulariser=none.",
        )


def _worse(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    bits, gain = report["val/log_likelihood_bits"], report["val/information_gain_bits"]
    if bits < 0:
        yield Finding(
            "worse than uniform",
            f"the model's log-likelihood is {-bits:.3f} bits per fixation below that of a uniform density "
            f"(NLL {report['val/nll_bits']:.2f} bits): lower lr ({config.lr:.3g}) or raise sigma ({config.sigma:.3g}).",
            fatal=True,
        )
    elif gain < 0:
        yield Finding(
            "worse than the centre bias",
            f"the model knows {-gain:.3f} bits per fixation less than where people look whatever the image "
            f"({report['val/centre_bias_log_likelihood_bits']:.3f} bits): {_remedy(config)}.",
        )


def _remedy(config: Config) -> str:
    if config.centre_bias == "uniform":
        return "it is not shown the centre bias: take centre_bias=kde"
    if config.has_entropy_weight:
        return f"lower lambda_eff ({config.lambda_eff:.3g}), or raise lr ({config.lr:.3g})"
    return f"raise lr ({config.lr:.3g}), or take more epochs"


def _bias(report: Mapping[str, float], config: Config, least_bias: float) -> Iterator[Finding]:
    now = report["val/bias_information_bits"]
    if now > least_bias + GROWTH and now > GROWTH_FACTOR * least_bias:
        remedy = (
            f"raise lambda_eff ({config.lambda_eff:.3g})"
            if config.regulariser == "entropy"
            else f"take regulariser=entropy (it is {config.regulariser})"
        )
        yield Finding(
            "bias grows",
            f"on images without content the density says {now:.3f} bits, where it was {least_bias:.3f} at its lowest: "
            f"the network learns where people look instead of at what; {remedy}.",
        )


def _blur(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    sigma = report["health/sigma"]
    if sigma > WIDE:
        yield Finding(
            "blur covers the image",
            f"the blur's deviation has become {sigma:.2f} of the longer side, which leaves nothing of the content: "
            f"lower lr ({config.lr:.3g}), or take learn_sigma=false.",
        )
