"""A space: what is searched, as data. YAML and command-line overrides in; Optuna distributions and Configs out.

The grammar is on one page in `spaces/README.md`. Everything is checked against the variant's Config before a run
starts: names, ranges, choices, conditions.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna

from search.dimensions import Dimension, in_order, read_dimension
from search.objective import read_objective
from search.overrides import KEYS, MAPPINGS, merged_with
from trainables import registry as variants
from trainables.contract import DataConfig, TrainingConfig
from trainables.files import read_yaml
from trainables.objective import Objective
from trainables.registry import Entry
from trainables.settings import Settings, UsageError, setting, unknown

SPACES = Path(__file__).parent.parent / "spaces"


@dataclass(frozen=True, kw_only=True)
class Budget(Settings):
    """How much a search may spend."""

    trials: int = setting(24, "trials in all, the default settings included", low=1)
    max_epochs: int = setting(9, "epochs of a trial that is never stopped; the variant's schedules follow it", low=1)
    grace_epochs: int = setting(3, "epochs before a trial may be stopped, and the first rung", low=1)
    reduction: int = setting(3, "one in this many trials goes on at a rung", low=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grace_epochs > self.max_epochs:
            raise UsageError(
                f"grace_epochs={self.grace_epochs} is more than max_epochs={self.max_epochs}; lower it, or raise that."
            )

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which trials are compared; the last one is the full budget."""
        rungs, epoch = [], self.grace_epochs
        while epoch < self.max_epochs:
            rungs.append(epoch)
            epoch *= self.reduction
        return (*rungs, self.max_epochs)


@dataclass(frozen=True, kw_only=True)
class SchedulerChoice(Settings):
    """Which trials are stopped before their budget ends."""

    kind: Literal["asha", "median", "none"] = setting(
        "asha", "asha: the best share at each rung; median: below the median"
    )


@dataclass(frozen=True, kw_only=True)
class SearcherChoice(Settings):
    """Where new configs come from."""

    kind: Literal["rung", "random"] = setting("rung", "rung: TPE on the highest rung with enough results; random")
    random_share: float = setting(
        0.2, "share of trials drawn at random, for what a model would never try", low=0.0, high=1.0
    )
    min_results: int = setting(8, "results at a rung before its model is used", low=2)


@dataclass(frozen=True)
class Space:
    """A validated space.

    Attributes:
        entry: the variant; data: its data settings, checked.
        fixed: Config fields that every trial shares, `epochs` included.
        dimensions: what is searched, parents before what depends on them.
    """

    name: str
    entry: Entry
    objective: Objective
    budget: Budget
    data: DataConfig
    fixed: dict[str, Any]
    dimensions: tuple[Dimension, ...]
    scheduler: SchedulerChoice
    searcher: SearcherChoice
    source: dict[str, Any]
    """The merged YAML that this was read from, resolved; `Space.of` reads it back."""

    @classmethod
    def load(cls, name: str, overrides: Mapping[str, Any] | None = None) -> Space:
        """Read a space by name (`mask_st`) or path (`my/space.yaml`), with command-line overrides.

        Raises:
            UsageError: anything in it that cannot be used, in one sentence.
        """
        by_path = name.endswith((".yaml", ".yml"))
        path = Path(name) if by_path else SPACES / f"{name}.yaml"
        if by_path and not path.is_file():
            raise UsageError(f"space={name} is no file; give the path of a space, or one of {', '.join(available())}.")
        if not path.is_file():
            raise UsageError(unknown(name, available(), what="space"))
        return cls.of(path.stem, merged_with(read_yaml(path), overrides or {}))

    @classmethod
    def of(cls, name: str, source: Mapping[str, Any]) -> Space:
        """The space that a merged mapping describes."""
        for key, value in source.items():
            if key not in KEYS:
                raise UsageError(unknown(key, KEYS, what=f"key of space {name}"))
            if key in MAPPINGS and not isinstance(value, Mapping | None):
                raise UsageError(f"{key}={value} is not a part of a space; write {key}.NAME=VALUE.")
        if "variant" not in source:
            raise UsageError(f"space {name} names no variant; accepted: {', '.join(variants.names())}.")
        entry = variants.load(str(source["variant"]))
        budget = Budget.of(source.get("budget") or {}, where="budget.")
        params, fixed = _split_params(source)
        fixed = entry.inherit(fixed, searched=params)
        space = cls(
            name=name,
            entry=entry,
            objective=read_objective(name, source),
            budget=budget,
            data=entry.Data.of(source.get("data") or {}, where="data."),
            fixed=_fixed(entry, fixed, budget),
            dimensions=in_order([read_dimension(entry.Config, key, value) for key, value in params.items()]),
            scheduler=SchedulerChoice.of(source.get("scheduler") or {}, where="scheduler."),
            searcher=SearcherChoice.of(source.get("searcher") or {}, where="searcher."),
            source={},
        )
        space._check()
        return replace(space, source=space._resolved(source))

    def sample(self, trial: optuna.trial.BaseTrial) -> dict[str, Any]:
        """Ask an Optuna trial for every dimension whose conditions hold: Config field → value."""
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.active(params, self._value_without):
                params[dimension.name] = dimension.suggest(trial)
        return params

    def applies(self, dimension: Dimension) -> bool:
        """Whether a dimension can be active at all; one whose condition the command line has fixed away cannot."""
        searched = {each.name: each for each in self.dimensions}
        return all(
            any(searched[parent].contains(value) for value in values)
            if parent in searched
            else self._value_without(parent) in values
            for parent, values in dimension.when.items()
        )

    def config(self, params: Mapping[str, Any]) -> TrainingConfig:
        """The Config of a trial."""
        return self.entry.Config.of({**self.fixed, **params})

    def default_params(self) -> dict[str, Any]:
        """The values that `Config()`, with the space's fixed fields, has for the searched dimensions that apply."""
        config = self.config({})
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.active(params, self._value_without):
                params[dimension.name] = getattr(config, dimension.name)
        return params

    def check_start(self) -> None:
        """See that what trials begin with is there: data, every network that is named, an export.

        Raises:
            UsageError: something is not there, or does not fit.
        """
        choices = {
            each.name: each.distribution.choices
            for each in self.dimensions
            if isinstance(each.distribution, optuna.distributions.CategoricalDistribution)
        }
        self.entry.check(self.config(self.default_params()), self.data, choices)

    def outside(self, params: Mapping[str, Any]) -> list[str]:
        """The dimensions whose value lies outside what is searched."""
        return [each.name for each in self.dimensions if each.name in params and not each.contains(params[each.name])]

    def distributions(self, params: Mapping[str, Any]) -> dict[str, optuna.distributions.BaseDistribution]:
        """The distributions of the given parameters."""
        return {each.name: each.distribution for each in self.dimensions if each.name in params}

    def _resolved(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """The YAML with the defaults of its parts written out, and paths that hold from any folder."""
        parts = {"budget": self.budget, "data": self.data, "scheduler": self.scheduler, "searcher": self.searcher}
        params = {name: self.fixed.get(name, value) for name, value in (source.get("params") or {}).items()}
        fixed = {name: value for name, value in self.fixed.items() if name not in params and name != "epochs"}
        resolved = {**source, "fixed": fixed, "params": params}
        return copy.deepcopy({**resolved, **{name: part.as_dict() for name, part in parts.items()}})

    def _value_without(self, name: str) -> Any:
        """The value of a field that is not searched."""
        return self.fixed.get(name, getattr(self.entry.Config(), name))

    def _check(self) -> None:
        """What can only be seen with all parts together; the default config must be one the variant accepts."""
        fields = self.entry.Config.names()
        for dimension in self.dimensions:
            for parent, values in dimension.when.items():
                if parent not in fields:
                    raise UsageError(unknown(parent, fields, what=f"field in params.{dimension.name}.when:"))
                for value in values:
                    self.entry.Config.accepts(parent, value)
        if self.objective.several and self.scheduler.kind != "none":
            raise UsageError("several objectives need scheduler.kind=none: there is no one number to stop trials by.")
        self.config(self.default_params())


def available() -> list[str]:
    """The names of the spaces that come with the project."""
    return sorted(path.stem for path in SPACES.glob("*.yaml"))


def with_trials(space: Space, trials: Any) -> Space:
    """The same space with another number of trials, as an extended run has it."""
    return Space.of(space.name, {**space.source, "budget": {**space.source["budget"], "trials": trials}})


def without_stopping(space: Space, epochs: int) -> Space:
    """The same space with a full budget of so many epochs, which every trial may use up."""
    budget = {**space.source["budget"], "max_epochs": epochs, "grace_epochs": min(space.budget.grace_epochs, epochs)}
    return Space.of(space.name, {**space.source, "budget": budget, "scheduler": {"kind": "none"}})


def _split_params(source: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The searched parameters, and the fixed ones together with those that were given a plain value."""
    params = dict(source.get("params") or {})
    fixed = dict(source.get("fixed") or {})
    for name in set(params) & set(fixed):
        raise UsageError(f"{name} is both fixed and searched; keep it under fixed or under params.")
    plain = {name: value for name, value in params.items() if not isinstance(value, Mapping)}
    return {name: value for name, value in params.items() if name not in plain}, {**fixed, **plain}


def _fixed(entry: Entry, fixed: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
    if "epochs" in fixed:
        raise UsageError("fixed.epochs is set by budget.max_epochs; change that.")
    for name in fixed:
        if name not in entry.Config.names():
            raise UsageError(unknown(name, entry.Config.names(), what=f"field of {entry.name}'s Config:"))
    accepted = {name: entry.Config.accepts(name, value) for name, value in fixed.items()}
    return {**accepted, "epochs": budget.max_epochs}
