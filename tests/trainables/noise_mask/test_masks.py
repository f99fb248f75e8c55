"""Masks against SciPy's blur, and what the published settings give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from trainables.noise_mask.config import Config
from trainables.noise_mask.masks import to_mask


def config(**values) -> Config:
    return Config(**{"image_size": 48, "grid": 8, "sigma": 2.0, **values})


def cells(grid: int = 8, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, grid, grid, generator=torch.Generator().manual_seed(0))


def blur(field: np.ndarray, settings: Config, mode: str = "mirror") -> np.ndarray:
    """SciPy's Gaussian of the cells `[g, g]`, resized by index."""
    nearest = np.floor(np.arange(settings.image_size) * (len(field) / settings.image_size) + 1e-9).astype(int)
    resized = field[np.ix_(nearest, nearest)].astype(np.float64)
    if settings.sigma == 0:
        return resized
    return ndimage.gaussian_filter(resized, settings.sigma, radius=settings.blur_width // 2, mode=mode)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kernel": 5, "sigma": 6.0},
        {"grid": 7},
        {"grid": 48},
        {"grid": 1},
        {"sigma": 0.5},
        {"sigma": 0.0},
        {"kernel": 9, "sigma": 0.0},
        {"kernel": 47, "sigma": 9.0},
    ],
)
def test_mask_is_scipys_blur_of_the_resized_cells(values):
    settings = config(**values)
    field = cells(settings.grid)
    result = to_mask(field, settings)
    assert result.shape == (2, 1, 48, 48)
    for mask, each in zip(result, field, strict=True):
        np.testing.assert_allclose(mask[0], blur(each[0].numpy(), settings), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kernel", "mode"), [(15, "mirror"), (17, "nearest"), (49, "nearest")])
def test_a_blur_wider_than_the_image_replicates_its_border(kernel, mode):
    settings = config(image_size=16, kernel=kernel, sigma=8.0)
    field = cells()
    expectation, other = (
        blur(field[0, 0].numpy(), settings, each) for each in (mode, {"mirror": "nearest", "nearest": "mirror"}[mode])
    )
    result = to_mask(field, settings)[0, 0]
    np.testing.assert_allclose(result, expectation, rtol=1e-4, atol=1e-5)
    assert np.abs(result.numpy() - other).max() > 1e-3


def test_resizing_is_that_of_torchs_nearest_neighbour():
    for grid, size in ((7, 48), (5, 16), (9, 40), (16, 224), (64, 224)):
        field = cells(grid)
        expectation = torch.nn.functional.interpolate(field, size=size, mode="nearest")
        result = to_mask(field, config(grid=grid, image_size=size, sigma=0.0))
        torch.testing.assert_close(result, expectation)


@pytest.mark.parametrize("amplitude", [0.0, 0.3, 1.0])
def test_amplitude_mixes_with_one_or_keeps_every_images_mean(amplitude):
    field = cells() * torch.tensor([1.0, 0.3])[:, None, None, None]
    plain = to_mask(field, config())
    mixed = to_mask(field, config(amplitude=amplitude))
    torch.testing.assert_close(mixed, 1 - amplitude + amplitude * plain)
    kept = to_mask(field, config(amplitude=amplitude, mean_preserving=True))
    torch.testing.assert_close(kept.mean(dim=(1, 2, 3)), torch.ones(2))
    torch.testing.assert_close(kept - kept[..., :1, :1], mixed - mixed[..., :1, :1])


@pytest.mark.parametrize("mean_preserving", [False, True])
def test_gradient_is_that_of_finite_differences(mean_preserving):
    settings = config(image_size=24, grid=4, amplitude=0.7, mean_preserving=mean_preserving)
    field = cells(4, 1).requires_grad_()
    weights = torch.randn(1, 1, 24, 24, generator=torch.Generator().manual_seed(1))

    def cost(values: np.ndarray) -> float:
        mask = blur(values, settings)
        mask = 1 + 0.7 * (mask - (mask.mean() if mean_preserving else 1))
        return float((weights[0, 0].double().numpy() * np.sin(3 * mask)).sum())

    (result,) = torch.autograd.grad((weights * (3 * to_mask(field, settings)).sin()).sum(), field)
    at = field.detach().double().numpy()[0, 0]
    for row, column in np.ndindex(4, 4):
        step = np.zeros((4, 4))
        step[row, column] = 1e-4
        expectation = (cost(at + step) - cost(at - step)) / 2e-4
        assert result[0, 0, row, column].item() == pytest.approx(expectation, rel=1e-3, abs=1e-3)


def test_mask_is_float32_under_autocast():
    field = cells()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = to_mask(field, config())
        halved = to_mask(field.bfloat16(), config())
    assert result.dtype == halved.dtype == torch.float32
    torch.testing.assert_close(result, to_mask(field, config()), rtol=0, atol=0)


@pytest.mark.parametrize(("grid", "deviation"), [(16, 0.18), (32, 0.12), (64, 0.07), (112, 0.04), (224, 0.02)])
def test_published_settings_give_the_published_contrast(grid, deviation):
    """Cells as they are at the start: log-parameters are 0.9 of a uniform number, and the heads say about 0."""
    draws = np.random.default_rng(0)
    concentrations = np.exp(0.9 * draws.random((2, grid, grid)))
    field = torch.from_numpy(draws.beta(concentrations[0], concentrations[1], (3, grid, grid))).float()
    mask = to_mask(field[:, None], Config(grid=grid, kernel=13, sigma=6.0, image_size=224))
    assert field.std().item() == pytest.approx(0.26, abs=0.02)
    assert mask.mean().item() == pytest.approx(0.5, abs=0.02)
    assert mask.std(dim=(1, 2, 3)).mean().item() == pytest.approx(deviation, abs=0.012)
