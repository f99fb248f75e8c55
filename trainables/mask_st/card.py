"""The model card's sections of mask_st: how to use the model, and its settings as the notes spell them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.export.published import command_block, list_differences
from trainables.mask_st.config import Config, Data

SCRIPT = "train_roi_consistency.py"
_SETTINGS_WITHOUT_FLAG = (  # those that the notes' script has no flag for, with the value that it always has
    ("backbone", "convnext_base"),
    ("mask_kind", "straight_through"),
    ("mask_arch", "literal"),
    ("reference", "mean"),
    ("augment", "none"),
    ("consistency_form", "literal"),
    ("drop_form", "literal"),
    ("area_form", "literal"),
    ("volume_form", "literal"),
    ("mask_lr_mult", 1.0),
    ("bce_fraction", 0.0),
    ("ramp_fraction", 0.0),
)


def sections(folder: str, config: Config, data: Data, facts: Mapping[str, Any]) -> dict[str, str]:
    """Write the variant's sections of a model card: title → Markdown."""
    return {"Use it on an image": snippet(folder, config), "The notes' spelling": notes_spelling(config, data)}


def snippet(folder: str, config: Config) -> str:
    """Write Python that classifies images and, where there is a generator, says how much its mask keeps."""
    lines = [
        "```python",
        "import sys",
        "",
        "from trainables.mask_st.inference import Predictor",
        "",
        f"predictor = Predictor.load({str(Path(folder).resolve())!r})",
        "for file in sys.argv[1:]:  # images of any size",
        "    prediction = predictor(file)",
        "    print(file, *(f'{name} {value:.3f}' for name, value in prediction.probabilities.items()))",
    ]
    if config.mask_kind not in ("none", "random"):
        lines.append("    print(f'the mask keeps {prediction.mask.mean():.1%}')  # bool [side, side]")
    return "\n".join([*lines, "```"])


def notes_spelling(config: Config, data: Data) -> str:
    """Write the command of the method's notes with these settings, and the settings that it has no flag for."""
    flags = [*_data_flags(data), *_training_flags(config), *_mask_flags(config)]
    lines = [*command_block(f"python {SCRIPT}", flags), ""]
    differences = list_differences(config, _SETTINGS_WITHOUT_FLAG)
    if config.noise == "logistic":
        differences.append("`noise=logistic` (there: one Gumbel draw, which keeps 63 % at a logit of 0)")
    if differences:
        lines.append(f"That script has no flag for {', '.join(differences)}; so it does not train the same model.")
    return "\n".join(lines)


def _data_flags(data: Data) -> list[str]:
    root = shlex.quote(data.root) if data.root else "FOLDER"
    return ["--train_csv nih_roi_train.csv", f"--image_root {root}"]


def _training_flags(config: Config) -> list[str]:
    flags = [
        f"--batch_size {config.batch_size}",
        f"--accum_steps {config.accumulate}",
        f"--epochs {config.epochs}",
        f"--img_size {config.image_size}",
        f"--lr {config.lr:.4g}",
        f"--alpha {config.alpha:.4g}",
        f"--beta {config.beta:.4g}",
        f"--gamma {config.gamma:.4g}",
        f"--delta {config.delta:.4g}",
    ]
    if config.channels_last:
        flags.append("--channels_last")
    if config.precision != "fp32":
        flags.append("--autocast_dtype bf16")
    if config.weighting == "gradnorm":
        flags += ["--dynamic_weights", f"--dynamic_weight_min {config.weight_floor:.4g}"]
    return flags


def _mask_flags(config: Config) -> list[str]:
    flags = [
        f"--keep_ratio {config.keep_ratio:.4g}",
        f"--mask_volume_target {config.keep_ratio:.4g}",
        f"--mask_volume_lambda {config.volume_lambda:.4g}",
        f"--mask_temperature {config.temperature:.4g}",
        f"--mask_temperature_min {config.temperature_min:.4g}",
        f"--mask_temperature_decay {_decay(config):.4g}",
    ]
    switches = {"--mask_hard": config.hard, "--mask_gumbel": config.noise != "none", "--mask_project": config.project}
    return [*flags, *(flag for flag, is_on in switches.items() if is_on)]


def _decay(config: Config) -> float:
    """Compute the factor per epoch that reaches the floor when `floor_fraction` of the budget is over."""
    if config.temperature_decay is not None:
        return config.temperature_decay
    steps = config.floor_fraction * (config.epochs - 1)
    return (config.temperature_min / config.temperature) ** (1 / steps) if steps > 0 else 0.0
