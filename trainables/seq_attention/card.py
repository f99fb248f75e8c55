"""The model card's sections of seq_attention: how to use the model, and its settings as the notes spell them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.export.published import list_differences
from trainables.seq_attention.config import Config, Data
from trainables.settings import format_value

_SETTINGS_WITHOUT_FLAG = (  # those that the notes' script has no flag for, with the value that it always has
    ("order", "reading"),
    ("target", "ordered"),
    ("sampling", "separate"),
    ("spatial_loss", "literal"),
    ("tau", 0.1),
    ("done_balance", "natural"),
    ("head", "regression"),
    ("glimpses", 0),
    ("augment", "none"),
    ("patience", 5),
    ("clip_norm", 1.0),
)


def sections(folder: str, config: Config, data: Data, facts: Mapping[str, Any]) -> dict[str, str]:
    """Write the variant's sections of a model card: title → Markdown."""
    return {"Use it on an image": snippet(folder), "The notes' settings": notes_settings(config)}


def snippet(folder: str) -> str:
    """Write Python that counts the objects of images, and prints their points."""
    lines = [
        "```python",
        "import sys",
        "",
        "from trainables.seq_attention.inference import Predictor",
        "",
        f"predictor = Predictor.load({str(Path(folder).resolve())!r})",
        "for name in sys.argv[1:]:  # image files of any size",
        "    objects = predictor(name)",
        "    unit = 'objects' if objects.complete else 'visits without an end'",
        "    print(name, len(objects.points), unit, objects.points.round(1).tolist())",
        "```",
    ]
    return "\n".join(lines)


def notes_settings(config: Config) -> str:
    """Write how these settings differ from those of the notes."""
    differences = list_differences(config, _SETTINGS_WITHOUT_FLAG)
    script = "`train_sequential_attention.py`"
    common = (
        f"{script} trains heads on a language model of two billion weights; its `--batch_size`, `--lr` and `--epochs` "
        f"say little of this network. Its done weight of 3 acted on validation alone; here "
        f"`done_weight={format_value(config.done_weight)}` acts on training, and on no metric."
    )
    return f"{common}\n\nDifferent here: {', '.join(differences)}." if differences else common
