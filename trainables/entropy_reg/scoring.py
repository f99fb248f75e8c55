"""How well a density of fixations fits those of one image, and how much a density says at all. Imports no torch.

Densities live on the cells of `config.CELL`: `log_density` is `[h, w]` in nats and its exponential sums to 1. A
`fixation_map` `[h, w]` is what `blur_fixations` gives. Information relative to a uniform density is the same on cells
as on pixels. All metrics are of one image; their means over images take each image once, however many fixations it has.
Computed in float64.

Source: Kümmerer, Wallis and Bethge 2015, Information-theoretic model comparison unifies saliency metrics (likelihoods);
Judd, Durand and Torralba 2012, A benchmark of computational models of saliency (AUC with all places as negatives);
Bylinskii et al. 2019, What do different evaluation metrics tell us about saliency models (NSS, CC, SIM, KL).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import ndimage, special

from trainables.entropy_reg.config import CELL
from trainables.entropy_reg.scanpaths import Fixations

FLAT = 1e-4
"""Nats that a log-density has to vary by to vary at all: the rounding of the network's float32 may be as large.

Its longest sums before the density are of 128 products and add up to some 6 nats: 2 · 128 · 6 · 2⁻²⁴. Only NSS and CC
need it, as they measure in deviations, however small these are.
"""


class Prediction(NamedTuple):
    """What a model expects of one image.

    Attributes:
        log_densities: float32, nats over the cells: `[h, w]` of a spatial model, `[n, h, w]` of one that is shown
            histories, a density for each of the fixations.
        fixations: the n that are scored.
    """

    log_densities: np.ndarray
    fixations: Fixations


class DensityMetrics(NamedTuple):
    """Metrics of the density of one image.

    Attributes:
        ll: log-likelihood relative to a uniform density in bits per fixation; a model's minus the centre bias's is IG.
        auc: share of the image's cells whose density is lower than a fixation's, ties counting one half.
        nss: density at a fixation in deviations from its mean over the image.
        kl: divergence in bits of the density from the blurred fixations; inf where these fall on a density of 0.
        cc: correlation of the density with the blurred fixations.
        sim: the mass that both have in common, 0 to 1.
    """

    ll: float
    auc: float
    nss: float
    kl: float
    cc: float
    sim: float


def score(prediction: Prediction, baseline: np.ndarray, degree: float) -> dict[str, float]:
    """Score what a model predicts of one image: metrics by their names in a report, and the density's `sum_error`.

    Args:
        prediction: with one fixation at least.
        baseline: log-density `[h, w]` of the centre bias, over which information is gained.
        degree: deviation of the fixations' blur, as a share of the longer side.
    """
    log_densities, points = prediction.log_densities, prediction.fixations.points
    score_image = score_density if log_densities.ndim == 2 else score_conditional_densities
    metrics = score_image(log_densities, points, degree)
    baseline_bits = float(log_likelihood(baseline, cell_indices(points, baseline.shape)).mean())
    stack = log_densities.reshape(-1, *baseline.shape)
    return {
        "information_gain_bits": metrics.ll - baseline_bits,
        "log_likelihood_bits": metrics.ll,
        "nll_bits": float(np.log2(baseline.size * CELL**2)) - metrics.ll,  # over pixels
        "centre_bias_log_likelihood_bits": baseline_bits,
        "auc": metrics.auc,
        "nss": metrics.nss,
        "kl_bits": metrics.kl,
        "cc": metrics.cc,
        "sim": metrics.sim,
        "sum_error": float(np.abs(np.exp(stack, dtype=np.float64).sum(axis=(1, 2)) - 1).max()),
    }


def score_density(log_density: np.ndarray, points: np.ndarray, degree: float) -> DensityMetrics:
    """Score one density for all fixations of an image.

    Args:
        log_density: `[h, w]`.
        points: `[n, 2]`, x and y in pixels, n ≥ 1.
        degree: deviation of the fixations' blur, as a share of the longer side.
    """
    cells = cell_indices(points, log_density.shape)
    return DensityMetrics(
        float(log_likelihood(log_density, cells).mean()),
        float(auc(log_density, cells).mean()),
        float(nss(log_density, cells).mean()),
        *_compare_with_map(log_density, cells, degree),
    )


def score_conditional_densities(log_densities: np.ndarray, points: np.ndarray, degree: float) -> DensityMetrics:
    """Score one density for each fixation of an image: `ll`, `auc`, `nss` of each by its own, the rest of their mean.

    Args:
        log_densities: `[n, h, w]`, in the order of `points`.
        points: `[n, 2]`, x and y in pixels, n ≥ 1.
        degree: as `score_density` has it.
    """
    cells = cell_indices(points, log_densities.shape[1:])
    pairs = [(log_density, cells[index : index + 1]) for index, log_density in enumerate(log_densities)]
    return DensityMetrics(
        float(np.mean([log_likelihood(*pair) for pair in pairs])),
        float(np.mean([auc(*pair) for pair in pairs])),
        float(np.mean([nss(*pair) for pair in pairs])),
        *_compare_with_map(_log_mean(log_densities), cells, degree),
    )


def cell_indices(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the cell of each point, int64 `[n]`: row × w + column.

    Args:
        points: `[n, 2]`, x and y in pixels, inside the image; one that rounding has put on its end is in the last cell.
        shape: cells down and across.
    """
    column, row = np.floor(points.astype(np.float64) / CELL).astype(np.int64).T
    return np.minimum(row, shape[0] - 1) * shape[1] + np.minimum(column, shape[1] - 1)


def log_likelihood(log_density: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Compute the bits by which each fixation is likelier than under a uniform density, `[n]`.

    Args:
        log_density: `[h, w]`.
        cells: `[n]`, what `cell_indices` gives.
    """
    return log_density.ravel()[cells].astype(np.float64) / np.log(2) + np.log2(log_density.size)


def auc(log_density: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Compute the share of cells below each fixation's, ties counting one half, `[n]`; the mean is the area (AUC).

    Fixations are the positives, each as often as it occurs, and all cells the negatives, those of fixations included.

    Args:
        log_density: `[h, w]`.
        cells: `[n]`, what `cell_indices` gives.
    """
    values = log_density.ravel()
    counts = [np.count_nonzero(values < value) + np.count_nonzero(values <= value) for value in values[cells]]
    return np.array(counts, dtype=np.float64) / (2 * values.size)


def nss(log_density: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Compute the density (not its logarithm) at each fixation in deviations from its mean, `[n]`; 0 where it is flat.

    Args:
        log_density: `[h, w]`.
        cells: `[n]`, what `cell_indices` gives.
    """
    if _is_flat(log_density):
        return np.zeros(len(cells))
    density = _density(log_density).ravel()
    return (density[cells] - density.mean()) / density.std()


def blur_fixations(cells: np.ndarray, shape: tuple[int, int], degree: float) -> np.ndarray:
    """Blur fixations to a density, reflected at the border so that it keeps the sum of 1; `[h, w]`.

    Args:
        cells: `[n]`, what `cell_indices` gives, n ≥ 1.
        shape: cells down and across.
        degree: the Gaussian's deviation as a share of the longer side.
    """
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    return ndimage.gaussian_filter(counts / len(cells), degree * max(shape), mode="reflect")


def kl(log_density: np.ndarray, fixation_map: np.ndarray) -> float:
    """Compute KL(map ‖ density) in bits, without an epsilon: inf where the density is 0 and the map is not."""
    support = fixation_map > 0  # elsewhere p log p is 0
    mass = fixation_map[support]
    return float(np.sum(mass * (np.log(mass) - log_density[support])) / np.log(2))


def cc(log_density: np.ndarray, fixation_map: np.ndarray) -> float:
    """Compute Pearson's correlation of the density with the map over cells; 0 where either is flat."""
    if _is_flat(log_density) or fixation_map.min() == fixation_map.max():
        return 0.0
    return float(np.corrcoef(_density(log_density).ravel(), fixation_map.ravel())[0, 1])


def sim(log_density: np.ndarray, fixation_map: np.ndarray) -> float:
    """Compute what the density and the map have in common: the sum of the lower one, 0 to 1."""
    return float(np.minimum(_density(log_density), fixation_map).sum())


def bias_information(log_density: np.ndarray) -> np.ndarray:
    """Compute the bits by which a density's entropy is below a uniform one's: log2(cells) − H, 0 or above.

    Args:
        log_density: `[..., h, w]`.

    Returns:
        `[...]`; of one density a number.
    """
    density = _density(log_density)
    # log2(cells) − H = KL(p ‖ u), as a sum of p ln(p / u) − p + u over the cells: the added −p + u sums to 0, and makes
    # no term negative. So the sum is not either, also where the rounding of float32 keeps p from summing to 1.
    terms = special.kl_div(density, 1 / (density.shape[-2] * density.shape[-1]))
    return np.maximum(terms.sum(axis=(-2, -1)), 0.0) / np.log(2)


def _compare_with_map(log_density: np.ndarray, cells: np.ndarray, degree: float) -> Iterable[float]:
    fixation_map = blur_fixations(cells, (log_density.shape[0], log_density.shape[1]), degree)
    return kl(log_density, fixation_map), cc(log_density, fixation_map), sim(log_density, fixation_map)


def _log_mean(log_densities: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean density; one density after another, as a stack in float64 may be large."""
    total = np.zeros(log_densities.shape[1:])
    for log_density in log_densities:
        total += _density(log_density)
    with np.errstate(divide="ignore"):
        return np.log(total / len(log_densities))


def _density(log_density: np.ndarray) -> np.ndarray:
    return np.exp(log_density, dtype=np.float64)


def _is_flat(log_density: np.ndarray) -> bool:
    return float(log_density.max()) - float(log_density.min()) <= FLAT
