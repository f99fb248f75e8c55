"""The network: every part gets a gradient, padding says nothing, and what is refused."""

import pytest
import torch
import torch.nn.functional as F

from tests.support.tiny_scenes import config
from trainables.seq_attention.markers import CHANNELS
from trainables.seq_attention.model import Network
from trainables.settings import UsageError

FORMS = [
    {},
    {"glimpses": 2},
    {"head": "heatmap"},
    {"head": "heatmap", "glimpses": 1},
    {"spatial_loss": "heatmap_ce", "glimpses": 2},
    {"backbone": "resnet10t", "image_size": 64},
]


def network(**values) -> Network:
    torch.manual_seed(0)
    return Network(config(dropout=0.0, **values))


def inputs(images=3, side=64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    extent = torch.tensor([[1.0, 0.7], [0.6, 1.0], [1.0, 1.0]])[:images]
    return torch.randn(images, CHANNELS, side, side, generator=generator), torch.arange(images), extent


@pytest.mark.parametrize("values", FORMS)
def test_every_parameter_of_every_part_gets_a_gradient(values):
    """The published network's glimpses, memory and attention had gradients of exactly zero, and were removed for it."""
    net = network(**values)
    for parameter in net.parameters():
        if not parameter.any():  # a residual branch's factor, say, before which there is no gradient then
            parameter.data += 0.5
    output = net(*inputs())
    location = output.location.square().sum() if output.logits is None else (output.location * 3 + 1).square().sum()
    (location + F.softplus(output.done).sum()).backward()
    unreached = [
        name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.abs().max() > 0
    ]
    assert not unreached


@pytest.mark.parametrize("head", ["location", "done"])
def test_glimpses_learn_from_either_head(head):
    net = network(glimpses=2)
    getattr(net(*inputs()), head).sum().backward()
    assert all(weight.grad.abs().max() > 0 for weight in net.glimpses.parameters())


def test_the_glimpses_look_at_what_helps():
    """On a task that they alone can do (where is the bright cell?), training lowers the loss to almost nothing."""
    torch.manual_seed(0)
    net = network(glimpses=2, width=16)  # of 18 channels, two of which are x and y
    optimizer = torch.optim.Adam(net.glimpses.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    inside = torch.ones(32, 8, 8, dtype=torch.bool)
    line = (torch.arange(8) + 0.5) / 4 - 1
    losses = []
    for _ in range(300):
        row, column = torch.randint(8, (2, 32), generator=generator)
        cells = torch.zeros(32, 18, 8, 8)
        cells[:, 0], cells[:, 1] = line, line[:, None]
        cells[torch.arange(32), 2, row, column] = 3.0
        state = net.glimpses(cells, inside, torch.ones(32, 37))
        loss = (state[:, :2] - torch.stack([line[column], line[row]], dim=1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.05 < losses[0]


@pytest.mark.parametrize("values", [{}, {"glimpses": 1}, {"head": "heatmap"}])
def test_how_much_padding_there_is_does_not_change_an_answer(values):
    """Features of cells in the padding are neither pooled nor looked at."""
    net = network(**values).eval()
    cells = torch.randn(1, 10, 16, 16)
    net.backbone, net.neck = torch.nn.Identity(), torch.nn.Identity()
    extent = torch.tensor([[1.0, 0.5]])
    with torch.no_grad():
        before = net(cells, torch.tensor([2]), extent)
        cells[:, :, 8:] = 1e3
        after = net(cells, torch.tensor([2]), extent)
    torch.testing.assert_close(before.location, after.location)
    torch.testing.assert_close(before.done, after.done)


def test_the_published_head_has_its_parameters():
    """Hidden size 1536: three heads of 1536 → 768 → 1, 1.18 million weights each."""
    from trainables.seq_attention.model import head  # noqa: PLC0415

    assert sum(weight.numel() for weight in head(1536, 0.1).parameters()) == 1_181_185


@pytest.mark.parametrize("training", [True, False])
def test_the_heat_map_s_location_is_its_mean_and_its_peak_where_it_is_taught_to_have_one(training):
    """In training, too: with target=nearest_unmarked it says which object is right."""
    logits = torch.full((1, 16, 16), -20.0)
    logits[0, 4, 4] = logits[0, 12, 12] = 5.0
    images, count, _ = inputs(1)
    for loss, at_a_peak in (("heatmap_ce", True), ("mse", False)):
        net = network(head="heatmap", spatial_loss=loss).train(training)
        net.location.forward = lambda cells, features: logits
        assert (net(images, count, torch.ones(1, 2)).location.abs().min() > 0.4) == at_a_peak


@pytest.mark.parametrize("values", [{"glimpses": 1}, {"head": "heatmap", "glimpses": 1}])
def test_under_autocast_answers_are_not_those_of_bf16(values):
    """A bf16 near 1 is 0.4 pixels of 384 off, and cannot tell 55 marked objects from 56."""
    net = network(**values).eval()
    images, _, extent = inputs()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output, more = (net(images, torch.full((3,), k), extent) for k in (55, 56))
    assert not torch.equal(output.location, output.location.bfloat16().float())
    assert not torch.equal(output.done, output.done.bfloat16().float())
    assert not (output.done == more.done).any()


def test_heatmap_ce_always_has_the_heat_map():
    assert config(spatial_loss="heatmap_ce", head="regression").head == "heatmap"


def test_a_backbone_s_first_mixture_is_the_image_itself():
    net = network(backbone="resnet10t")
    images, _, _ = inputs()
    assert torch.equal(net.backbone.mix(images), images[:, :3])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"backbone": "resnet19"}, "backbone=resnet19 is no model of timm"),
        ({"backbone": "vit_tiny_patch16_224"}, "backbone=vit_tiny_patch16_224 has maps at strides"),
        ({"weights": "timm"}, "backbone=small has no pretrained weights"),
        ({"image_size": 100}, "image_size=100 is no multiple of 32"),
        ({"marker_channel": False, "marker_alpha": 0}, "hide what is marked"),
    ],
)
def test_what_cannot_be_built_is_refused(values, words):
    with pytest.raises(UsageError, match=words):
        network(**values)
