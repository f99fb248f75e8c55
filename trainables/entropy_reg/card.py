"""The model card's sections of entropy_reg: how to use the model, and its settings as the notes spell them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.entropy_reg.config import Config, Data
from trainables.settings import format_value


def sections(folder: str, config: Config, data: Data, facts: Mapping[str, Any]) -> dict[str, str]:
    """Write the variant's sections of a model card: title → Markdown."""
    markdown = {"Use it on an image": snippet(folder, config), "The notes' settings": notes_settings(config)}
    if config.regulariser != "none":
        markdown["Go or no-go"] = (
            "Whether the regulariser is worth it is decided against a twin without it, over several seeds:\n\n"
            f"    python -m trainables.entropy_reg.go_no_go config={Path(folder).resolve() / 'config.yaml'}"
        )
    return markdown


def snippet(folder: str, config: Config) -> str:
    """Write Python that predicts where people look on images."""
    with_history = config.history == "real"
    lines = [
        "```python",
        "import sys",
        "",
        "import numpy as np",
        "",
        "from trainables.entropy_reg.inference import Predictor",
        "",
        f"predictor = Predictor.load({str(Path(folder).resolve())!r})",
        "for name in sys.argv[1:]:  # image files of any size",
        f"    log_density = predictor(name{', history=None' if with_history else ''})  # nats per pixel, [H, W]",
        "    y, x = np.unravel_index(log_density.argmax(), log_density.shape)",
        "    print(name, 'most likely at', (x, y), np.log2(log_density.size) + log_density.max() / np.log(2), 'bits')",
        "```",
    ]
    return "\n".join(lines)


def notes_settings(config: Config) -> str:
    """Say the settings in the words of the notes' `entropy_reg_config.yaml`."""
    if config.regulariser != "entropy":
        return f"The regulariser is off (`regulariser={config.regulariser}`): the notes' baseline."
    weight, per_step = format_value(config.lambda_eff * config.compute_every), format_value(config.lambda_eff)
    number = 3 if config.uniform_kind == "grey3" and config.history == "none" else config.n_uniform
    return (
        f"`compute_every: {config.compute_every}`, `num_uniform_samples: {number}`, and `entropy_weight: "
        f"{weight}` where it is computed, which is `lambda_eff={per_step}` per step, with both terms in bits. The "
        "notes' own (weight 1 every 50 steps, in epochs of 29) comes to 0.034, in nats."
    )
