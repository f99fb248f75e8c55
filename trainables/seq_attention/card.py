"""What seq_attention adds to a model card: how to count with it, and its settings as the method's notes spell them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.seq_attention.config import Config, Data
from trainables.settings import plain

_PUBLISHED = (  # settings that the notes' script has no flag for, and the value that it always has
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
    """Title → Markdown."""
    return {"Use it": snippet(folder), "The notes' settings": notes_settings(config)}


def snippet(folder: str) -> str:
    """Python that counts the objects of images, and says where they are."""
    lines = [
        "```python",
        "import sys",
        "",
        "from trainables.seq_attention.inference import Counter",
        "",
        f"counter = Counter.load({str(Path(folder).resolve())!r})",
        "for name in sys.argv[1:]:  # image files of any size",
        "    found = counter(name)",
        "    how = 'objects' if found.ended else 'visits without an end'",
        "    print(name, len(found.points), how, found.points.round(1).tolist())",
        "```",
    ]
    return "\n".join(lines)


def notes_settings(config: Config) -> str:
    """In what these settings differ from those of the notes."""
    other = [
        f"`{name}={plain(getattr(config, name))}` (there: {plain(there)})"
        for name, there in _PUBLISHED
        if getattr(config, name) != there
    ]
    script = "`train_sequential_attention.py`"
    common = (
        f"{script} trains heads on a language model of two billion weights; its `--batch_size`, `--lr` and `--epochs` "
        f"say little of this network. Its done weight of 3 acted on validation alone; here "
        f"`done_weight={plain(config.done_weight)}` acts on training, and on no figure."
    )
    return f"{common}\n\nDifferent here: {', '.join(other)}." if other else common
