"""A space: what is searched, as data. YAML and command-line overrides in; Optuna distributions and Configs out.

The grammar is on one page in `spaces/README.md`. Everything is checked against the variant's Config before a run
starts: names, ranges, choices, conditions.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna

from search.budget import Budget, SchedulerChoice, SearcherChoice
from search.dimensions import Dimension, read_dimension, sort_dimensions
from search.objective import read_objective
from search.overrides import KEYS, MAPPINGS, merge_overrides
from trainables import registry as variants
from trainables.base_config import DataConfig, TrainingConfig
from trainables.files import read_yaml
from trainables.objective import Objective
from trainables.registry import Entry
from trainables.settings import UsageError, describe_unknown, describe_value
from trainables.trust import record_folder

SPACES = Path(__file__).parent.parent / "spaces"
SAMPLES = 400


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
    """The merged YAML that this was read from, resolved; `Space.from_source` reads it back."""

    @classmethod
    def load(cls, name: str, overrides: Mapping[str, Any] | None = None) -> Space:
        """Read a space by name (`mask_st`) or path (`my/space.yaml`), with command-line overrides.

        Raises:
            UsageError: anything in it that cannot be used, in one sentence.
        """
        by_path = name.endswith((".yaml", ".yml"))
        path = Path(name) if by_path else SPACES / f"{name}.yaml"
        if by_path and not path.is_file():
            raise UsageError(
                f"space={name} is no file; give the path of a space, or one of {', '.join(list_spaces())}."
            )
        if not path.is_file():
            raise UsageError(describe_unknown(name, list_spaces(), kind="space"))
        source, overrides = read_yaml(path), overrides or {}
        record = record_folder(path)
        if record is not None and "variant" in overrides:  # named by the user, and not by what is read
            variants.load_outside(str(overrides["variant"]), record)
            record = None
        return cls.from_source(path.stem, merge_overrides(source, overrides), record)

    @classmethod
    def from_source(cls, name: str, source: Mapping[str, Any], record: Path | None = None) -> Space:
        """Make the space that a merged mapping describes; `record` is the run's or export's folder that it lies in.

        Raises:
            UsageError: anything in it that cannot be used, or, of a record, a variant that it may not name.
        """
        for key, value in source.items():
            if key not in KEYS:
                raise UsageError(describe_unknown(key, KEYS, kind=f"key of space {name}"))
            if key in MAPPINGS and not isinstance(value, Mapping | None):
                raise UsageError(f"{key}={describe_value(value)} is not a part of a space; write {key}.NAME=VALUE.")
        if "variant" not in source:
            raise UsageError(f"space {name} names no variant; accepted: {', '.join(variants.names())}.")
        entry = variants.load(str(source["variant"]), record)
        budget = Budget.from_dict(source.get("budget") or {}, prefix="budget.")
        params, fixed = _split_params(source)
        fixed = entry.inherit(fixed, params)
        space = cls(
            name=name,
            entry=entry,
            objective=read_objective(name, source),
            budget=budget,
            data=entry.Data.from_dict(source.get("data") or {}, prefix="data."),
            fixed=_fixed(entry, fixed, budget),
            dimensions=sort_dimensions([read_dimension(entry.Config, key, value) for key, value in params.items()]),
            scheduler=SchedulerChoice.from_dict(source.get("scheduler") or {}, prefix="scheduler."),
            searcher=SearcherChoice.from_dict(source.get("searcher") or {}, prefix="searcher."),
            source={},
        )
        space._check()
        return replace(space, source=space._resolve(source))

    def sample(self, trial: optuna.trial.BaseTrial) -> dict[str, Any]:
        """Ask an Optuna trial for every dimension whose conditions hold: Config field → value."""
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.is_active(params, self._fixed_value):
                params[dimension.name] = dimension.suggest(trial)
        return params

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """`SAMPLES` parameters drawn at random, always the same ones; some may be impossible."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
        return [self.sample(study.ask()) for _ in range(SAMPLES)]

    def applies(self, dimension: Dimension) -> bool:
        """Return whether a dimension can be active at all; one whose condition a fixed field rules out cannot."""
        dimensions = {item.name: item for item in self.dimensions}
        return all(
            any(dimensions[parent].contains(value) for value in values)
            if parent in dimensions
            else self._fixed_value(parent) in values
            for parent, values in dimension.when.items()
        )

    def config(self, params: Mapping[str, Any]) -> TrainingConfig:
        """Make the Config of a trial."""
        return self.entry.Config.from_dict({**self.fixed, **params})

    def refusal(self, params: Mapping[str, Any]) -> UsageError | None:
        """Return what the variant says against the config of a trial; None where it is possible."""
        try:
            self.config(params)
        except UsageError as error:
            return error
        return None

    def default_params(self) -> dict[str, Any]:
        """Return the values of the active dimensions in `Config()` with the space's fixed fields."""
        config = self.config({})
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.is_active(params, self._fixed_value):
                params[dimension.name] = getattr(config, dimension.name)
        return params

    def check_start(self) -> None:
        """Check that trials can begin: that there are the data, every network that is named, an export to begin with.

        Raises:
            UsageError: something is not there, or does not fit.
        """
        choices = {
            dimension.name: dimension.distribution.choices
            for dimension in self.dimensions
            if isinstance(dimension.distribution, optuna.distributions.CategoricalDistribution)
        }
        self.entry.check(self.config(self.default_params()), self.data, choices, self.can_coincide)

    def can_coincide(self, values: Mapping[str, Any]) -> bool:
        """Return whether a trial can have such values together, as far as conditions among these fields say."""
        return all(self._can_have(dimension, values) for dimension in self.dimensions if dimension.name in values)

    def outside(self, params: Mapping[str, Any]) -> list[str]:
        """List the dimensions whose value lies outside of the space."""
        dimensions = [dimension for dimension in self.dimensions if dimension.name in params]
        return [dimension.name for dimension in dimensions if not dimension.contains(params[dimension.name])]

    def distributions(self, params: Mapping[str, Any]) -> dict[str, optuna.distributions.BaseDistribution]:
        """Return the distributions of some parameters."""
        return {dimension.name: dimension.distribution for dimension in self.dimensions if dimension.name in params}

    def _resolve(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """Write out the defaults of the YAML's parts, and make its paths absolute."""
        parts = {"budget": self.budget, "data": self.data, "scheduler": self.scheduler, "searcher": self.searcher}
        params = {name: self.fixed.get(name, value) for name, value in (source.get("params") or {}).items()}
        fixed = {name: value for name, value in self.fixed.items() if name not in params and name != "epochs"}
        values = {**source, "fixed": fixed, "params": params}
        return copy.deepcopy({**values, **{name: part.as_dict() for name, part in parts.items()}})

    def _can_have(self, dimension: Dimension, values: Mapping[str, Any]) -> bool:
        name, parents = dimension.name, dimension.when
        convert = self.entry.Config.convert
        is_fixed = convert(name, values[name]) == convert(name, self._fixed_value(name))
        if any(values[parent] not in parents[parent] for parent in parents if parent in values):
            return is_fixed  # for the dimension is not active
        may_rest = not all(parent in values for parent in parents)
        return dimension.contains(values[name]) or (may_rest and is_fixed)

    def _fixed_value(self, name: str) -> Any:
        """Return the value of a field that is not searched."""
        return self.fixed.get(name, getattr(self.entry.Config(), name))

    def _check(self) -> None:
        """Check what concerns several parts together; the variant must accept the default config."""
        if self.objective.is_multi and self.scheduler.kind != "none":
            raise UsageError("several goals need scheduler.kind=none: there is no one number to stop trials by.")
        self.config(self.default_params())


def list_spaces() -> list[str]:
    """List the names of the spaces that come with the project."""
    return sorted(path.stem for path in SPACES.glob("*.yaml"))


def with_trials(space: Space, trials: Any) -> Space:
    """Return the space with another number of trials, as an extended run has it."""
    return Space.from_source(space.name, {**space.source, "budget": {**space.source["budget"], "trials": trials}})


def without_stopping(space: Space, epochs: int) -> Space:
    """Return the space with a full budget of so many epochs, which every trial may use up."""
    budget = {**space.source["budget"], "max_epochs": epochs, "grace_epochs": min(space.budget.grace_epochs, epochs)}
    return Space.from_source(space.name, {**space.source, "budget": budget, "scheduler": {"kind": "none"}})


def _split_params(source: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the fields into searched ones, and fixed ones together with those that have a plain value."""
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
            raise UsageError(describe_unknown(name, entry.Config.names(), kind=f"field of {entry.name}'s Config:"))
    values = {name: entry.Config.convert(name, value) for name, value in fixed.items()}
    return {**values, "epochs": budget.max_epochs}
