"""The members of a conditional mixture: candidates that compete and an ensemble of each, trained as one population."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._errors import DataError
from tacit._typing import Key
from tacit.data.batch import Batch
from tacit.data.split import folds as deal_folds
from tacit.evaluation.result import Result, mean_result
from tacit.gradients import AbstractGradient, Enumeration, Pathwise
from tacit.inference.fit import Progress, quiet
from tacit.inference.joint import Noise
from tacit.inference.optimizers import AbstractOptimizer, Descent, as_optimizer
from tacit.networks import Fixed
from tacit.objectives import ELBO, IWAE
from tacit.training import Fitted, Population, stack, train
from tacit.workflow.conditional_plan import Candidate, Plan, build

FEWEST = 10  # rows below which none are set aside to judge epochs


@dataclass(frozen=True)
class Rows:
    """Standardised rows: x (n, p), y (n, d), weight (n,), and what keeps rows together when they are split."""

    x: Float[np.ndarray, "n p"]
    y: Float[np.ndarray, "n d"]
    weight: Float[np.ndarray, " n"]
    group: np.ndarray | None = None
    time: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Judged:
    """One candidate and what its members scored on the rows set aside, in nats a row of the standardised target."""

    candidate: Candidate
    figure: Result
    verdicts: tuple[str, ...]
    epochs: tuple[int, ...]


@dataclass(frozen=True)
class Members:
    """The ensemble of the chosen candidate: stacked models and posteriors as NumPy arrays."""

    models: Any
    posteriors: Any
    chosen: Candidate
    judged: tuple[Judged, ...]
    training: np.ndarray  # mean bound of each epoch and member of the chosen candidate
    validation: np.ndarray
    skipped: int
    seconds: float


def train_members(rows: Rows, plan: Plan, make_family: Any, *, key: Key, progress: Progress = quiet) -> Members:
    """Train every candidate's members together, choose the candidate that scored best, and keep its members.

    Each member sets aside rows of its own, which judge its epochs and, averaged over the members of a candidate,
    the candidate. `make_family(candidate)` gives the components' family. Raises `DataError` for too few rows.
    """
    held, folds = _population(rows, plan)
    candidates = plan.candidates
    families = [make_family(candidate) for candidate in candidates]
    plan.check(families[0])
    key_build, key_train = jax.random.split(key)
    p, d = rows.x.shape[1], rows.y.shape[1]
    keys = jax.random.split(key_build, plan.n_members)
    built = [
        build(one, plan, candidate, family, p, d)
        for candidate, family in zip(candidates, families, strict=True)
        for one in keys  # members of different candidates begin alike: what differs is the settings
    ]
    models = stack([model for model, _ in built])
    posteriors = None if built[0][1] is None else stack([posterior for _, posterior in built])
    population = Population(np.tile(folds.rows, (len(candidates), 1)), np.tile(folds.validation, (len(candidates), 1)))
    steps = math.ceil(folds.rows.shape[1] / min(plan.batch_size, folds.rows.shape[1]))

    def each(values: list[float]) -> jax.Array:
        return jnp.asarray(np.repeat(values, plan.n_members), jnp.float32)

    ends = [plan.max_epochs or math.ceil(candidate.steps / steps) for candidate in candidates]
    epochs = np.repeat(ends, plan.n_members)
    noise = each([candidate.noise for candidate in candidates])
    noisy = any(candidate.noise for candidate in candidates)
    numeric = families[0].numeric
    data = Batch(rows.y, rows.x, None, rows.weight, None)
    fitted = None
    for number, factor in enumerate((*plan.anneal, 1.0)):
        if plan.latent == "concrete":
            models = _at_temperature(models, factor * plan.prior_temperature)
        fitted = train(
            models,
            posteriors,
            data,
            key=jax.random.fold_in(key_train, number),
            objective=IWAE() if plan.objective == "iwae" else ELBO(kl=plan.kl),
            gradient=_gradient(plan),
            optimizer=_optimizer(plan, each, epochs * steps),
            num_samples=plan.num_samples,
            noise=Noise(noise, noise if numeric else 0.0) if noisy else None,
            batch_size=plan.batch_size,
            max_epochs=epochs,
            patience=plan.patience,
            population=population,
            progress=progress,
        )
        models, posteriors = fitted.model, fitted.posterior
    assert fitted is not None
    return _choose(fitted, plan, held, rows)


def _population(rows: Rows, plan: Plan) -> tuple[np.ndarray, Population]:
    """The rows set aside of each member (n, members), and the same as places."""
    n = int(np.sum(rows.weight > 0))
    if n < 2:
        raise DataError("One row is too few to learn from.", mend="Give two rows or more.")
    counted = np.flatnonzero(rows.weight > 0)
    held = np.zeros((len(rows), plan.n_members), bool)
    group, time = (None if a is None else a[counted] for a in (rows.group, rows.time))
    units = n if group is None else len(np.unique(group))
    if min(n, units) >= FEWEST and plan.validation_fraction > 0:
        n_folds = min(max(round(1 / plan.validation_fraction), 2), units)
        dealt = deal_folds(n, n_folds, seed=plan.seed, group=group, time=time)
        for member in range(plan.n_members):
            held[counted, member] = dealt == (n_folds - 1 - member) % n_folds
    places = [(np.setdiff1d(counted, np.flatnonzero(one)), np.flatnonzero(one)) for one in held.T]
    return held, Population(_padded([a for a, _ in places], len(rows)), _padded([b for _, b in places], len(rows)))


def _padded(places: list[np.ndarray], n: int) -> np.ndarray:
    """Places as one array, filled up with n, which is no row."""
    width = max(map(len, places))
    return np.stack([np.pad(one, (0, width - len(one)), constant_values=n) for one in places]).astype(np.int32)


def _gradient(plan: Plan) -> AbstractGradient:
    if plan.gradient is not None:
        chosen: AbstractGradient = plan.gradient
        return chosen
    return Enumeration() if plan.latent == "categorical" else Pathwise()


def _optimizer(plan: Plan, each: Any, steps: np.ndarray) -> AbstractOptimizer:
    if not isinstance(plan.optimizer, str):
        return as_optimizer(plan.optimizer)
    return Descent(
        each([candidate.learning_rate for candidate in plan.candidates]),
        each([candidate.weight_decay for candidate in plan.candidates]),
        jnp.asarray(steps, jnp.float32),
        rule=plan.optimizer,
    )


def _at_temperature(models: Any, temperature: float) -> Any:
    """The models with this temperature of the prior."""

    def place(model: Any) -> Any:
        return model.prior.log_temperature

    size = len(models.prior.log_temperature.value)
    return eqx.tree_at(
        place, models, Fixed(jnp.full(size, math.log(temperature), jnp.float32)), is_leaf=lambda a: isinstance(a, Fixed)
    )


def _choose(fitted: Fitted, plan: Plan, held: np.ndarray, rows: Rows) -> Members:
    m = plan.n_members
    shares = held.T @ rows.weight if held.any() else np.ones(m)
    values = np.asarray(fitted.value, float).reshape(-1, m)
    epochs = np.asarray(fitted.epochs).reshape(-1, m)
    verdicts = np.asarray(fitted.verdict).reshape(-1, m)
    judged = []
    for number, candidate in enumerate(plan.candidates):
        finite = np.isfinite(values[number])
        scored = np.where(finite, values[number], -np.inf)
        name = "on the rows set aside" if held.any() else "on the training rows"
        figure = mean_result(name, scored, weight=shares, kind="exact" if plan.exact else "lower bound")
        judged.append(Judged(candidate, figure, tuple(verdicts[number].tolist()), tuple(epochs[number].tolist())))
    best = int(np.argmax([one.figure.value for one in judged]))
    part = slice(best * m, (best + 1) * m)
    models, posteriors = (
        jax.tree.map(lambda a: np.asarray(a)[part] if eqx.is_array_like(a) else a, tree)
        for tree in (fitted.model, fitted.posterior)
    )
    return Members(
        models,
        posteriors,
        plan.candidates[best],
        tuple(judged),
        fitted.training[:, part],
        fitted.validation[:, part],
        int(np.sum(fitted.skipped[part])),
        fitted.seconds,
    )
