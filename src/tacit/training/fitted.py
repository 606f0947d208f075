"""What comes of training: members are collected as they stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import numpy as np

from tacit._errors import FitError
from tacit.training.epochs import Course
from tacit.training.population import take

SETTLED = 0.01  # nats a row that the last tenth of the epochs may still gain in a fit called converged


@dataclass(frozen=True)
class Fitted:
    """A trained model and posterior, as NumPy arrays; with a population, every figure has a member axis.

    `training`, `validation`: mean bound of each epoch, (epochs, ...), NaN once a member has stopped;
    `value`: the best validation bound (without validation rows the last training bound), nats a row;
    `best_epoch`: the epoch whose parameters these are; `skipped`: steps not taken because they were not finite;
    `metrics`: of every metric its mean over the validation rows after each epoch, (epochs, ...).
    """

    model: Any
    posterior: Any
    training: np.ndarray = field(repr=False)
    validation: np.ndarray = field(repr=False)
    value: Any
    best_epoch: Any
    epochs: Any
    skipped: Any
    verdict: Any
    seconds: float
    metrics: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)


class Keeper:
    """Collects members as they stop."""

    def __init__(self, courses: Course, size: int, metrics: tuple[str, ...]) -> None:
        self.size, self.metrics = size, metrics
        self.seen = [np.zeros((0, size, 2 + len(metrics)), np.float32)]
        self.final: Any = jax.tree.map(lambda a: np.array(a) if eqx.is_array(a) else a, kept(courses))

    def record(self, done: int, alive: np.ndarray, seen: np.ndarray) -> None:
        values = np.full((len(seen), self.size, 2 + len(self.metrics)), np.nan, np.float32)
        values[:, alive] = seen
        self.seen.append(values)

    def content(self) -> Any:
        """All of it as arrays, for a checkpoint."""
        return np.concatenate(self.seen), self.final

    def restore(self, content: Any) -> None:
        """What `content` gave."""
        seen, self.final = content
        self.seen = [seen]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        every = np.concatenate(self.seen)
        return every[..., 0], every[..., 1]

    def measured(self) -> dict[str, np.ndarray]:
        every = np.concatenate(self.seen)
        return {name: every[..., 2 + i] for i, name in enumerate(self.metrics)}

    def keep(self, alive: np.ndarray, courses: Course) -> None:
        def put(whole: Any, part: Any) -> None:
            if eqx.is_array(whole):  # a module may hold other things, such as a function or a switch
                whole[alive] = np.asarray(part)

        jax.tree.map(put, self.final, kept(courses))

    def fitted(self, single: bool, ends: np.ndarray, seconds: float) -> Fitted:
        (model, posterior), value, best_epoch, epochs, skipped = self.final
        training, validation = self.bounds()
        if np.isnan(validation).all():
            value = training[epochs - 1, np.arange(self.size)]
        if not np.isfinite(value).any():
            raise FitError("no epoch gave a finite objective.", mend="Lower the learning rate, or look at the data.")
        verdict = [_verdict(*m) for m in zip(validation.T, value, epochs, ends, strict=True)]
        arrays = (training, validation, value, best_epoch, epochs, skipped, np.array(verdict))
        measured = self.measured()
        if single:
            model, posterior = take(model, 0), take(posterior, 0)
            arrays = (training[:, 0], validation[:, 0], *(a[0] for a in arrays[2:]))
            measured = {name: values[:, 0] for name, values in measured.items()}
        return Fitted(model, posterior, *arrays, seconds, measured)


def kept(courses: Course) -> Any:
    """What is kept of a member: the best model and posterior, and its figures."""
    return courses.best, courses.best_value, courses.best_epoch, courses.epoch, courses.state.skipped


def _verdict(validation: np.ndarray, value: float, epochs: int, max_epochs: int) -> str:
    if not np.isfinite(value):
        return "non-finite"
    if epochs < max_epochs:
        return "converged"
    before = validation[: max(int(0.9 * epochs), 1)]
    judged = before[np.isfinite(before)]
    return "converged" if judged.size and value - judged.max() < SETTLED else "ran out of steps"
