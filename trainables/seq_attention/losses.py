"""The losses of location and of the done signal, in float32 also under autocast.

A bf16 near 1 is right to ±0.002, which is 0.4 pixels of a 384-pixel image and 1.5 of a 1,500-pixel one: keep targets in
float32. Coordinates are normalised, so that at 384 pixels an error of 0.1 along one axis is 19 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def spatial(predicted: Tensor, wanted: Tensor, form: str, tau: float) -> Tensor:
    """The loss of every location, `[b]`.

    All but `l1` are squares within `tau`, and the forms of Huber continue them with the value and slope that they have
    there. `literal` is as published and does neither: at `tau` its value jumps by tau², and its slope halves.

    Args:
        predicted: `[b, 2]`, normalised.
        wanted: `[b, 2]`.
        form: `literal` or `huber_l1`, of |x| + |y|; `huber_axis`, the sum of both axes'; `huber_l2`, of the Euclidean
            distance; `l1`, `mse`: no `tau`.
        tau: normalised distance from which the loss is linear.

    Source: `literal`, the method's notes; the others, Huber 1964, here twice the usual ½e².
    """
    return _FORMS[form](predicted.float() - wanted.float(), tau)


def nearest(predicted: Tensor, candidates: Tensor, free: Tensor) -> Tensor:
    """The free candidate that is nearest to each prediction, `[b, 2]`; where none is free, the prediction itself.

    No gradient goes through the choice.

    Args:
        predicted: `[b, 2]`.
        candidates: `[b, M, 2]`.
        free: bool `[b, M]`.
    """
    itself = predicted.detach().float()[:, None]
    candidates = torch.cat([candidates.float(), itself], dim=1)
    squared = (candidates - itself).square().sum(dim=2)
    squared[:, :-1].masked_fill_(~free, torch.inf)
    squared[:, -1] = torch.finfo(squared.dtype).max  # the last resort
    chosen = squared.argmin(dim=1)
    return candidates.gather(1, chosen[:, None, None].expand(-1, 1, 2))[:, 0]


def mean_over(each: Tensor, chosen: Tensor, count: float) -> Tensor:
    """Sum of the chosen values of `[b]` over a count; where none is chosen 0, with gradients of 0.

    Args:
        each: `[b]`, this process's; finite, also where it is not chosen.
        chosen: bool `[b]`.
        count: chosen rows of the whole batch per process, so that N processes compute what one would.
    """
    return torch.where(chosen, each.float(), 0.0).sum() / max(count, 1e-9)


def done(logits: Tensor, is_done: Tensor, pos_weight: float) -> Tensor:
    """Binary cross-entropy of every image, in nats, `[b]`.

    A weight on all of it leaves the best probability π where it is, and only competes with the location; `pos_weight` w
    moves it to wπ/(wπ + 1 − π).

    Args:
        logits: `[b]`.
        is_done: bool `[b]`, nothing is left.
        pos_weight: factor of the images where nothing is left.
    """
    logits = logits.float()
    return torch.where(is_done, -pos_weight * F.logsigmoid(logits), -F.logsigmoid(-logits))


def _literal(error: Tensor, tau: float) -> Tensor:
    distance = _l1(error, tau)
    return torch.where(distance < tau, distance**2, tau * distance + tau**2)


def _huber_l1(error: Tensor, tau: float) -> Tensor:
    """The gradient of x is 2·(|x| + |y|) near 0: an x that is all but exact is still pushed by the error of y."""
    return _huber(_l1(error, tau), tau)


def _huber_axis(error: Tensor, tau: float) -> Tensor:
    return _huber(error.abs(), tau).sum(dim=1)


def _huber_l2(error: Tensor, tau: float) -> Tensor:
    squared = error.square().sum(dim=1)
    outside = squared.clamp(min=tau**2).sqrt()  # the root's own gradient at 0 is infinite
    return torch.where(squared < tau**2, squared, 2 * tau * outside - tau**2)


def _l1(error: Tensor, tau: float) -> Tensor:
    return error.abs().sum(dim=1)


def _mse(error: Tensor, tau: float) -> Tensor:
    return error.square().sum(dim=1)


def _huber(distance: Tensor, tau: float) -> Tensor:
    return torch.where(distance < tau, distance**2, 2 * tau * distance - tau**2)


_FORMS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "literal": _literal,
    "huber_l1": _huber_l1,
    "huber_axis": _huber_axis,
    "huber_l2": _huber_l2,
    "l1": _l1,
    "mse": _mse,
}
