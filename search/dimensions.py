"""One searched setting: its distribution, the conditions under which it applies, and how it is read from YAML."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from trainables.base_config import TrainingConfig
from trainables.settings import LARGEST_SEED, UsageError, describe_unknown, describe_value

DISTRIBUTIONS = ("uniform", "loguniform", "quniform", "randint", "choice")


@dataclass(frozen=True)
class Dimension:
    """A Config field that is searched.

    Attributes:
        when: field → the values of it under which this dimension applies; all must hold.
    """

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]]

    def is_active(self, params: Mapping[str, Any], fixed_value: Callable[[str], Any]) -> bool:
        """Return whether it applies under some parameters; `fixed_value` reads a field that is not searched.

        A searched parent that is itself inactive switches its children off only if its value does.
        """
        return all(
            (params[parent] if parent in params else fixed_value(parent)) in values
            for parent, values in self.when.items()
        )

    def suggest(self, trial: optuna.trial.BaseTrial) -> Any:
        """Ask Optuna for a value."""
        kind = self.distribution
        if isinstance(kind, FloatDistribution):
            return trial.suggest_float(self.name, kind.low, kind.high, step=kind.step, log=kind.log)
        if isinstance(kind, IntDistribution):
            return trial.suggest_int(self.name, kind.low, kind.high, step=kind.step, log=kind.log)
        assert isinstance(kind, CategoricalDistribution)  # for the type checker: there are three kinds
        return trial.suggest_categorical(self.name, kind.choices)

    def contains(self, value: Any) -> bool:
        """Return whether a value could be drawn."""
        if isinstance(self.distribution, CategoricalDistribution):
            return value in self.distribution.choices
        return _is_number(value) and self.distribution._contains(self.distribution.to_internal_repr(value))

    def __str__(self) -> str:
        kind = self.distribution
        if isinstance(kind, CategoricalDistribution):
            text = " | ".join(str(choice) for choice in kind.choices)
        else:
            text = f"{kind.low:g} to {kind.high:g}" + (" log" if kind.log else "") + _step_text(kind)
        conditions = " and ".join(
            f"{parent} is {' or '.join(map(str, values))}" for parent, values in self.when.items()
        )
        return f"{text}, when {conditions}" if conditions else text


def read_dimension(config: type[TrainingConfig], name: str, spec: Mapping[str, Any]) -> Dimension:
    """Read one entry of a space's `params`.

    Raises:
        UsageError: no such Config field, an unknown or empty distribution, or bounds that the field does not accept.
    """
    if name not in config.names():
        raise UsageError(describe_unknown(f"params.{name}", [f"params.{field}" for field in config.names()]))
    if name == "epochs":
        raise UsageError(
            "params.epochs cannot be searched: the budget is budget.max_epochs, and the scheduler spends it."
        )
    keys = (*DISTRIBUTIONS, "log", "when")
    for key in spec:
        if key not in keys:
            options = [f"params.{name}.{accepted_key}" for accepted_key in keys]
            raise UsageError(describe_unknown(f"params.{name}.{key}", options))
    kinds = [key for key in spec if key in DISTRIBUTIONS]
    if len(kinds) != 1:
        raise UsageError(f"params.{name} needs one of {', '.join(DISTRIBUTIONS)}; it has {', '.join(kinds) or 'none'}.")
    if kinds[0] != "choice" and config.number_type(name) is None:
        raise UsageError(f"params.{name} takes no numbers from a range: list its values with params.{name}.choice.")
    distribution = _distribution(name, kinds[0], spec)
    _check_values(config, name, distribution)
    return Dimension(name, distribution, _conditions(config, name, spec.get("when") or {}))


def sort_dimensions(dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Sort dimensions so that parents come before what depends on them; otherwise the order stays.

    Raises:
        UsageError: conditions that go in a circle.
    """
    pending, order = list(dimensions), []
    while pending:
        names = {dimension.name for dimension in pending}
        ready = [dimension for dimension in pending if not names & set(dimension.when)]
        if not ready:
            raise UsageError(f"the conditions of {', '.join(sorted(names))} go in a circle; drop one `when`.")
        order += ready
        pending = [dimension for dimension in pending if dimension not in ready]
    return tuple(order)


def _distribution(name: str, kind: str, spec: Mapping[str, Any]) -> BaseDistribution:
    values, log = spec[kind], spec.get("log", False)
    if not isinstance(values, list) or not values:
        text = describe_value(values)
        raise UsageError(f"params.{name}.{kind}={text} is no list; write for example {_EXAMPLES[kind]}.")
    if not isinstance(log, bool):
        raise UsageError(f"params.{name}.log={describe_value(log)} is neither true nor false.")
    if kind == "choice":
        if log:
            raise UsageError(f"params.{name}.log=true does not go with choice; leave it out.")
        return CategoricalDistribution(values)
    numbers = [value for value in values if _is_number(value)]
    if len(numbers) != len(values) or len(values) != (3 if kind == "quniform" else 2):
        text = describe_value(values)
        raise UsageError(f"params.{name}.{kind}={text} is not right; write for example {_EXAMPLES[kind]}.")
    low, high = numbers[:2]
    if low >= high:
        raise UsageError(f"params.{name}.{kind}={values} is empty: {low:g} is not below {high:g}.")
    if (log or kind == "loguniform") and low <= 0:
        raise UsageError(f"params.{name}.{kind}={values} is logarithmic, so its lower end must be above 0.")
    if kind == "randint":
        if low != int(low) or high != int(high):
            raise UsageError(f"params.{name}.randint={values} takes whole numbers.")
        return IntDistribution(int(low), int(high) - 1, log=log)  # the upper end is not drawn, as in Ray and NumPy
    if kind == "quniform":
        if not 0 < numbers[2] <= high - low or log:
            raise UsageError(f"params.{name}.quniform={values} needs a step above 0 that fits in it, and no log.")
        return FloatDistribution(low, high, step=numbers[2])
    return FloatDistribution(low, high, log=log or kind == "loguniform")


def _check_values(config: type[TrainingConfig], name: str, distribution: BaseDistribution) -> None:
    """Check that the Config's field takes both ends of the range, or every choice."""
    if isinstance(distribution, CategoricalDistribution):
        ends = list(distribution.choices)
    else:
        ends = [distribution.low, distribution.high]
    for value in ends:
        try:
            config.convert(name, value)
        except UsageError as error:
            raise UsageError(f"params.{name}: {error}") from error
    if isinstance(distribution, FloatDistribution) and config.number_type(name) is int:
        raise UsageError(f"params.{name} is a whole number; use randint.")


def _conditions(config: type[TrainingConfig], name: str, when: Any) -> dict[str, tuple[Any, ...]]:
    if not isinstance(when, Mapping):
        text = describe_value(when)
        raise UsageError(f"params.{name}.when={text} is no condition; write for example {{weighting: gradnorm}}.")
    if name in when:
        raise UsageError(f"the conditions of {name} go in a circle; drop its `when`.")
    for parent, values in when.items():
        if values == []:
            raise UsageError(f"params.{name}.when.{parent}=[] is never true; give the values under which it applies.")
        if parent not in config.names():
            raise UsageError(describe_unknown(str(parent), config.names(), kind=f"field in params.{name}.when:"))
    lists = {parent: values if isinstance(values, list) else [values] for parent, values in when.items()}
    return {parent: tuple(_condition(config, name, parent, value) for value in lists[parent]) for parent in lists}


def _condition(config: type[TrainingConfig], name: str, parent: str, value: Any) -> Any:
    """Convert a value under which a dimension applies to what the parent's field holds."""
    try:
        return config.convert(parent, value)
    except UsageError as error:
        raise UsageError(f"params.{name}.when: {error}") from error


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST_SEED)


def _step_text(distribution: FloatDistribution | IntDistribution) -> str:
    return f" by {distribution.step:g}" if distribution.step not in (None, 1) else ""


_EXAMPLES = {
    "uniform": "[0, 1]",
    "loguniform": "[1e-5, 1e-3]",
    "quniform": "[0, 1, 0.25], the last number being the step",
    "randint": "[8, 65], 65 excluded",
    "choice": "[logistic, none]",
}
