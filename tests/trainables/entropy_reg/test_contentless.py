"""Images without content in the variant: whose colours they have, whose histories, and what is measured on them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support import tiny_gaze
from trainables.entropy_reg import contentless, probes
from trainables.entropy_reg.contentless import POOL, Bias, Contentless, EntropyTerm, Probes, sample_histories
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.losses import entropy
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.scanpaths import Fixations
from trainables.entropy_reg.split import Stimuli
from trainables.processes import Processes

CPU = torch.device("cpu")
CHANNELS = (48, 64, 64)  # of the tiny backbone's hooked layers


@pytest.fixture
def shown(monkeypatch) -> list[np.ndarray]:
    """List the pixels of all images without content."""
    result = []
    make = Contentless.__init__

    def record(self, config, data, pixels, *rest):
        result.append(pixels)
        make(self, config, data, pixels, *rest)

    monkeypatch.setattr(Contentless, "__init__", record)
    return result


def net(seed: int = 0, **values) -> DeepGaze:
    """Build a network that is given histories where it takes them."""
    torch.manual_seed(seed)
    model = DeepGaze(CHANNELS, tiny_gaze.config(**values))
    model.show_history(True)
    return model


def term(cache: Path, processes: Processes | None = None, seed: int = 0, **values) -> EntropyTerm:
    config, data = tiny_gaze.config(**{"regulariser": "entropy", **values}), tiny_gaze.data(cache)
    return EntropyTerm(config, data, load_split(config, data, "train"), CPU, seed, processes or Processes())


def colours(images: np.ndarray) -> set[tuple[int, ...]]:
    assert (images == images[:, :1, :1]).all()
    return {tuple(item) for item in images[:, 0, 0].tolist()}


# -- the entropy term --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["grey3", "grey", "rgb_random"])
def test_no_colour_is_both_in_training_and_in_a_probe(cache, shown, kind):
    tiny_gaze.build(cache, regulariser="entropy", uniform_kind=kind, where={"probes": 32})
    probe, mirrored, texture, scrambled, trained = shown  # in the order in which the variant makes them
    np.testing.assert_array_equal(probe, mirrored)
    assert len(trained) == (3 if kind == "grey3" else POOL)
    assert len(colours(probe)) == 32
    assert colours(trained).isdisjoint(colours(probe))
    assert probes.held_out(np.array(list(colours(probe)))).all()
    assert not probes.held_out(np.array(list(colours(trained)))).any()
    assert len(texture) == 32
    assert len(scrambled) == 4  # as many as there are validation images


def test_without_the_term_no_image_is_made_for_it(cache, shown):
    tiny_gaze.build(cache)
    assert len(shown) == 4


def test_scrambled_probes_are_of_validation_images(cache, shown):
    variant = tiny_gaze.build(cache, where={"probes": 4})
    val = np.stack(variant.splits["val"].pixels)
    np.testing.assert_allclose(shown[3].mean(axis=(1, 2)), val.mean(axis=(1, 2)), atol=1.5)
    assert not any((one == other).all() for one, other in zip(shown[3], val, strict=True))


@pytest.mark.parametrize("every", [1, 3, 50])
def test_it_is_due_at_every_so_many_steps_of_the_training(cache, every):
    due = [step for step in range(120) if term(cache, compute_every=every).is_due(step)]
    assert due == list(range(0, 120, every))


@pytest.mark.parametrize(("kind", "asked", "number"), [("rgb_random", 5, 5), ("grey3", 16, 3), ("grey3", 2, 2)])
def test_it_is_the_mean_entropy_of_the_densities_and_not_the_entropy_of_their_mean(
    cache, monkeypatch, kind, asked, number
):
    densities = []
    original = Contentless.log_densities

    def record(self, *rest):
        densities.append(original(self, *rest))
        return densities[-1]

    monkeypatch.setattr(Contentless, "log_densities", record)
    result = term(cache, uniform_kind=kind, n_uniform=asked).mean_entropy(net(), 0)
    (output,) = densities
    assert output.shape == (number, 12, 16)
    p = output.detach().double().exp().numpy()
    expected = [-(item * np.log2(item / 16)).sum() for item in p]  # 16 pixels share what a cell has
    assert result.item() == pytest.approx(np.mean(expected), abs=1e-5)
    assert result.item() < math.log2(48 * 64)
    assert (result - entropy(output.exp().mean(dim=0).log())).abs() > 1e-6


def test_with_histories_an_image_may_come_again_with_another_one(cache, monkeypatch):
    requests: list[list[int]] = []
    of = term(cache, uniform_kind="grey3", n_uniform=8, history="real")

    def record(net, indices, histories):
        requests.extend([indices.tolist(), histories.tolist()])
        return torch.zeros(len(indices), 12, 16)

    monkeypatch.setattr(of.images, "log_densities", record)
    of.mean_entropy(net(history="real"), 0)
    indices, histories = requests
    assert sorted(np.bincount(indices).tolist()) == [2, 3, 3]
    assert len(set(zip(indices, histories, strict=True))) > 3


def test_colours_are_drawn_anew_at_each_step_and_for_each_seed(cache):
    requests: list[tuple[int, ...]] = []

    def record(net, indices, histories):
        requests.append(tuple(indices.tolist()))
        return torch.zeros(len(indices), 12, 16)

    for step, seed in [(0, 0), (0, 0), (1, 0), (0, 1)]:
        of = term(cache, seed=seed)
        of.images.log_densities = record
        of.mean_entropy(net(), step)
    assert requests[0] == requests[1]
    assert len(set(requests)) == 3
    assert all(len(set(request)) == 4 for request in requests)


@pytest.mark.parametrize("history", ["none", "real"])
@pytest.mark.parametrize(("number", "world"), [(4, 2), (5, 2), (7, 3), (1, 2), (2, 3)])
def test_the_parts_of_several_processes_average_to_the_whole(cache, history, number, world):
    model = net(history=history)
    single = term(cache, n_uniform=number).mean_entropy(model, 3)
    parts = [term(cache, Processes(rank, world), n_uniform=number).mean_entropy(model, 3) for rank in range(world)]
    assert torch.stack(parts).mean().item() == pytest.approx(single.item(), rel=1e-6)


def test_its_gradient_reaches_the_readout_and_the_blur_but_not_the_weight_of_a_bias_that_is_uniform(cache):
    model = net()
    term(cache).mean_entropy(model, 0).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in model.readout.parameters() if parameter.ndim > 1)
    assert model.finaliser.log_sigma.grad != 0
    assert model.finaliser.centre_bias_weight.grad.abs() < 1e-6


# -- histories ---------------------------------------------------------------------------------------------------------


def rows(histories: np.ndarray) -> set[bytes]:
    return {np.nan_to_num(history, nan=-1).tobytes() for history in histories}


def test_histories_are_those_of_training_fixations_on_images_of_the_usual_shape():
    output = tiny_gaze.stimuli([(48, 64), (64, 48), (48, 64)])
    result = sample_histories(output)
    assert result.shape == (24, 4, 2)
    assert rows(result) == rows(np.concatenate([output.fixations[index].history for index in (0, 2)]))


def test_of_very_many_histories_some_are_taken_from_everywhere():
    number = 5000
    history = np.tile(np.arange(number, dtype=np.float32)[:, None, None], (1, 4, 2))
    many = Stimuli(
        key=("many",),
        names=["a"],
        pixels=[np.zeros((48, 64, 3), np.uint8)],
        fixations=[Fixations(history[:, 0], history)],
    )
    result = sample_histories(many)[:, 0, 0]
    assert len(result) == 4096
    assert (result[0], result[-1]) == (0, number - 1)
    assert np.diff(result).max() <= 2


def test_probes_and_the_term_are_shown_real_histories_and_probes_always_the_same(cache, monkeypatch):
    shown_histories: list[np.ndarray] = []
    original = DeepGaze.forward

    def record(self, features, shape, centre_bias, history=None):
        assert not centre_bias.any()
        shown_histories.append(history.numpy())
        return original(self, features, shape, centre_bias, history)

    monkeypatch.setattr(DeepGaze, "forward", record)
    config, data = tiny_gaze.config(history="real", regulariser="entropy"), tiny_gaze.data(cache, probes=20)
    train, val = (load_split(config, data, split) for split in ("train", "val"))
    model, measure = net(history="real"), Probes(config, data, val, CPU)
    first = measure.measure_bias(model)
    number = len(shown_histories)
    EntropyTerm(config, data, train, CPU, 0, Processes()).mean_entropy(model, 0)
    for at, histories in enumerate(shown_histories):
        assert histories.shape[1:] == (1, 4, 2)
        viewed = val if at < number else train  # probes are shown what the judged images' viewers did
        assert rows(histories[:, 0]) <= rows(np.concatenate([one.history for one in viewed.fixations]))
    assert len(rows(np.concatenate(shown_histories)[:, 0])) > 10
    second = measure.measure_bias(model)
    first_calls, second_calls = shown_histories[:number], shown_histories[number + 1 :]
    assert [histories.tobytes() for histories in first_calls] == [histories.tobytes() for histories in second_calls]
    assert all((first[kind].bits == second[kind].bits).all() for kind in first)


def test_a_history_changes_what_a_density_says(cache):
    config, data = tiny_gaze.config(history="real"), tiny_gaze.data(cache)
    train = load_split(config, data, "train")
    measure, model = Probes(config, data, train, CPU), net(history="real")
    with_history = measure.measure_bias(model)["uniform"].bits
    model.show_history(False)
    without = measure.measure_bias(model)["uniform"].bits
    assert (with_history != without).all()


# -- what is measured --------------------------------------------------------------------------------------------------


def test_a_flat_density_has_no_bias_and_one_that_peaks_has_what_it_says(cache, monkeypatch):
    config, data = tiny_gaze.config(), tiny_gaze.data(cache, probes=20)
    train = load_split(config, data, "train")
    measure = Probes(config, data, train, CPU)
    peaked = torch.full((12, 16), math.log(0.5 / 191))
    peaked[3, 5] = math.log(0.5)
    for density in (torch.full((12, 16), -math.log(192)), peaked):
        monkeypatch.setattr(
            Contentless,
            "log_densities",
            lambda self, net, indices, histories, of=density: of.expand(len(indices), -1, -1),
        )
        result = measure.measure_bias(net())
        assert set(result) == {"uniform", "reflect", "texture", "scrambled"}
        p = density.double().exp().numpy()
        expected = float((p * np.log2(p * 192)).sum())
        for kind, bias in result.items():
            assert bias.bits.shape == ((8 if kind == "scrambled" else 20),)
            np.testing.assert_allclose(bias.bits, expected, atol=1e-6)
            assert bias.mean_density_bits == pytest.approx(expected, abs=1e-6)
            np.testing.assert_allclose(bias.density, p, rtol=1e-6)


def test_the_bias_of_the_mean_is_what_all_have_in_common():
    apart = np.zeros((2, 1, 4))
    apart[0, 0, 0] = apart[1, 0, 3] = 1
    assert Bias(np.array([2.0, 2.0]), apart.mean(axis=0)).mean_density_bits == pytest.approx(1.0)
    assert Bias(np.array([2.0, 2.0]), np.full((1, 4), 0.25)).mean_density_bits == 0


def test_measuring_leaves_no_gradient_and_no_generator_behind(cache):
    config, data = tiny_gaze.config(history="real"), tiny_gaze.data(cache)
    train, model = load_split(config, data, "train"), net(history="real")
    measure, before = Probes(config, data, train, CPU), torch.get_rng_state()
    measure.measure_bias(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_images_that_are_mirrored_beyond_their_border_have_no_border_to_be_seen(cache):
    """On an image of one colour the zeros around it are all that a map can show."""
    config, data = tiny_gaze.config(), tiny_gaze.data(cache)
    train = load_split(config, data, "train")
    kinds = Probes(config, data, train, CPU).kinds
    uniform, mirrored = (
        max(float(maps.std(dim=(2, 3)).max()) for maps in kinds[kind]._maps) for kind in ("uniform", "reflect")
    )
    assert mirrored < 1e-5 < uniform
    assert contentless.MARGIN >= 32
