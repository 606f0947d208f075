"""Fit many mixtures together: restarts, folds, resamples and numbers of components as one population."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._typing import Key
from tacit.distributions import AbstractExponentialFamily
from tacit.inference import em
from tacit.inference.source import Source
from tacit.inference.starts import start
from tacit.models import FiniteMixture

START_ROWS = 20_000  # starts work on at most this many rows
START_STEPS = 10
CHUNK_STEPS = 25  # steps between looks at who is still running
ROUNDING_LIMIT = 1e-9  # nats a row

Progress = Callable[[str, int, int], None]  # stage, done, total
Adjust = Callable[[em.Population], em.Population]

_run = jax.jit(em.run, static_argnames=("length", "precise"))
_summarise = jax.jit(em.summarise, static_argnames="precise")
_advance = jax.jit(em.advance, static_argnames="centred")
_rounding = jax.jit(em.rounding)


def quiet(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Settings:
    """How EM runs: starts, how many of them finish, steps and tolerance (nats a row)."""

    n_starts: int = 10
    n_finish: int = 3
    method: str = "k-means++"
    max_steps: int = 1000
    tolerance: float = 1e-5


@dataclass(frozen=True)
class Member:
    """One mixture of the population: its number of components, and the weighting of the rows that it sees."""

    k: int
    weighting: int = 0


@dataclass(frozen=True)
class Fit:
    """One mixture that was fitted, as NumPy arrays: its figures, and how it ended."""

    mixture: FiniteMixture
    log_likelihood: float  # of the training rows at these parameters: weighted sum, nats
    heldout: float  # the same of the held-out rows
    steps: int
    status: int
    drop: float  # the largest fall of the bound between two steps
    bounds: np.ndarray = field(repr=False)  # nats a row, before each step
    precise: bool  # whether the path that keeps digits far from the centre was needed
    start: int = 0
    finished: bool = True

    @property
    def converged(self) -> bool:
        """Whether the last change was within the tolerance."""
        return self.finished and self.status == em.CONVERGED

    @property
    def verdict(self) -> str:
        """How the fit ended, in words."""
        if self.status == em.NON_FINITE:
            return "non-finite"
        if not self.finished:
            return "stopped early"
        if self.drop > 1e-6 * max(1.0, abs(self.bounds[-1])):
            return "decreased"
        return "converged" if self.converged else "ran out of steps"


class _Runner:
    """Steps a population, on resident tiles or by streaming."""

    def __init__(self, source: Source, regularise: Any, tolerance: float, width: int) -> None:
        self.source, self.regularise, self.tolerance, self.width = source, regularise, tolerance, width
        self.tiles = source.tiles(width) if source.resident else None
        self.precise = False

    def summarise(self, population: em.Population) -> em.Summary:
        if self.tiles is not None:
            return _summarise(population, self.tiles, precise=self.precise)
        parts = (
            _summarise(population, tiles, precise=self.precise) for tiles in self.source.stream(self.width)
        )
        total = next(parts)
        for part in parts:
            total = jax.tree.map(jnp.add, total, part)
        return total

    def run(self, state: em.State, max_steps: int) -> tuple[em.State, np.ndarray]:
        """Up to `max_steps` steps, on the path that keeps digits if rounding would show on the fast one."""
        self.precise = self.precise or bool(np.max(_rounding(state.population)) > ROUNDING_LIMIT)
        if self.tiles is not None:
            state, bounds = _run(
                state, self.tiles, max_steps, self.tolerance, self.regularise,
                length=CHUNK_STEPS, precise=self.precise,
            )  # fmt: skip
            return state, np.asarray(bounds)
        bounds = []
        while len(bounds) < max_steps and np.any(np.asarray(state.status) == em.RUNNING):
            summary = self.summarise(state.population)
            state = _advance(state, summary, self.tolerance, self.regularise, centred=self.precise)
            bounds.append(np.asarray(state.bound))
        return state, np.array(bounds)

    def record(self, state: em.State, slots: Sequence[int], bounds: Sequence[np.ndarray]) -> list[Fit]:
        """The members in these slots as they stand."""
        summary, state = jax.tree.map(np.asarray, (self.summarise(state.population), state))
        fits = []
        for slot, history in zip(slots, bounds, strict=True):
            log_weights = state.population.log_weights[slot]
            k = int(np.sum(~np.isneginf(log_weights)))
            stack = jax.tree.map(lambda a, slot=slot, k=k: a[slot, :k], state.population.components)
            fit = Fit(
                FiniteMixture.of(log_weights[:k], stack),
                log_likelihood=float(summary.log_likelihood[slot]),
                heldout=float(summary.heldout[slot]),
                steps=int(state.steps[slot]),
                status=int(state.status[slot]),
                drop=float(state.drop[slot]),
                bounds=history,
                precise=self.precise,
            )
            fits.append(fit)
        return fits


def _few_sizes(count: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, ...: few distinct shapes, few compilations."""
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if power >= 4 and count <= power * 3 // 4 else power


def _take(tree: Any, members: np.ndarray) -> Any:
    return jax.tree.map(lambda a: a[members], tree)


def _finish(runner: _Runner, state: em.State, max_steps: int, progress: Progress, stage: str) -> list[Fit]:
    """Run all members to their end; those that have stopped leave the device, so they cost no more."""
    m = state.status.shape[0]
    place = np.arange(m)  # of the member in each slot of the device; -1 in a slot that only fills the shape
    histories: list[list[np.ndarray]] = [[] for _ in range(m)]
    fits: dict[int, Fit] = {}

    def store(slots: np.ndarray) -> None:
        bounds = [np.concatenate([np.zeros(0), *histories[place[slot]]]) for slot in slots]
        fits.update(zip(place[slots].tolist(), runner.record(state, slots.tolist(), bounds), strict=True))

    while True:
        running = (np.asarray(state.status) == em.RUNNING) & (place >= 0)
        progress(stage, m - int(running.sum()), m)
        if max_steps <= 0 or not running.any():
            store(np.flatnonzero(place >= 0))
            return [fits[i] for i in range(m)]
        size = _few_sizes(int(running.sum()))
        if size < len(place):
            store(np.flatnonzero(~running & (place >= 0)))
            slots = np.flatnonzero(running)
            filler = np.full(size - len(slots), slots[0])
            place = np.concatenate([place[slots], np.full(len(filler), -1)])
            state = _take(state, np.concatenate([slots, filler]))
            state = replace(state, status=jnp.where(jnp.asarray(place) < 0, em.CONVERGED, state.status))
        before = np.asarray(state.steps)
        state, bounds = runner.run(state, min(CHUNK_STEPS, max_steps))
        max_steps -= CHUNK_STEPS
        for slot in np.flatnonzero(place >= 0):
            histories[place[slot]].append(bounds[: int(state.steps[slot]) - before[slot], slot])


def _width(population: em.Population) -> int:
    """Columns of the widest array that a tile makes."""
    family = jax.tree.map(lambda a: a[0, 0], population.components)
    row, seen = (jax.ShapeDtypeStruct((family.n_columns,), kind) for kind in (float, bool))
    return max(jax.eval_shape(family.statistics, row, seen).shape[0], population.log_weights.size)


def refine(
    source: Source,
    population: em.Population,
    regularise: Any,
    settings: Settings,
    *,
    progress: Progress = quiet,
) -> list[Fit]:
    """EM from given parameters, to convergence. Call inside `jax.enable_x64(True)`."""
    runner = _Runner(source, regularise, settings.tolerance, _width(population))
    return _finish(runner, em.begin(population), settings.max_steps, progress, "EM")


def _buckets(members: Sequence[Member]) -> list[list[int]]:
    """Places of members, those of similar size together: padding at most doubles a member."""
    by_size: dict[int, list[int]] = {}
    for place, member in enumerate(members):
        by_size.setdefault((member.k - 1).bit_length(), []).append(place)
    return [by_size[size] for size in sorted(by_size)]


def fit_population(
    source: Source,
    family: AbstractExponentialFamily,
    members: Sequence[Member],
    regularise: Any,
    settings: Settings,
    *,
    key: Key,
    adjust: Adjust = lambda population: population,
    progress: Progress = quiet,
) -> list[list[Fit]]:
    """For each member its starts, best first: those that were finished, then those given up after a few steps.

    `family` is one unstacked member of the family, read for its class and shapes; `adjust` may overwrite the
    starting points. Call inside `jax.enable_x64(True)`.
    """
    early, n = source, len(source.y)
    if n > START_ROWS:
        picked = jax.random.choice(jax.random.fold_in(key, 0), n, (START_ROWS,), replace=False)
        early = source.subset(np.sort(np.asarray(picked)))
    results: list[list[Fit]] = [[] for _ in members]
    for number, places in enumerate(_buckets(members)):
        bucket = [members[place] for place in places]
        fits = _fit_bucket(
            source,
            early,
            family,
            bucket,
            regularise,
            settings,
            jax.random.fold_in(key, 1 + number),
            adjust,
            progress,
        )
        for place, starts in zip(places, fits, strict=True):
            results[place] = starts
    return results


def _fit_bucket(
    source: Source,
    early: Source,
    family: AbstractExponentialFamily,
    members: Sequence[Member],
    regularise: Any,
    settings: Settings,
    key: Key,
    adjust: Adjust,
    progress: Progress,
) -> list[list[Fit]]:
    k = max(member.k for member in members)
    n_starts = 1 if k == 1 else settings.n_starts
    n_finish = min(settings.n_finish, n_starts)
    counts = jnp.asarray(np.repeat([member.k for member in members], n_starts))
    weighting = jnp.asarray(np.repeat([member.weighting for member in members], n_starts))

    few, many = "component" if k == 1 else f"up to {k} components", len(counts)
    progress(f"starts, {few}", 0, many)
    wide = jnp.zeros((many, k))
    runner = _Runner(
        early, regularise, settings.tolerance, _width(em.Population(wide, _stacked(family), weighting))
    )
    tiles = runner.tiles if runner.tiles is not None else early.tiles(runner.width)
    begun = adjust(start(key, family, tiles, counts, weighting, regularise, k=k, method=settings.method))
    state, bounds = em.begin(begun), np.zeros((0, many))
    if n_finish < n_starts:
        state, bounds = runner.run(state, START_STEPS)
    histories = [bounds[: int(steps), slot] for slot, steps in enumerate(state.steps)]
    tried = runner.record(state, range(many), histories)

    value = np.array([fit.log_likelihood for fit in tried]).reshape(-1, n_starts)
    order = np.argsort(-np.where(np.isfinite(value), value, -np.inf), axis=1, kind="stable")
    chosen = (np.arange(len(members))[:, None] * n_starts + order[:, :n_finish]).ravel()
    going_on = _take(state, chosen)
    if early is not source:  # a bound on other rows says nothing of the next change
        going_on, histories = em.begin(going_on.population), [np.zeros(0)] * many
        runner = _Runner(source, regularise, settings.tolerance, _width(going_on.population))
    taken = int(np.max(np.asarray(going_on.steps), initial=0))
    followed = _finish(runner, going_on, settings.max_steps - taken, progress, f"EM, {few}")

    results: list[list[Fit]] = []
    for i in range(len(members)):
        starts = [replace(tried[i * n_starts + s], start=int(s), finished=False) for s in order[i]]
        for j in range(n_finish):
            slot = chosen[i * n_finish + j]
            history = np.concatenate([histories[slot], followed[i * n_finish + j].bounds])
            starts[j] = replace(followed[i * n_finish + j], start=int(order[i, j]), bounds=history)
        starts[:n_finish] = sorted(
            starts[:n_finish], key=lambda fit: -np.nan_to_num(fit.log_likelihood, nan=-np.inf)
        )
        results.append(starts)
    return results


def _stacked(family: AbstractExponentialFamily) -> AbstractExponentialFamily:
    return jax.tree.map(lambda a: a[None, None], family)
