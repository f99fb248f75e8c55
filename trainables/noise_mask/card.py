"""The model card's sections of noise_mask: how to use the model, and its settings in the published commands."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.export.published import list_differences
from trainables.noise_mask.config import Config, Data
from trainables.settings import format_value

_SETTINGS_WITHOUT_FLAG = (  # those that the published commands have no flag for, with the value that they always have
    ("channels", 3),
    ("image_size", 224),
    ("augment", "crop_flip"),
    ("erase", 0.0),
    ("weights", "none"),
    ("clip_norm", 0.0),
    ("accumulate", 1),
)
_MASK_SETTINGS_WITHOUT_FLAG = (
    ("warmup_epochs", 0.0),
    ("objective", "literal"),
    ("sign", "cooperative"),
    ("amplitude", 1.0),
    ("mean_preserving", False),
)
_POLICY_SETTINGS_WITHOUT_FLAG = (
    ("policy_backbone", "resnet10t"),
    ("policy_width", 512),
    ("policy_lr_ratio", 0.1),
    ("mix", 0.9),
    ("base_ema", 0.99),
    ("entropy", 0.0),
    ("samples", 1),
)


def sections(folder: str, config: Config, data: Data, facts: Mapping[str, Any]) -> dict[str, str]:
    """Write the variant's sections of a model card: title → Markdown."""
    return {
        "Use it on an image": snippet(folder),
        "The published commands": published_commands(config, data, len(facts["classes"])),
    }


def snippet(folder: str) -> str:
    """Write Python that prints the likeliest classes of image files."""
    lines = [
        "```python",
        "import sys",
        "",
        "from trainables.noise_mask.inference import Predictor",
        "",
        f"predictor = Predictor.load({str(Path(folder).resolve())!r})",
        "for name in sys.argv[1:]:  # image files of any size",
        "    probabilities = predictor(name)  # of every class, the likeliest first; no mask is used",
        "    print(name, *(f'{label} {value:.3f}' for label, value in list(probabilities.items())[:3]))",
        "```",
    ]
    return "\n".join(lines)


def published_commands(config: Config, data: Data, classes: int) -> str:
    """Write the method's two commands with these settings, and list the settings that they have no flag for."""
    root = shlex.quote(data.root) if data.root else "FOLDER"
    commands = [_fine_tuning_command(config, root, classes)]
    if config.has_masks:
        commands.insert(0, _heat_command(config, root))
    lines = ["```", *"\n\n".join(commands).splitlines(), "```", ""]
    differences = list_differences(config, _settings_without_flag(config))
    lines.append(
        "They train with SGD, whose rate falls by tenths; this model had AdamW and a cosine, so rates do not compare."
    )
    if config.has_policy:
        bounds = f"{format_value(config.beta_low)} to {format_value(config.beta_high)}"
        lines.append(f"Their Beta distributions have parameters without bounds; these had {bounds}.")
    if differences:
        lines.append(f"They have no flag for {', '.join(differences)}.")
    return "\n".join(lines)


def _heat_command(config: Config, root: str) -> str:
    """Write the command that trains under masks."""
    flags = [
        *_shared_flags(config, root, processes=8),
        f"--epochs {config.heat_epochs}",
        f"--lr {config.lr:.4g}",
        f"--weight-decay {config.weight_decay:.4g}",
        f"--grid {config.grid}",
        f"--kernel {config.blur_width}",
        f"--sigma {config.sigma:.4g}",
        "--output-dir _gradp",
    ]
    return _command("_policy_gradient", config, flags, processes=8)


def _fine_tuning_command(config: Config, root: str, classes: int) -> str:
    """Write the command that fine-tunes; with objective=none, all of the training."""
    epochs = config.epochs - config.heat_epochs
    warmup = config.ft_warmup * epochs if config.has_masks else config.warmup_epochs
    flags = [
        *_shared_flags(config, root, processes=4),
        f"--epochs {epochs}",
        f"--num-classes {classes}",
        f"--lr {config.ft_lr if config.has_masks else config.lr:.4g}",
        f"--weight-decay {config.weight_decay:.4g}",
        f"--lr-warmup-epochs {round(warmup)}",
        "--lr-warmup-method linear",
        *(["--finetune ../_policy_gradient/_gradp/checkpoint.pth"] if config.has_masks else []),
        "--output-dir .",
    ]
    return _command("_normal", config, flags, processes=4)


def _shared_flags(config: Config, root: str, processes: int) -> list[str]:
    batch_size = config.batch_size // math.gcd(config.batch_size, processes)  # of each process
    return [f"--data-path {root}", f"--model {config.backbone}", f"--batch-size {batch_size}", "--sync-bn"]


def _command(folder: str, config: Config, flags: list[str], processes: int) -> str:
    """Write a command for as many GPUs as the published one has, or fewer where they would not divide the batch."""
    number = math.gcd(config.batch_size, processes)
    start = f"(cd {folder} && torchrun --nproc_per_node={number} --standalone train.py \\"
    return "\n".join([start, *(f"  {flag} \\" for flag in flags[:-1]), f"  {flags[-1]})"])


def _settings_without_flag(config: Config) -> tuple[tuple[str, Any], ...]:
    """Return the settings that the commands have no flag for, with the values that they have there."""
    if not config.has_masks:
        return _SETTINGS_WITHOUT_FLAG
    random_beta = (("random_beta", None),)  # there, the policy decides it
    policy = _POLICY_SETTINGS_WITHOUT_FLAG if config.has_policy else random_beta
    sigma = ("sigma", float(round(config.sigma)))  # their flag takes whole numbers
    return (*_SETTINGS_WITHOUT_FLAG, *_MASK_SETTINGS_WITHOUT_FLAG, *policy, sigma)
