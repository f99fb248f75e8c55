"""The losses of location and of the done signal, in float32 also under autocast.

A bf16 near 1 is right to ±0.002, which is 0.4 pixels of a 384-pixel image and 1.5 of a 1,500-pixel one: keep targets in
float32. Coordinates are normalised, so that at 384 pixels an error of 0.1 along one axis is 19 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def location_loss(prediction: Tensor, target: Tensor, form: str, tau: float) -> Tensor:
    """Compute the loss of every location, `[b]`.

    All but `l1` are squares within `tau`, and the forms of Huber continue them with the value and slope that they have
    there. `literal` is as published and does neither: at `tau` its value jumps by tau², and its slope halves.

    Args:
        prediction: `[b, 2]`, normalised.
        target: `[b, 2]`.
        form: `literal` or `huber_l1`, of |x| + |y|; `huber_axis`, the sum of both axes'; `huber_l2`, of the Euclidean
            distance; `l1`, `mse`: no `tau`.
        tau: normalised distance from which the loss is linear.

    Source: `literal`, the method's notes; the others, Huber 1964, here twice the usual ½e².
    """
    return _FORMS[form](prediction.float() - target.float(), tau)


def nearest_candidate(prediction: Tensor, candidates: Tensor, free: Tensor) -> Tensor:
    """Return the free candidate that is nearest to each prediction, `[b, 2]`; the prediction itself where none is free.

    No gradient goes through the choice.

    Args:
        prediction: `[b, 2]`.
        candidates: `[b, M, 2]`.
        free: bool `[b, M]`.
    """
    fallback = prediction.detach().float()[:, None]
    candidates = torch.cat([candidates.float(), fallback], dim=1)
    squares = (candidates - fallback).square().sum(dim=2)
    squares[:, :-1].masked_fill_(~free, torch.inf)
    squares[:, -1] = torch.finfo(squares.dtype).max  # below the infinity of what is not free, and above all else
    nearest = squares.argmin(dim=1)
    return candidates.gather(1, nearest[:, None, None].expand(-1, 1, 2))[:, 0]


def masked_mean(values: Tensor, mask: Tensor, count: float) -> Tensor:
    """Divide the sum of the values in a mask by a count; 0 where there are none, with gradients of 0.

    Args:
        values: `[b]`, this process's; finite, also outside the mask.
        mask: bool `[b]`.
        count: rows of the whole batch in the mask, per process, so that N processes compute what one would.
    """
    return torch.where(mask, values.float(), 0.0).sum() / max(count, 1e-9)


def done_loss(logits: Tensor, is_done: Tensor, pos_weight: float) -> Tensor:
    """Compute the binary cross-entropy of every image, in nats, `[b]`.

    A weight on all of it leaves the best probability π where it is, and only competes with the location; `pos_weight` w
    moves it to wπ/(wπ + 1 − π).

    Args:
        logits: `[b]`.
        is_done: bool `[b]`, all objects are marked.
        pos_weight: factor of the images where all objects are marked.
    """
    logits = logits.float()
    return torch.where(is_done, -pos_weight * F.logsigmoid(logits), -F.logsigmoid(-logits))


def _literal(error: Tensor, tau: float) -> Tensor:
    distance = _l1(error, tau)
    return torch.where(distance < tau, distance**2, tau * distance + tau**2)


def _huber_l1(error: Tensor, tau: float) -> Tensor:
    # The gradient of x is 2·(|x| + |y|) near 0: an x that is all but exact is still pushed by the error of y.
    return _huber(_l1(error, tau), tau)


def _huber_axis(error: Tensor, tau: float) -> Tensor:
    return _huber(error.abs(), tau).sum(dim=1)


def _huber_l2(error: Tensor, tau: float) -> Tensor:
    squares = error.square().sum(dim=1)
    distance = squares.clamp(min=tau**2).sqrt()  # clamped, because the root's own gradient at 0 is infinite
    return torch.where(squares < tau**2, squares, 2 * tau * distance - tau**2)


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
