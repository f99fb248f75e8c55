"""How well a density of fixations fits those of one image, and how much a density says at all. Imports no torch.

Densities live on the cells of `config.CELL`: `log_density` is `[h, w]` in nats and its exponential sums to 1.
Information relative to a uniform density is the same on cells as on pixels. All figures are of one image; what averages
over images takes each image once, however many fixations it has. Computed in float64.

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

FLAT = 1e-4
"""Nats that a log-density has to vary by to vary at all: the rounding of the network's float32 may come to as much.

Its longest sums before the density are of 128 products and come to some 6 nats: 2 · 128 · 6 · 2⁻²⁴. Only NSS and CC
ask, as they measure in deviations, however small these are.
"""


class Figures(NamedTuple):
    """Of one image.

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


def figures(log_density: np.ndarray, points: np.ndarray, degree: float) -> Figures:
    """Of one density for all fixations of an image.

    Args:
        log_density: `[h, w]`.
        points: `[n, 2]`, x and y in pixels, n ≥ 1.
        degree: deviation of the fixations' blur, as a share of the longer side.
    """
    cells = cell_of(points, log_density.shape)
    return Figures(
        float(log_likelihood(log_density, cells).mean()),
        float(auc(log_density, cells).mean()),
        float(nss(log_density, cells).mean()),
        *_against_map(log_density, cells, degree),
    )


def conditional_figures(log_densities: np.ndarray, points: np.ndarray, degree: float) -> Figures:
    """Of one density for each fixation of an image: `ll`, `auc`, `nss` of each by its own, the rest of their mean.

    Args:
        log_densities: `[n, h, w]`, in the order of `points`.
        points: `[n, 2]`, x and y in pixels, n ≥ 1.
        degree: as `figures` has it.
    """
    cells = cell_of(points, log_densities.shape[1:])
    each = [(one, cells[place : place + 1]) for place, one in enumerate(log_densities)]
    return Figures(
        float(np.mean([log_likelihood(*one) for one in each])),
        float(np.mean([auc(*one) for one in each])),
        float(np.mean([nss(*one) for one in each])),
        *_against_map(_log_mean(log_densities), cells, degree),
    )


def cell_of(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The cell of each point, int64 `[n]`: row × w + column.

    Args:
        points: `[n, 2]`, x and y in pixels, inside the image; one that rounding has put on its end is in the last cell.
        shape: cells down and across.
    """
    column, row = np.floor(points.astype(np.float64) / CELL).astype(np.int64).T
    return np.minimum(row, shape[0] - 1) * shape[1] + np.minimum(column, shape[1] - 1)


def log_likelihood(log_density: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Bits by which each fixation is likelier than under a uniform density, `[n]`.

    Args:
        log_density: `[h, w]`.
        cells: `[n]`, what `cell_of` gives.
    """
    return log_density.ravel()[cells].astype(np.float64) / np.log(2) + np.log2(log_density.size)


def auc(log_density: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Share of all cells below each fixation's, ties counting one half, `[n]`; its mean is the area under the curve.

    Fixations are the positives, each as often as it occurs, and all cells the negatives, those of fixations included.

    Args:
        log_density: `[h, w]`.
        cells: `[n]`, what `cell_of` gives.
    """
    values = log_density.ravel()
    below = [np.count_nonzero(values < at) + np.count_nonzero(values <= at) for at in values[cells]]
    return np.array(below, dtype=np.float64) / (2 * values.size)


def nss(log_density: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The density (not its logarithm) at each fixation in deviations from its mean, `[n]`; 0 of one that is flat.

    Args:
        log_density: `[h, w]`.
        cells: `[n]`, what `cell_of` gives.
    """
    if _flat(log_density):
        return np.zeros(len(cells))
    density = _density(log_density).ravel()
    return (density[cells] - density.mean()) / density.std()


def empirical(cells: np.ndarray, shape: tuple[int, int], degree: float) -> np.ndarray:
    """The fixations as a density: blurred, and reflected at the border so that it keeps the sum of 1; `[h, w]`.

    Args:
        cells: `[n]`, what `cell_of` gives, n ≥ 1.
        shape: cells down and across.
        degree: the Gaussian's deviation as a share of the longer side.
    """
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    return ndimage.gaussian_filter(counts / len(cells), degree * max(shape), mode="reflect")


def kl(log_density: np.ndarray, fixated: np.ndarray) -> float:
    """KL(fixated ‖ density) in bits, without an epsilon: inf where the density is 0 and `fixated` is not.

    Args:
        log_density: `[h, w]`.
        fixated: `[h, w]`, what `empirical` gives.
    """
    there = fixated > 0
    wanted = fixated[there]
    return float(np.sum(wanted * (np.log(wanted) - log_density[there])) / np.log(2))


def cc(log_density: np.ndarray, fixated: np.ndarray) -> float:
    """Pearson's correlation of the density with `fixated` over cells; 0 where either is flat.

    Args:
        log_density: `[h, w]`.
        fixated: `[h, w]`, what `empirical` gives.
    """
    if _flat(log_density) or fixated.min() == fixated.max():
        return 0.0
    return float(np.corrcoef(_density(log_density).ravel(), fixated.ravel())[0, 1])


def sim(log_density: np.ndarray, fixated: np.ndarray) -> float:
    """What the density and `fixated` have in common: the sum of the lower one, 0 to 1.

    Args:
        log_density: `[h, w]`.
        fixated: `[h, w]`, what `empirical` gives.
    """
    return float(np.minimum(_density(log_density), fixated).sum())


def bias_information(log_density: np.ndarray) -> np.ndarray:
    """Bits by which a density's entropy is below a uniform one's: log2(cells) − H, 0 for uniform and never below.

    Args:
        log_density: `[..., h, w]`.

    Returns:
        `[...]`; of one density a number.
    """
    density = _density(log_density)
    # p ln(p / u) − p + u is never negative, so its sum is neither, also where float32 keeps p from summing to 1.
    terms = special.kl_div(density, 1 / (density.shape[-2] * density.shape[-1]))
    return np.maximum(terms.sum(axis=(-2, -1)), 0.0) / np.log(2)


def bias_information_of_mean(log_densities: np.ndarray) -> float:
    """`bias_information` of the mean of densities `[n, h, w]` (not of log-densities): what all have in common.

    At most the mean of `bias_information`, as entropy is concave.
    """
    return float(bias_information(_log_mean(log_densities)))


def _against_map(log_density: np.ndarray, cells: np.ndarray, degree: float) -> Iterable[float]:
    fixated = empirical(cells, (log_density.shape[0], log_density.shape[1]), degree)
    return kl(log_density, fixated), cc(log_density, fixated), sim(log_density, fixated)


def _log_mean(log_densities: np.ndarray) -> np.ndarray:
    """Logarithm of the mean density; one density after another, as a stack in float64 may be large."""
    total = np.zeros(log_densities.shape[1:])
    for each in log_densities:
        total += _density(each)
    with np.errstate(divide="ignore"):
        return np.log(total / len(log_densities))


def _density(log_density: np.ndarray) -> np.ndarray:
    return np.exp(log_density, dtype=np.float64)


def _flat(log_density: np.ndarray) -> bool:
    return float(log_density.max()) - float(log_density.min()) <= FLAT
