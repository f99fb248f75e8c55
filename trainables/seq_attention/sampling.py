"""How many objects of an image are marked: the distribution of k, and draws from it. Imports no torch.

Done is k = N. With k uniform on 0, …, N it comes once in N + 1 pairs, so that a network learns to predict "not done".
The published training drew N or N − 1 instead and never showed the done signal another k, while validation had all.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from trainables.seq_attention.config import Config


@lru_cache(maxsize=4096)
def k_distribution(n: int, config: Config) -> np.ndarray:
    """Return the probabilities of k = 0, …, n in a pair of `sampling=mixed`, float64 `[n + 1]`, read-only.

    k = n has `p_done` where `done_balance=share`, else 1 / (n + 1). Of the rest, the share `hardness` lies near the
    border: n − 1 − k = g has a probability in proportion to 2^−g. The remainder is uniform. An image of no objects is
    always done.
    """
    probabilities = np.ones(1)
    if n > 0:
        done = config.p_done if config.done_balance == "share" else 1 / (n + 1)
        near = 0.5 ** np.arange(n, dtype=np.float64)[::-1]
        undone = config.hardness * near / near.sum() + (1 - config.hardness) / n
        probabilities = np.append((1 - done) * undone, done)
    probabilities.setflags(write=False)
    return probabilities


def prevalence(counts: np.ndarray, config: Config) -> float:
    """Return the expected share of done among the pairs that teach the done signal, all images `[N]` equally often."""
    if config.sampling == "separate":
        return float(np.where(counts == 0, 1.0, 0.5).mean())
    return float(np.mean([k_distribution(n, config)[n] for n in counts.tolist()]))


def done_weight(config: Config) -> float:
    """Return the weight of a done pair in the done loss, against 1 of the others."""
    return config.pos_weight if config.done_balance == "pos_weight" else 1.0


def done_odds(counts: np.ndarray, config: Config) -> float:
    """Return the odds of done in the done loss: weight times share of done, over the share of the rest.

    Args:
        counts: `[N]`, objects of the training images, of which one at least has some.
        config: how pairs are drawn and weighed.
    """
    share = prevalence(counts, config)
    return done_weight(config) * share / (1 - share)


def draw_k(counts: np.ndarray, uniforms: np.ndarray, config: Config) -> np.ndarray:
    """Draw k of P pairs of `sampling=mixed`, int64 `[P]`, by the inverse of the cumulative distribution.

    Args:
        counts: `[P]`, objects of the pairs' images.
        uniforms: `[P]`, in [0, 1).
        config: how pairs are drawn.
    """
    k = np.zeros(len(counts), dtype=np.int64)
    for n in np.unique(counts).tolist():
        rows = counts == n
        k[rows] = np.searchsorted(_cumulative(n, config)[:-1], uniforms[rows], side="right")
    return k


def draw_done_k(counts: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draw k as published for the done signal: N or N − 1, each half of the time; 0 of no objects. int64 `[P]`."""
    return np.maximum(counts - (uniforms >= 0.5), 0).astype(np.int64)


def draw_location_k(counts: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draw k as published for the location: uniform on 0, …, N − 1; 0 of no objects. int64 `[P]`."""
    return np.clip((uniforms * counts).astype(np.int64), 0, np.maximum(counts - 1, 0))


@lru_cache(maxsize=4096)
def _cumulative(n: int, config: Config) -> np.ndarray:
    return np.cumsum(k_distribution(n, config))
