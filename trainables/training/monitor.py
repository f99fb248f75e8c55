"""What an epoch is worth: its objective, its health, whether it is the best one, and whether training should go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainables.contract import Finding, Variant
from trainables.objective import STAGES_LEFT, Objective


class DivergedError(RuntimeError):
    """Training produced a number that is not finite; the message says which, where, and what usually helps."""


class Monitor:
    """Judges the epochs of one training.

    Attributes:
        stands: whether the last epoch now stands for the training, so that its weights are kept: with one goal the
            best of its stage so far, with several goals every one.
        standing: the report that stands for the training so far, or None.
        best: the report of the best epoch by the first goal, of the stage that training is in, or None.
        findings: the health findings of the last epoch.
        stop_reason: why training ends before its budget, or None.
    """

    def __init__(self, variant: Variant, objective: Objective) -> None:
        self.variant, self.config, self.objective = variant, variant.config, objective
        self.stands = False
        self.standing: dict[str, Any] | None = None
        self.best: dict[str, Any] | None = None
        self.findings: list[Finding] = []
        self.stop_reason: str | None = None
        self._fatal_epochs = 0  # in a row, the last epoch included

    def judge(self, report: dict[str, Any]) -> None:
        """Add objective, health and the reason to stop to a report; note whether the epoch is the best one.

        Raises:
            DivergedError: a metric of the objective is not finite.
        """
        self._check_finite(report)
        report |= self.objective.score(report)
        self.findings = self.variant.health(report)
        fatal = [finding for finding in self.findings if finding.fatal]
        report |= {"health/findings": float(len(self.findings)), "health/fatal": float(len(fatal))}
        improved = self.objective.improves(report, self.best)
        if improved:
            self.best = report
        self.stands = improved or self.objective.is_multi
        if self.stands:
            self.standing = report
        self._fatal_epochs = self._fatal_epochs + 1 if fatal else 0
        self.stop_reason = self._reason_to_stop(report, fatal)
        report["findings"] = [{"check": finding.check, "message": finding.message} for finding in self.findings]
        report["stop_reason"] = self.stop_reason

    def state(self) -> dict[str, Any]:
        """Return what later judgements depend on, as plain values."""
        return {
            "best": self.best,
            "standing": self.standing,
            "stop_reason": self.stop_reason,
            "fatal_epochs": self._fatal_epochs,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.best = state["best"]
        self.standing = state.get("standing", self.best)
        self.stop_reason = state["stop_reason"]
        self._fatal_epochs = state["fatal_epochs"]

    def _check_finite(self, report: Mapping[str, Any]) -> None:
        goals = [goal.metric for goal in self.objective.goals]
        for metric in [*goals, *self.objective.constraints]:
            if not math.isfinite(report.get(metric, 0.0)):  # a metric that is missing is named by `Objective.score`
                raise DivergedError(
                    f"{metric} is {report[metric]} in epoch {report['epoch']}; lower lr ({self.config.lr:.3g})"
                )

    def _reason_to_stop(self, report: Mapping[str, Any], fatal: list[Finding]) -> str | None:
        """Return why training ends; patience counts in the last stage alone, whose model is the one that is wanted."""
        epoch = int(report["epoch"])
        if epoch >= self.config.epochs:
            return None
        if fatal and 0 < self.config.collapse_patience <= self._fatal_epochs:
            return f"health: {fatal[0].message}"
        epochs = epoch - (self.best["epoch"] if self.best else 0)
        if 0 < self.config.patience <= epochs and not report[STAGES_LEFT]:
            return f"patience: no better {self.objective.first.metric} for {epochs} epochs"
        return None
