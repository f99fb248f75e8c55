"""The places that show figures of a run's trials: each is read as a person or a program would read it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.agreement.figures import NUMBER, Figure, find_values
from benchmarks.agreement.record import Record, Report


def read_search(output: str, record: Record) -> Iterator[Figure]:
    """Read the last status line and the card of a search."""
    status = re.findall(rf"best ({NUMBER}) \(#(\d+)\)(?: against default ({NUMBER}))?", output)[-1]
    metric = record.goals[0][0]
    yield Figure("search: status line", "best trial", status[1], record.best)
    for trial, text in ((int(status[1]), status[0]), *([(0, status[2])] if status[2] else [])):
        yield Figure("search: status line", f"#{trial} {metric}", text, record.standing_report(trial)[metric])
    for card in re.split(r"\n(?=  \w+ trial #)", output)[1:]:
        yield from _read_card(card, record)


def _read_card(card: str, record: Record) -> Iterator[Figure]:
    title, *lines = card.splitlines()
    trial = int(re.findall(r"trial #(\d+)", title)[0])
    own, _, default = title.partition("        default")
    report = record.standing_report(trial)
    yield from _compare("search: card", trial, find_values(own, record.metrics), report)
    yield Figure("search: card", f"#{trial} epoch", re.findall(r"at epoch (\d+)", own)[0], report["epoch"])
    texts = find_values(default, record.metrics) or [(record.goals[0][0], text) for text in _first_number(default)]
    yield from _compare("search: card", 0, texts, record.standing_report(0))
    limits = [line for line in lines if line.startswith("    health:")]
    for line in limits:
        yield from _compare("search: card", trial, find_values(line, record.metrics), report)


def read_best(run: Path, output: str, record: Record) -> Iterator[Figure]:
    """Read `best.csv` and the table that `analysis.best` prints."""
    with (run / "best.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
        yield Figure("best: best.csv", "first trial", rows[0]["trial"], record.best)
        for row in rows:
            if row["epoch"]:
                yield from _read_row("best: best.csv", int(row["trial"]), row, record)
    header, _, *lines = output.splitlines()
    columns = header.split()
    for line in lines:
        cells = line.split()
        if len(cells) > len(columns) and cells[0].isdigit():
            yield from _read_row("best: table", int(cells[0]), dict(zip(columns, cells[1:], strict=False)), record)


def read_summary(run: Path, record: Record) -> Iterator[Figure]:
    """Read `summary.json` of a report."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    place, metric = "report: summary.json", record.goals[0][0]
    yield Figure(place, "best trial", str(summary["best"]["trial"]), record.best)
    yield Figure(place, "first of the top", str(summary["top"][0]["trial"]), record.best)
    rows = [row for row in (summary["best"], summary["default"], *summary["top"]) if row]
    for row in rows:
        report = record.standing_report(row["trial"])
        yield Figure(place, f"#{row['trial']} {metric}", repr(row["value"]), report[metric])
        yield Figure(place, f"#{row['trial']} epoch", str(row.get("epoch", row.get("best_epoch"))), report["epoch"])
    for row in summary["front"] or []:
        values = {name: repr(value) for name, value in row.items() if name in record.metrics}
        yield from _compare(place, row["trial"], values.items(), record.standing_report(row["trial"]))


def read_page(run: Path, record: Record) -> Iterator[Figure]:
    """Read the tables of trials on the page of a report."""
    for row in _Tables((run / "report.html").read_text(encoding="utf-8")).rows:
        match = re.match(r"#(\d+)|default", row.get("trial", ""))
        if match and "epoch" in row:
            for figure in _read_row("report: tables", int(match[1] or 0), row, record):
                yield figure._replace(is_fixed=True)


def read_events(run: Path, record: Record) -> Iterator[Figure]:
    """Read TensorBoard's events: every scalar of every epoch, and what the table of HParams shows."""
    for trial in record.trials:
        accumulator = EventAccumulator(str(run / f"trial_{trial:04d}"), size_guidance={"scalars": 0})
        accumulator.Reload()
        reports = {report["epoch"]: report for report in record.reports(trial)}
        standing = record.standing_report(trial)
        for tag in accumulator.Tags()["scalars"]:
            events = accumulator.Scalars(tag)
            metric = tag.removeprefix("best/")
            if metric != tag:
                yield _single(f"#{trial} {metric}", "TensorBoard: HParams", events[-1].value, standing[metric])
                continue
            for event in events:
                yield _single(f"#{trial} {tag}", "TensorBoard: scalars", event.value, reports[event.step][tag])


def read_compare(output: str, names: Sequence[str], record: Record) -> Iterator[Figure]:
    """Read the sentence of a comparison, in which each run has found its best value."""
    metric = record.goals[0][0]
    for name, text in re.findall(rf"({'|'.join(map(re.escape, names))})(?: had found)? ({NUMBER})", output):
        yield Figure("compare: sentence", f"{name} {metric}", text, record.standing_report(record.best)[metric])


def read_proof(run: Path, output: str, proof: Record) -> Iterator[Figure]:
    """Read `proof.json` and the lines that the proof prints."""
    values = json.loads((run / "retrain" / "proof.json").read_text(encoding="utf-8"))
    metric = values["metric"]
    for row in (*values["candidates"], values["default"]):
        truths = {
            str(proof.trials[number]["seed"]): proof.standing_report(number)[metric]
            for number in map(int, row["trainings"].values())
        }
        for seed, value in row["values"].items():
            yield Figure("retrain: proof.json", f"#{row['trial']} seed {seed}", repr(value), truths[seed])
        name = f"trial {row['trial']}" if row["trial"] else "default"
        line = re.findall(rf"^    {name} +({NUMBER}) +\(([^)]*)\)", output, re.MULTILINE)
        for mean, texts in line:
            yield Figure("retrain: lines", f"{name} mean", mean, sum(truths.values()) / len(truths))
            for text, truth in zip(texts.split(), truths.values(), strict=True):
                yield Figure("retrain: lines", name, text, truth)


def read_export(folder: Path, output: str, report: Report, metric: str) -> Iterator[Figure]:
    """Read an export: its line, its metrics, its card, and the header of its weights."""
    for text in re.findall(rf"{re.escape(metric)} ({NUMBER})", output)[:1]:
        yield Figure("export: line", metric, text, report[metric])
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["report"]
    yield from _compare_reports("export: metrics.json", metrics, report)
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        yield from _compare_reports("export: header of the weights", json.loads(file.metadata()["report"]), report)
    card = (folder / "model_card.md").read_text(encoding="utf-8")
    section = card.partition("## Metrics of these weights")[2].partition("\n## ")[0]
    for name, text in re.findall(rf"^\| (\S+) \| ({NUMBER}) \|", section, re.MULTILINE):
        if name in report:
            yield Figure("export: card", name, text, report[name])
    for text in re.findall(r"Weights of epoch (\d+) of", card):
        yield Figure("export: card", "epoch", text, report["epoch"])


def read_training(output: str, reports: Sequence[Report], standing: Report, metric: str) -> Iterator[Figure]:
    """Read the lines of a training in full, beside the reports of the training that it repeats."""
    by_epoch = {report["epoch"]: report for report in reports}
    for epoch, loss, text in re.findall(rf"epoch (\d+)/\d+ · loss ({NUMBER}) · {re.escape(metric)} ({NUMBER})", output):
        report = by_epoch[int(epoch)]
        yield Figure("train: lines", f"epoch {epoch} {metric}", text, report[metric], is_fixed=True)
        yield Figure("train: lines", f"epoch {epoch} loss", loss, report["train/total"], is_fixed=True)
    for epoch, text in re.findall(rf"epoch (\d+): {re.escape(metric)} ({NUMBER})", output):
        yield Figure("train: last line", "epoch", epoch, standing["epoch"])
        yield Figure("train: last line", metric, text, standing[metric])


def read_inference(output: str, report: Report) -> Iterator[Figure]:
    """Read what the card's snippet prints: the metrics of the exported weights, computed anew."""
    for key, value in json.loads(output).items():
        name = key if key.startswith("health/") else f"val/{key}"
        yield Figure("inference: evaluate", name, f"{value:.6g}", report[name])


def _single(name: str, place: str, value: float, truth: float) -> Figure:
    """Make the figure of a value that is stored in single precision."""
    return Figure(place, name, repr(value), float(np.float32(truth)))


def _compare(place: str, trial: int, texts: Any, report: Report) -> Iterator[Figure]:
    for metric, text in texts:
        yield Figure(place, f"#{trial} {metric}", text, report[metric])


def _compare_reports(place: str, values: Mapping[str, Any], report: Report) -> Iterator[Figure]:
    for name, value in values.items():
        if isinstance(value, int | float) and not name.startswith("test/"):
            yield Figure(place, name, repr(value), report[name])


def _read_row(place: str, trial: int, row: Mapping[str, str], record: Record) -> Iterator[Figure]:
    report = record.standing_report(trial)
    for name in (*record.metrics, "epoch"):
        yield Figure(place, f"#{trial} {name}", row[name], report[name])


def _first_number(text: str) -> list[str]:
    return re.findall(NUMBER, text)[:1]


class _Tables(HTMLParser):
    """The rows of all tables of a page, as column → text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self._column: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell."""
        if tag == "tr":
            self.rows.append({})
        self._column = dict(attrs).get("data-column") if tag == "td" else self._column

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        self._column = None if tag == "td" else self._column

    def handle_data(self, data: str) -> None:
        """Add a piece of a cell's text."""
        if self._column is not None:
            self.rows[-1][self._column] = self.rows[-1].get(self._column, "") + data
