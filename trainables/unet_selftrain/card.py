"""What unet_selftrain adds to a model card: how to pick with it, and its settings as the method's notes spell them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.settings import plain
from trainables.unet_selftrain.config import Config, Data, stage_ends

SCRIPT = "train_unet_selftraining_improved.py"
_UNKNOWN = (  # settings that the notes' command has no flag for, and the value that its script always has
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
    """Title → Markdown."""
    return {"Use it": snippet(folder), "The notes' spelling": notes_spelling(config, data)}


def snippet(folder: str) -> str:
    """Python that picks the particles of micrographs and prints them as `coordinates.json` would hold them."""
    lines = [
        "```python",
        "import json",
        "import sys",
        "from pathlib import Path",
        "",
        "from trainables.unet_selftrain.inference import Picker",
        "",
        f"picker = Picker.load({str(Path(folder).resolve())!r})",
        "found = {Path(name).name: picker(name) for name in sys.argv[1:]}  # PNG, JPG, TIFF or MRC",
        "print(json.dumps({name: each.points.tolist() for name, each in found.items()}))",
    ]
    return "\n".join([*lines, "```"])


def notes_spelling(config: Config, data: Data) -> str:
    """The command of the method's notes with these settings, and what it cannot say."""
    flags = _flags(config, data)
    lines = ["```", f"python {SCRIPT} \\", *(f"  {flag} \\" for flag in flags[:-1]), f"  {flags[-1]}", "```", ""]
    other = [
        f"`{name}={plain(getattr(config, name))}` (there: {plain(there)})"
        for name, there in _UNKNOWN
        if getattr(config, name) != there
    ]
    if other:
        lines.append(f"That script has no flag for {', '.join(other)}; so it does not train the same model.")
    return "\n".join(lines)


def _flags(config: Config, data: Data) -> list[str]:
    ends = stage_ends(config)
    first = len(ends) > config.iterations  # whether there is a supervised stage
    again = [after - before for before, after in zip((0, *ends), ends, strict=False)][first:]
    root = Path(data.root) if data.root else Path("FOLDER")
    return [
        f"--image-dir {shlex.quote(str(root / 'images'))}",
        f"--coords-file {shlex.quote(str(root / 'coordinates.json'))}",
        f"--particle-radius {data.particle_radius:.4g}",
        f"--initial-epochs {ends[0] if first else 0}",
        f"--self-training-iterations {config.iterations}",
        f"--retrain-epochs {round(sum(again) / len(again)) if again else 0}",
        f"--batch-size {config.batch_size}",
        f"--learning-rate {config.lr:.4g}",
    ]
