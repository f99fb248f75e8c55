"""One training of a go/no-go, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from trainables.export.recipe import Recipe
from trainables.files import CONFIG, read_lines, result_file


def train(folder: Path, recipe: Recipe, device: str, title: str) -> None:
    """Train to the end, with a line per epoch; resume an interrupted training, and leave a finished one as it is.

    Raises:
        DivergedError: the training cannot go on.
    """
    from trainables.training.folder import TrainingFolder  # noqa: PLC0415
    from trainables.training.loop import Loop  # noqa: PLC0415

    reports = read_lines(result_file(folder))
    if reports and reports[-1]["epoch"] >= recipe.config.epochs:
        return
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write(folder / CONFIG)
    loop = Loop(recipe.entry.build(recipe.config, recipe.data, device=device, seed=recipe.seed), recipe.objective)
    training = TrainingFolder(folder, loop, recipe.config.as_dict())
    while not loop.finished:
        with tqdm(total=loop.steps_per_epoch, desc=f"  {title}", leave=False, disable=None) as bar:
            report = training.run_epoch(bar.update)
        seconds = loop.seconds / loop.epoch_done * (loop.config.epochs - loop.epoch_done)
        metric = loop.monitor.objective.first.metric
        values = f"loss {report['train/total']:.4f} · {metric} {report[metric]:.4f} · {seconds:.0f} s left"
        print(f"  {title} · epoch {loop.epoch_done}/{loop.config.epochs} · {values}", flush=True)
    training.close()
