"""The members of a conditional mixture: candidates that compete and an ensemble of each, trained as one population."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacit._device import placed
from tacit._typing import Key
from tacit.data.batch import Batch
from tacit.gradients import AbstractGradient, Enumeration, Pathwise
from tacit.inference.fit import Progress, quiet
from tacit.inference.noise import Noise
from tacit.inference.optimizers import AbstractOptimizer, Descent, as_optimizer
from tacit.networks import Fixed
from tacit.objectives import ELBO, IWAE
from tacit.training import Fitted, Population, stack, train
from tacit.workflow.conditional_aside import Judged, Rows, judged_on, set_aside
from tacit.workflow.conditional_plan import STEPS, Candidate, Plan, build

_FIGURES = ("value", "best_epoch", "epochs", "skipped", "verdict")  # of a training, one a member
_BOUNDS = ("training", "validation")  # of every epoch


@dataclass(frozen=True)
class Members:
    """The ensemble of the chosen candidate: stacked models and posteriors as NumPy arrays."""

    models: Any
    posteriors: Any
    chosen: Candidate
    judged: tuple[Judged, ...]
    training: np.ndarray  # mean bound of each epoch and member of the chosen candidate
    validation: np.ndarray
    held: np.ndarray  # which rows each member set aside (n, members)
    skipped: int
    seconds: float


def train_members(rows: Rows, plan: Plan, make_family: Any, *, key: Key, progress: Progress = quiet) -> Members:
    """Choose among the candidates of a plan, and train the ensemble of the one that is chosen.

    Each member sets aside rows, which judge its epochs. The first members of every candidate, the scouts, are trained
    together and set the same rows aside; the candidate whose scouts, as one mixture, score best on them gets the
    others, which set aside other rows. Where rows are many, one member of every candidate competes by a shorter
    training, and the ensemble is trained anew. `make_family(candidate)` gives the components' family. Raises
    `DataError` for too few rows.
    """
    held, population = set_aside(rows, plan)
    plan.check(make_family(plan.candidates[0]))
    job = _Job(rows, plan, make_family, population, key)
    choose = _after_trials if plan.shortly(len(rows)) else _among_scouts
    judged, best, ensemble = choose(job, held, progress)
    return Members(
        ensemble.model,
        ensemble.posterior,
        plan.candidates[best],
        tuple(judged),
        ensemble.training,
        ensemble.validation,
        held,
        int(np.sum(ensemble.skipped)),
        ensemble.seconds,
    )


def _among_scouts(job: _Job, held: np.ndarray, progress: Progress) -> tuple[list[Judged], int, Fitted]:
    """The first members of every candidate, trained in full, of which the chosen one's stay; then its others."""
    plan = job.plan
    scouts, others = np.split(np.arange(plan.n_members), [plan.n_scouts])
    fitted = job.train(plan.candidates, scouts, progress)
    judged = list(judged_on(fitted, plan, held[:, scouts], job.rows))
    best = _best(judged)
    ensemble = _part(fitted, slice(best * len(scouts), (best + 1) * len(scouts)))
    if len(others):
        ensemble = _joined(ensemble, _part(job.train((plan.candidates[best],), others, progress), slice(None)))
    return judged, best, ensemble


def _after_trials(job: _Job, held: np.ndarray, progress: Progress) -> tuple[list[Judged], int, Fitted]:
    """One member of every candidate, trained shortly; then all members of the best, in arrays of its own size."""
    trial = replace(job, plan=job.plan.trial())
    fitted = trial.train(trial.plan.candidates, np.arange(1), progress)
    judged = list(judged_on(fitted, job.plan, held[:, :1], job.rows))
    best = _best(judged)
    final = replace(job, plan=job.plan.only(job.plan.candidates[best]))
    ensemble = _part(final.train(final.plan.candidates, np.arange(job.plan.n_members), progress), slice(None))
    verdicts, epochs = (tuple(a.tolist()) for a in (ensemble.verdict, ensemble.epochs))
    judged[best] = replace(judged[best], verdicts=verdicts, epochs=epochs)
    return judged, best, ensemble


def _best(judged: list[Judged]) -> int:
    return int(np.argmax([one.figure.value for one in judged]))


@dataclass(frozen=True)
class _Job:
    """What all trainings of a plan share."""

    rows: Rows
    plan: Plan
    make_family: Any
    population: Population  # of the members of one candidate
    key: Key

    def train(self, candidates: tuple[Candidate, ...], members: np.ndarray, progress: Progress) -> Fitted:
        """Some members of some candidates as one population, candidates one after another."""
        plan, rows = self.plan, self.rows
        families = [self.make_family(candidate) for candidate in candidates]
        keys = jax.random.split(jax.random.fold_in(self.key, 0), plan.n_members)[members]
        built = [
            build(key, plan, candidate, family, rows.x.shape[1], rows.y.shape[1])
            for candidate, family in zip(candidates, families, strict=True)
            for key in keys  # members of different candidates begin alike: what differs is the settings
        ]
        models = stack([model for model, _ in built])
        posteriors = None if built[0][1] is None else stack([posterior for _, posterior in built])
        part = self.population.take(np.tile(members, len(candidates)))
        n = part.rows.shape[1]
        batch = plan.batch(n)
        steps = math.ceil(n / batch)  # an epoch

        def each(values: Iterable[float]) -> jax.Array:
            return placed(np.repeat(list(values), len(members)), jnp.float32)

        ends = [plan.max_epochs or math.ceil((candidate.steps or STEPS[0]) / steps) for candidate in candidates]
        epochs = np.repeat(ends, len(members))
        noisy = any(one.noise for one in plan.candidates)
        noisy_targets = families[0].numeric and any(one.target_noise for one in plan.candidates)
        noise = Noise(
            each(one.noise for one in candidates) if noisy else None,
            each(one.target_noise for one in candidates) if noisy_targets else None,
        )
        data = Batch(rows.y, rows.x, None, rows.weight, None)
        for number, factor in enumerate((*plan.anneal, 1.0)):
            if plan.latent == "concrete":
                models = _at_temperature(models, factor * plan.prior_temperature)
            fitted = train(
                models,
                posteriors,
                data,
                key=jax.random.fold_in(self.key, 1 + number + 100 * int(members[0])),
                objective=IWAE() if plan.objective == "iwae" else ELBO(kl=plan.kl),
                gradient=_gradient(plan),
                optimizer=_optimizer(plan, candidates, each, epochs * steps),
                num_samples=plan.num_samples,
                noise=noise,
                batch_size=batch,
                max_epochs=epochs,
                patience=plan.patience,
                population=part,
                checkpoint=None if plan.kept is None else plan.kept.following(),
                progress=progress,
            )
            models, posteriors = fitted.model, fitted.posterior
        return fitted


def _gradient(plan: Plan) -> AbstractGradient:
    if plan.gradient is not None:
        chosen: AbstractGradient = plan.gradient
        return chosen
    return Enumeration() if plan.latent == "categorical" else Pathwise()


def _optimizer(plan: Plan, candidates: tuple[Candidate, ...], each: Any, steps: np.ndarray) -> AbstractOptimizer:
    if not isinstance(plan.optimizer, str):
        return as_optimizer(plan.optimizer)
    return Descent(
        each(one.learning_rate for one in candidates),
        each(one.weight_decay for one in candidates),
        placed(steps, jnp.float32),
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


def _part(fitted: Fitted, members: slice) -> Fitted:
    """Some of the members of a training, as NumPy arrays."""

    def some(tree: Any) -> Any:
        return jax.tree.map(lambda a: np.asarray(a)[members] if eqx.is_array_like(a) else a, tree)

    figures = {name: getattr(fitted, name)[members] for name in _FIGURES}
    bounds = {name: getattr(fitted, name)[:, members] for name in _BOUNDS}
    return replace(fitted, model=some(fitted.model), posterior=some(fitted.posterior), **figures, **bounds)


def _joined(one: Fitted, two: Fitted) -> Fitted:
    """The members of two trainings together."""

    def both(a: Any, b: Any) -> Any:
        return jax.tree.map(lambda u, v: np.concatenate([u, v]) if eqx.is_array_like(u) else u, a, b)

    longest = max(len(one.training), len(two.training))

    def side_by_side(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        padded = [np.pad(c, ((0, longest - len(c)), (0, 0)), constant_values=np.nan) for c in (a, b)]
        return np.concatenate(padded, axis=1)

    figures: dict[str, Any] = {name: np.concatenate([getattr(one, name), getattr(two, name)]) for name in _FIGURES}
    bounds: dict[str, Any] = {name: side_by_side(getattr(one, name), getattr(two, name)) for name in _BOUNDS}
    model, posterior = both(one.model, two.model), both(one.posterior, two.posterior)
    return replace(one, model=model, posterior=posterior, **figures, **bounds, seconds=one.seconds + two.seconds)
