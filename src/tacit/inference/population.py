"""Fit many mixtures together: restarts, folds, resamples and numbers of components as one population."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._typing import Key
from tacit.distributions import AbstractExponentialFamily
from tacit.inference import em
from tacit.inference.source import Source
from tacit.inference.starts import start

START_ROWS = 20_000  # starts work on at most this many rows
START_STEPS = 10
CHUNK_STEPS = 25  # steps between looks at who is still running
ROUNDING_LIMIT = 1e-9  # nats a row

_run = jax.jit(em.run, static_argnames=("length", "precise"))
_summarise = jax.jit(em.summarise, static_argnames="precise")
_advance = jax.jit(em.advance, static_argnames="centred")
_rounding = jax.jit(em.rounding)


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
    """One start that was followed: its parameters as NumPy arrays, figures, and how it ended."""

    member: Member
    start: int
    log_weights: np.ndarray  # (k,)
    components: AbstractExponentialFamily  # arrays (k, ...)
    log_likelihood: float  # of the training rows, nats, weighted sum, at these parameters
    heldout: float  # the same of the held-out rows
    steps: int
    status: int
    drop: float  # the largest fall of the bound between two steps
    bounds: np.ndarray = field(repr=False)  # nats a row, before each step
    finished: bool = True
    precise: bool = False

    @property
    def converged(self) -> bool:
        """Whether the last change was within the tolerance."""
        return self.status == em.CONVERGED

    @property
    def verdict(self) -> str:
        """How the fit ended, in words."""
        if not self.finished:
            return "stopped early"
        if self.status == em.NON_FINITE:
            return "non-finite"
        if self.drop > 1e-6 * max(1.0, float(np.abs(self.bounds[-1:]).max(initial=0.0))):
            return "decreased"
        return "converged" if self.converged else "ran out of steps"


def _pad_members(count: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, ...: few distinct shapes, few compilations."""
    size = 1
    while size < count:
        size = size * 3 // 2 if size & (size - 1) == 0 and size > 1 else max(size * 4 // 3, size + 1)
    return size


def _take(state: em.State, members: np.ndarray) -> em.State:
    return jax.tree.map(lambda a: a[members], state)


class _Runner:
    """Steps a population, on resident tiles or by streaming."""

    def __init__(self, source: Source, regularise: Any, tolerance: float, width: int) -> None:
        self.source, self.regularise, self.tolerance, self.width = source, regularise, tolerance, width
        self.tiles = source.tiles(width) if source.resident else None
        self.precise = False

    def summarise(self, population: em.Population) -> em.Summary:
        if self.tiles is not None:
            return _summarise(population, self.tiles, precise=self.precise)
        total = None
        for tiles in self.source.stream(self.width):
            part = _summarise(population, tiles, precise=self.precise)
            total = part if total is None else jax.tree.map(jnp.add, total, part)
        assert total is not None
        return total

    def run(self, state: em.State, max_steps: int) -> tuple[em.State, np.ndarray]:
        """Up to `max_steps` steps, switching to the precise path where rounding would show."""
        self.precise = self.precise or bool(np.max(_rounding(state.population)) > ROUNDING_LIMIT)
        if self.tiles is not None:
            state, bounds = _run(
                state, self.tiles, max_steps, self.tolerance, self.regularise,
                length=CHUNK_STEPS, precise=self.precise,
            )  # fmt: skip
            return state, np.asarray(bounds)
        rows = []
        for _ in range(max_steps):
            summary = self.summarise(state.population)
            state = _advance(state, summary, self.tolerance, self.regularise, centred=self.precise)
            rows.append(np.asarray(state.bound))
            if not np.any(np.asarray(state.status) == em.RUNNING):
                break
        return state, np.array(rows)


def _finish(runner: _Runner, state: em.State, max_steps: int, progress: Callable[[int, int], None]) -> list[dict]:
    """Run all members to the end, dropping those that have stopped from the device; one record each."""
    m = state.status.shape[0]
    where = np.arange(m)  # place in the original order of each member on the device; -1 for a stand-in
    records: list[dict] = [{} for _ in range(m)]
    histories: list[list[np.ndarray]] = [[] for _ in range(m)]
    done = 0

    def store(slots: np.ndarray) -> None:
        summary = jax.tree.map(np.asarray, runner.summarise(state.population))
        host = jax.tree.map(np.asarray, state)
        for slot in slots:
            records[where[slot]] = {
                "log_weights": host.population.log_weights[slot],
                "components": jax.tree.map(lambda a, slot=slot: a[slot], host.population.components),
                "log_likelihood": float(summary.log_likelihood[slot]),
                "heldout": float(summary.heldout[slot]),
                "steps": int(host.steps[slot]),
                "status": int(host.status[slot]),
                "drop": float(host.drop[slot]),
                "bounds": np.concatenate(histories[where[slot]] or [np.zeros(0)]),
                "precise": runner.precise,
            }

    while True:
        room = min(CHUNK_STEPS, max_steps - done)
        running = np.asarray(state.status) == em.RUNNING
        if room <= 0 or not running.any():
            store(np.flatnonzero(where >= 0))
            return records
        before = np.asarray(state.steps)
        state, bounds = runner.run(state, room)
        taken = np.asarray(state.steps) - before
        for slot, place in enumerate(where):
            if place >= 0:
                histories[place].append(bounds[: taken[slot], slot])
        done += room
        running = (np.asarray(state.status) == em.RUNNING) & (where >= 0)
        progress(int(running.sum()), m)
        size = _pad_members(int(running.sum()))
        if 0 < running.sum() and size < len(where):
            store(np.flatnonzero(~running & (where >= 0)))
            keep = np.flatnonzero(running)
            stand_in = np.full(size - len(keep), keep[0])
            state = _take(state, np.concatenate([keep, stand_in]))
            where = np.concatenate([where[keep], np.full(len(stand_in), -1)])
            status = jnp.where(jnp.asarray(where) < 0, em.CONVERGED, state.status)
            state = replace(state, status=status)


def _buckets(members: Sequence[Member]) -> list[list[int]]:
    """Places of members, those of similar size together: padding at most doubles a member."""
    by_size: dict[int, list[int]] = {}
    for place, member in enumerate(members):
        by_size.setdefault(max(member.k - 1, 0).bit_length(), []).append(place)
    return [by_size[size] for size in sorted(by_size)]


def fit_population(
    source: Source,
    family: AbstractExponentialFamily,
    members: Sequence[Member],
    regularise: Any,
    settings: Settings,
    *,
    key: Key,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> list[list[Fit]]:
    """For each member, its starts, best first: those that were finished, then those given up after a few steps.

    `family` is one unstacked member of the family, read for its class and shapes. Call inside `jax.enable_x64(True)`.
    """
    n = len(source.y)
    early = source
    if n > START_ROWS:
        picked = jax.random.choice(jax.random.fold_in(key, 0), n, (START_ROWS,), replace=False)
        early = source.subset(np.sort(np.asarray(picked)))
    results: list[list[Fit]] = [[] for _ in members]
    for bucket_number, places in enumerate(_buckets(members)):
        bucket = [members[place] for place in places]
        bucket_key = jax.random.fold_in(key, 1 + bucket_number)
        for place, fits in zip(places, _fit_bucket(source, early, family, bucket, regularise, settings, bucket_key, progress), strict=True):
            results[place] = fits
    return results


def _fit_bucket(
    source: Source,
    early: Source,
    family: AbstractExponentialFamily,
    members: Sequence[Member],
    regularise: Any,
    settings: Settings,
    key: Key,
    progress: Callable[[str, int, int], None],
) -> list[list[Fit]]:
    k = max(member.k for member in members)
    n_starts = 1 if k == 1 else settings.n_starts
    n_finish = min(settings.n_finish, n_starts)
    total = len(members) * n_starts
    counts = jnp.asarray(np.repeat([member.k for member in members], n_starts))
    weighting = jnp.asarray(np.repeat([member.weighting for member in members], n_starts))
    t = jax.eval_shape(
        family.statistics, jax.ShapeDtypeStruct((family.n_columns,), float), jax.ShapeDtypeStruct((family.n_columns,), bool)
    ).shape[0]

    progress(f"starts, up to {k} components", 0, total)
    runner = _Runner(early, regularise, settings.tolerance, max(t, total * k))
    tiles = runner.tiles if runner.tiles is not None else early.tiles(runner.width)
    begun = start(key, family, tiles, counts, weighting, regularise, k=k, method=settings.method)
    state = em.begin(begun)
    if n_finish < n_starts:
        state, bounds = runner.run(state, START_STEPS)
    else:
        bounds = np.zeros((0, total))
    summary = jax.tree.map(np.asarray, runner.summarise(state.population))
    value = np.where(np.isfinite(summary.log_likelihood), summary.log_likelihood, -np.inf)
    value = value.reshape(len(members), n_starts)
    order = np.argsort(-value, axis=1, kind="stable")
    chosen = (np.arange(len(members))[:, None] * n_starts + order[:, :n_finish]).ravel()

    fresh = early is not source
    finishing = em.begin(_take(state, chosen).population) if fresh else _take(state, chosen)
    runner = _Runner(source, regularise, settings.tolerance, max(t, len(chosen) * k))
    done = 0 if fresh else int(bounds.shape[0])
    records = _finish(
        runner, finishing, settings.max_steps - done, lambda a, b: progress(f"EM, up to {k} components", b - a, b)
    )
    host = jax.tree.map(np.asarray, state)
    results: list[list[Fit]] = []
    for i, member in enumerate(members):
        fits = []
        for j, s in enumerate(order[i]):
            slot = i * n_starts + s
            if j < n_finish:
                record = records[i * n_finish + j]
                early_bounds = bounds[:, slot] if not fresh else np.zeros(0)
                early_bounds = early_bounds[np.isfinite(early_bounds)]
                record = {**record, "bounds": np.concatenate([early_bounds, record["bounds"]])}
                finished = True
            else:
                record = {
                    "log_weights": host.population.log_weights[slot],
                    "components": jax.tree.map(lambda a, slot=slot: a[slot], host.population.components),
                    "log_likelihood": float(summary.log_likelihood[slot]),
                    "heldout": float(summary.heldout[slot]),
                    "steps": int(host.steps[slot]),
                    "status": int(host.status[slot]),
                    "drop": float(host.drop[slot]),
                    "bounds": bounds[:, slot],
                }
                finished = False
            record["log_weights"] = record["log_weights"][: member.k]
            record["components"] = jax.tree.map(lambda a, k=member.k: a[:k], record["components"])
            fits.append(Fit(member=member, start=int(s), finished=finished, **record))
        fits.sort(key=lambda fit: (not fit.finished, -np.nan_to_num(fit.log_likelihood, nan=-np.inf)))
        results.append(fits)
    return results
