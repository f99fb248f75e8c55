"""The model card's sections of unet_selftrain: how to use the model, and its settings as the notes spell them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.export.published import command_block, list_differences
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.stages import is_supervised_first, stage_ends

SCRIPT = "train_unet_selftraining_improved.py"
_SETTINGS_WITHOUT_FLAG = (  # those that the notes' script has no flag for, with the value that it always has
    ("network", "plain"),
    ("base_features", 64),
    ("levels", 4),
    ("downsample", 1),
    ("prior", 0.5),
    ("target", "disc"),
    ("target_scale", 1.0),
    ("focal_weight", 0.7),
    ("gamma", 2.0),
    ("balance", "alpha"),
    ("alpha", 0.25),
    ("dice_smooth", 1.0),
    ("base_pos", 0.95),
    ("base_neg", 0.05),
    ("threshold_decay", 0.02),
    ("pos_floor", 0.8),
    ("neg_ceiling", 0.2),
    ("weight_decay", 1e-4),
    ("threshold_scale", "probability"),
    ("trust_negatives", "none"),
    ("min_component", 0.0),
    ("restart_weights", False),
    ("reset_optimizer", True),
    ("retrain_lr", 1.0),
    ("init_from", None),
)


def sections(folder: str, config: Config, data: Data, facts: Mapping[str, Any]) -> dict[str, str]:
    """Write the variant's sections of a model card: title → Markdown."""
    return {"Use it on a micrograph": snippet(folder), "The notes' spelling": notes_spelling(config, data)}


def snippet(folder: str) -> str:
    """Write Python that picks the particles of micrographs and prints them in the form of `coordinates.json`."""
    lines = [
        "```python",
        "import json",
        "import sys",
        "from pathlib import Path",
        "",
        "from trainables.unet_selftrain.inference import Predictor",
        "",
        f"predictor = Predictor.load({str(Path(folder).resolve())!r})",
        "particles = {Path(name).name: predictor(name) for name in sys.argv[1:]}  # PNG, JPG, TIFF or MRC",
        "print(json.dumps({name: picks.points.tolist() for name, picks in particles.items()}))",
    ]
    return "\n".join([*lines, "```"])


def notes_spelling(config: Config, data: Data) -> str:
    """Write the command of the method's notes with these settings, and the settings that it has no flag for."""
    lines = [*command_block(f"python {SCRIPT}", _flags(config, data)), ""]
    if differences := list_differences(config, _SETTINGS_WITHOUT_FLAG):
        lines.append(f"That script has no flag for {', '.join(differences)}; so it does not train the same model.")
    return "\n".join(lines)


def _flags(config: Config, data: Data) -> list[str]:
    ends, supervised_first = stage_ends(config), is_supervised_first(config)
    lengths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
    supervised_epochs, iteration_epochs = (lengths[0], lengths[1:]) if supervised_first else (0, lengths)
    root = Path(data.root) if data.root else Path("FOLDER")
    return [
        f"--image-dir {shlex.quote(str(root / 'images'))}",
        f"--coords-file {shlex.quote(str(root / 'coordinates.json'))}",
        f"--particle-radius {data.particle_radius:.4g}",
        f"--initial-epochs {supervised_epochs}",
        f"--self-training-iterations {config.iterations}",
        f"--retrain-epochs {round(sum(iteration_epochs) / len(iteration_epochs)) if iteration_epochs else 0}",
        f"--batch-size {config.batch_size}",
        f"--learning-rate {config.lr:.4g}",
    ]
