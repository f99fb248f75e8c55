"""The network of timm inside every variant, built from settings, and files of weights for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from search.space import Space
from trainables import registry
from trainables.entropy_reg.backbones import Backbone
from trainables.mask_st.model import build_networks, name_networks
from trainables.noise_mask.model import build_classifier
from trainables.seq_attention.model import Network
from trainables.unet_selftrain.model import build_network

CPU = torch.device("cpu")
VARIANTS = registry.names()
CHANNELS = {"mask_st": 1, "noise_mask": 1, "unet_selftrain": 1, "seq_attention": 3, "entropy_reg": 3}
CLASSES = {"mask_st": 4, "noise_mask": 4, "entropy_reg": 1000}  # of the built networks; the others have no head


def network_name(variant: str) -> str:
    return "convnext_atto" if variant == "mask_st" else "resnet10t"


def head_name(variant: str) -> str:
    return "head.fc" if variant == "mask_st" else "fc"


def overrides(variant: str, weights: Any, **fixed: Any) -> dict[str, Any]:
    field = registry.load(variant).Config.NETWORKS[0].name
    layers = {"layers": "layer4"} if variant == "entropy_reg" else {}
    return {"fixed": {field: network_name(variant), "weights": str(weights), **layers, **fixed}}


def space(variant: str, weights: Any, **fixed: Any) -> Space:
    return Space.load(variant, overrides(variant, weights, **fixed))


def modules(variant: str, config: Any) -> dict[str, nn.Module]:
    """Build the networks of a variant by the names under which their weights are exported."""
    torch.manual_seed(1)
    if variant == "mask_st":
        return name_networks(*build_networks(config, 1, 4, CPU))
    if variant == "noise_mask":
        return {"classifier": build_classifier(config, 4)}
    if variant == "unet_selftrain":
        return {"unet": build_network(config, CPU)}
    if variant == "seq_attention":
        return Network(config).parts()
    return {"backbone": Backbone(config.backbone, config.weights, config.layers, 1.0)._network}


def timm_part(variant: str, networks: dict[str, nn.Module]) -> Any:
    """Return the network of timm among a variant's networks."""
    part = {
        "mask_st": lambda: networks["classifier"].net,
        "noise_mask": lambda: networks["classifier"],
        "unet_selftrain": lambda: networks["unet"].encoder.model,
        "seq_attention": lambda: networks["backbone"].net,
        "entropy_reg": lambda: networks["backbone"],
    }
    return part[variant]()


def build(variant: str, weights: Any, **fixed: Any) -> Any:
    """Build a variant's network of timm with its first weights."""
    return timm_part(variant, modules(variant, space(variant, weights, **fixed).config({})))


def random_tensors(variant: str, seed: int = 7, **arguments: Any) -> dict[str, Tensor]:
    """Draw all values of a network as a file of timm has them: 3 channels, 1,000 classes."""
    tensors = timm.create_model(network_name(variant), **arguments).state_dict()
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def save(path: Path, tensors: dict[str, Tensor], prefix: str = "") -> Path:
    save_file({f"{prefix}{name}": tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def count(tensors: dict[str, Tensor], network: nn.Module, variant: str) -> tuple[int, int]:
    """Count tensors of a network's body that are in a file, and all of them; the stem is adapted."""
    body = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith(f"{head_name(variant)}.") and not name.endswith("num_batches_tracked")
    }
    same = sum(
        name in tensors and tensors[name].shape[:1] + tensors[name].shape[2:] == tensor.shape[:1] + tensor.shape[2:]
        for name, tensor in body.items()
    )
    return same, len(body)
