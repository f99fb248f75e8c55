"""Images without content, on which a network's own bias shows: of one colour, scrambled, or a faint texture.

All are uint8 `[N, H, W, 3]` and a function of their arguments. Colours are in blocks of 16 × 16 × 16, and a quarter of
the blocks is held out, so that no colour is ever both in training and in a probe, whatever the kind of training. On
scrambled images and textures a density may well follow the noise: there the bias is that of the mean density.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from trainables.progress import track

GREY3 = (0, 128, 255)
"""Intensities 0, ½ and 1 of the method's notes."""

CLIP_SHARE = 0.01
"""Largest share of an image's values that `scramble_phases` cuts off at 0 or 255; it lowers the contrast until then."""

CONTRAST = 8.0
"""Standard deviation of a texture in grey levels."""

_BLOCK = 16  # levels along a side of a block of colours
_PERIOD = 4  # every fourth block is held out
_HELD_OUT = 3  # this remainder of the three block numbers' sum; grey levels 0, 128 and 255 have 0, 0 and 1
_MIDDLE = (64, 192)  # between these, a texture's grey leaves eight of its deviations on both sides


def uniform_for_training(
    kind: Literal["grey3", "grey", "rgb_random"], count: int, shape: tuple[int, int], seed: int
) -> np.ndarray:
    """Make images of one colour each, uint8 `[count, H, W, 3]`, none of which is held out.

    Args:
        kind: grey3: `GREY3` in turn, whatever the seed; grey: any grey; rgb_random: any colour.
        count: of images.
        shape: height and width in pixels.
        seed: another one for other colours.
    """
    generator = np.random.default_rng(seed)
    if kind == "grey3":
        return _fill(_grey(np.resize(GREY3, count)), shape)
    if kind == "grey":
        return _fill(_grey(generator.choice(_greys(held_out=False), count)), shape)
    remainders = [remainder for remainder in range(_PERIOD) if remainder != _HELD_OUT]
    return _fill(_colours(generator.choice(remainders, count), generator), shape)


def uniform_held_out(count: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Make images of one colour each that training never has, uint8 `[count, H, W, 3]`: half greys, then colours.

    No grey comes twice before all have been there.

    Args:
        count: of images; of an odd number, more are greys.
        shape: height and width in pixels.
        seed: another one for other colours.
    """
    generator = np.random.default_rng(seed)
    greys = np.resize(generator.permutation(_greys(held_out=True)), count - count // 2)
    colours = _colours(np.full(count // 2, _HELD_OUT), generator)
    return _fill(np.concatenate([_grey(greys), colours]), shape)


def held_out(colours: np.ndarray) -> np.ndarray:
    """Tell whether training never shows a colour, bool `[...]` of uint8 `[..., 3]`."""
    return (colours // _BLOCK).sum(axis=-1) % _PERIOD == _HELD_OUT


def scramble_phases(images: np.ndarray, seed: int) -> np.ndarray:
    """Scramble images: the same amplitudes of all frequencies and the same means, but nothing in a place of its own.

    All three channels get the same random phases on top of their own, so that colours stay together as they were. What
    then exceeds the range is brought back by less contrast, of all channels alike, but for a share of `CLIP_SHARE`.

    Args:
        images: uint8 `[N, H, W, 3]`.
        seed: of the phases; each image has its own.
    """
    generator = np.random.default_rng(seed)
    output = np.empty_like(images)
    for index in track(range(len(images)), "scrambling images"):
        image, row = images[index], output[index]
        mean = image.mean(axis=(0, 1))
        phases = _phases(image.shape[:2], generator)[:, :, None]
        contrast = np.fft.ifft2(np.fft.fft2(image - mean, axes=(0, 1)) * phases, axes=(0, 1)).real
        row[:] = _levels(mean + _contrast_factor(contrast, mean) * contrast)
    return output


def texture(count: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Make grey images with noise of a deviation of `CONTRAST` levels, uint8 `[count, H, W, 3]`.

    Amplitudes fall as 1 / frequency, as those of natural images do; the mean is a held-out grey.

    Args:
        count: of images.
        shape: height and width in pixels.
        seed: of greys and noise.
    """
    generator = np.random.default_rng(seed)
    greys = _greys(held_out=True)
    means = generator.choice(greys[(greys >= _MIDDLE[0]) & (greys < _MIDDLE[1])], count)
    noise = np.stack([_noise(shape, generator) for _ in track(range(count), "drawing textures")])
    return np.repeat(_levels(means[:, None, None] + CONTRAST * noise)[..., None], 3, axis=-1)


def _fill(colours: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.tile(colours.astype(np.uint8)[:, None, None, :], (1, *shape, 1))


def _grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[:, None], 3, axis=1)


def _greys(*, held_out: bool) -> np.ndarray:
    """Return all grey levels that are held out, or all that are not."""
    levels = np.arange(256)
    return levels[(levels // _BLOCK * 3 % _PERIOD == _HELD_OUT) == held_out]


def _colours(remainders: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a colour `[n, 3]` for each remainder, all of the remainder's being equally likely."""
    first_two = generator.integers(0, 256, (len(remainders), 2))
    fitting = (remainders - (first_two // _BLOCK).sum(axis=1)) % _PERIOD
    block = generator.integers(0, 256 // _BLOCK // _PERIOD, len(remainders)) * _PERIOD + fitting
    last = block * _BLOCK + generator.integers(0, _BLOCK, len(remainders))
    return np.concatenate([first_two, last[:, None]], axis=1)


def _phases(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Draw complex numbers `[H, W]` of absolute value 1: those of a real image, so that the outcome is real."""
    spectrum = np.fft.fft2(generator.standard_normal(shape))
    return spectrum / np.abs(spectrum)


def _contrast_factor(contrast: np.ndarray, mean: np.ndarray) -> float:
    """Return the largest factor up to 1 by which `[H, W, 3]` around `mean` `[3]` is in range, but for `CLIP_SHARE`."""
    room = np.where(contrast > 0, 255.5 - mean, mean + 0.5)  # what rounds to 0 or 255 is not cut off
    factors = room / np.maximum(np.abs(contrast), 1e-9)  # a flat channel is rounding alone
    return float(min(1.0, np.quantile(factors, CLIP_SHARE, method="lower")))


def _noise(shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Draw noise `[H, W]` with mean 0 and deviation 1, its amplitudes falling as 1 / frequency."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(generator.standard_normal(shape)) / frequency, s=shape)
    return noise / noise.std()


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
