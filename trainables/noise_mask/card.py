"""What noise_mask adds to a model card: how to use the model, and its settings as the published commands spell them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.noise_mask.config import Config, Data
from trainables.settings import plain

_OTHERWISE = (  # settings that the published commands have no flag for, and the values that they always have
    ("channels", 3),
    ("image_size", 224),
    ("augment", "crop_flip"),
    ("erase", 0.0),
    ("weights", "none"),
    ("clip_norm", 0.0),
    ("accumulate", 1),
)
_OTHER_MASKS = (
    ("warmup_epochs", 0.0),
    ("objective", "literal"),
    ("sign", "cooperative"),
    ("amplitude", 1.0),
    ("mean_preserving", False),
)
_OTHER_POLICY = (
    ("policy_backbone", "resnet10t"),
    ("policy_width", 512),
    ("policy_lr_ratio", 0.1),
    ("mix", 0.9),
    ("base_ema", 0.99),
    ("entropy", 0.0),
    ("samples", 1),
)


def sections(folder: str, config: Config, data: Data, facts: Mapping[str, Any]) -> dict[str, str]:
    """Title → Markdown."""
    return {
        "Use it on an image": snippet(folder),
        "The published commands": published_commands(config, data, len(facts["classes"])),
    }


def snippet(folder: str) -> str:
    """Python that says the likeliest class of image files."""
    lines = [
        "```python",
        "import sys",
        "",
        "from trainables.noise_mask.inference import Classifier",
        "",
        f"classifier = Classifier.load({str(Path(folder).resolve())!r})",
        "for name in sys.argv[1:]:  # image files of any size",
        "    probabilities = classifier(name)  # of every class, the likeliest first; no mask is used",
        "    print(name, *(f'{label} {value:.3f}' for label, value in list(probabilities.items())[:3]))",
        "```",
    ]
    return "\n".join(lines)


def published_commands(config: Config, data: Data, classes: int) -> str:
    """The method's two commands with these settings, and what they cannot say."""
    root = shlex.quote(data.root) if data.root else "FOLDER"
    commands = [_normal(config, root, classes)]
    if config.objective != "none":
        commands.insert(0, _heat(config, root))
    lines = ["```", *"\n\n".join(commands).splitlines(), "```", ""]
    differ = [
        f"`{name}={plain(getattr(config, name))}` (there: {plain(there)})"
        for name, there in _unspoken(config)
        if getattr(config, name) != there
    ]
    lines.append(
        "They train with SGD, whose rate falls by tenths; this model had AdamW and a cosine, so rates do not compare."
    )
    if config.has_policy:
        bounds = f"{plain(config.beta_low)} to {plain(config.beta_high)}"
        lines.append(f"Their Beta distributions have parameters without bounds; these had {bounds}.")
    if differ:
        lines.append(f"They have no flag for {', '.join(differ)}.")
    return "\n".join(lines)


def _heat(config: Config, root: str) -> str:
    """Training under masks."""
    flags = [
        *_shared(config, root, processes=8),
        f"--epochs {config.heat_epochs}",
        f"--lr {config.lr:.4g}",
        f"--weight-decay {config.weight_decay:.4g}",
        f"--grid {config.grid}",
        f"--kernel {config.blur_width}",
        f"--sigma {config.sigma:.4g}",
        "--output-dir _gradp",
    ]
    return _command("_policy_gradient", config, flags, processes=8)


def _normal(config: Config, root: str, classes: int) -> str:
    """Fine-tuning; with objective=none, all of the training."""
    epochs, alone = config.epochs - config.heat_epochs, config.objective == "none"
    warmup = config.warmup_epochs if alone else config.ft_warmup * epochs
    flags = [
        *_shared(config, root, processes=4),
        f"--epochs {epochs}",
        f"--num-classes {classes}",
        f"--lr {config.lr if alone else config.ft_lr:.4g}",
        f"--weight-decay {config.weight_decay:.4g}",
        f"--lr-warmup-epochs {round(warmup)}",
        "--lr-warmup-method linear",
        *([] if alone else ["--finetune ../_policy_gradient/_gradp/checkpoint.pth"]),
        "--output-dir .",
    ]
    return _command("_normal", config, flags, processes=4)


def _shared(config: Config, root: str, processes: int) -> list[str]:
    each = config.batch_size // math.gcd(config.batch_size, processes)
    return [f"--data-path {root}", f"--model {config.backbone}", f"--batch-size {each}", "--sync-bn"]


def _command(folder: str, config: Config, flags: list[str], processes: int) -> str:
    """On as many GPUs as the published command, or as divide the batch."""
    number = math.gcd(config.batch_size, processes)
    start = f"(cd {folder} && torchrun --nproc_per_node={number} --standalone train.py \\"
    return "\n".join([start, *(f"  {flag} \\" for flag in flags[:-1]), f"  {flags[-1]})"])


def _unspoken(config: Config) -> tuple[tuple[str, Any], ...]:
    if config.objective == "none":
        return _OTHERWISE
    policy = _OTHER_POLICY if config.has_policy else (("random_beta", None),)  # there, a policy says it
    whole = ("sigma", float(round(config.sigma)))  # their flag takes whole numbers
    return (*_OTHERWISE, *_OTHER_MASKS, *policy, whole)
