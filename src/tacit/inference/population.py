"""Fit many mixtures together: restarts, folds, resamples and numbers of components as one population."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._device import compiled_lean
from tacit._typing import Key
from tacit.distributions import AbstractExponentialFamily
from tacit.inference import em
from tacit.inference.fit import Fit, Member, Progress, Settings, quiet
from tacit.inference.source import Source
from tacit.inference.starts import start
from tacit.inference.tiles import Tiles
from tacit.models import FiniteMixture

START_ROWS = 20_000  # starts work on at most this many complete rows, or fewer with holes that take a step as long
LEAST_START_ROWS = 2_000  # but on no fewer than this
START_STEPS = 10
CHUNK_STEPS = 10  # steps between looks at who is still running; no fewer than those of a start
PADDING = 1.3  # largest ratio of numbers of components that run padded to the same
SMALL, SMALL_LONE = 3, 2  # components up to which padding costs less than compiling; where rows are completed alone
TAIL_STEPS = 50  # that the slowest members may still take when most have stopped
COMPILE_FLOPS = 2e10  # about what a core could do in the time that one compilation takes
ROUNDING_LIMIT = 1e-9  # nats a row

Adjust = Callable[[em.Population], em.Population]

_run = compiled_lean(em.run, ("length", "precise"))
_summarise = compiled_lean(em.summarise, ("precise",))
_score = compiled_lean(em.score, ("precise",))
_advance = compiled_lean(em.advance, ("centred",))
_rounding = compiled_lean(em.rounding)


class _Runner:
    """Steps a population, on resident tiles or by streaming. States rest on the host, as NumPy."""

    def __init__(
        self, source: Source, population: em.Population, regularise: Any, tolerance: float, precise: bool = False
    ) -> None:
        self.source, self.regularise, self.tolerance, self.precise = source, regularise, tolerance, precise
        self.n_statistics = _n_statistics(jax.tree.map(lambda a: a[0, 0], population.components))
        self.width = max(self.n_statistics, population.log_weights.size)  # of the widest array a tile makes
        self.tiles = source.tiles(self.width, population.log_weights.size) if source.resident else None

    def passes(self) -> Iterator[Tiles]:
        """All rows once, in as few pieces as memory allows."""
        yield from self.source.stream(self.width) if self.tiles is None else (self.tiles,)

    def run(self, state: em.State, max_steps: int) -> tuple[em.State, np.ndarray]:
        """Up to `CHUNK_STEPS` steps and their bounds; taken again with more digits where rounding would show."""
        ran, bounds, rounding = self._run(state, min(max_steps, CHUNK_STEPS))
        if not self.precise and np.max(rounding) > ROUNDING_LIMIT:
            self.precise = True
            ran, bounds, _ = self._run(state, min(max_steps, CHUNK_STEPS))
        return ran, bounds

    def _run(self, state: em.State, max_steps: int) -> Any:
        if self.tiles is not None:
            args = state, self.tiles, max_steps, self.tolerance, self.regularise
            return jax.tree.map(np.asarray, _run(*args, length=CHUNK_STEPS, precise=self.precise))
        bounds: list[np.ndarray] = []
        while len(bounds) < max_steps and np.any(np.asarray(state.status) == em.RUNNING):
            parts = (_summarise(state.population, tiles, precise=self.precise) for tiles in self.passes())
            total = next(parts)
            for part in parts:  # one chunk at a time on the device: waiting keeps memory to that of one
                total = jax.block_until_ready(jax.tree.map(jnp.add, total, part))
            state = _advance(state, total, self.tolerance, self.regularise, centred=self.precise)
            bounds.append(np.asarray(state.bound))
        return jax.tree.map(np.asarray, (state, np.array(bounds), _rounding(state.population)))

    def log_likelihoods(self, population: em.Population) -> np.ndarray:
        """Weighted sums of log densities at these parameters: the bound that a step from here would start at."""
        bounds = self._run(em.begin(population), 1)[0].bound
        return bounds * self.source.total_weight()[np.asarray(population.weighting)]


def _few_sizes(count: int) -> int:
    """The next of 1, 4, 16, ...: few distinct shapes, so few compilations."""
    return 4 ** -(-(count - 1).bit_length() // 2)


def _worth_compiling(source: Source, n_statistics: int, columns: int) -> bool:
    """Whether the steps to come over this many members times components take longer than compiling a smaller one."""
    return 4 * TAIL_STEPS * source.work * n_statistics * columns > COMPILE_FLOPS


def _n_statistics(family: AbstractExponentialFamily) -> int:
    row, seen = (jax.ShapeDtypeStruct((family.n_columns,), kind) for kind in (float, bool))
    return jax.eval_shape(family.statistics, row, seen).shape[0]


def _take(tree: Any, members: np.ndarray) -> Any:
    return jax.tree.map(lambda a: np.asarray(a)[members], tree)


def _put(tree: Any, members: np.ndarray, new: Any) -> None:
    def assign(into: np.ndarray, values: np.ndarray) -> None:
        into[members] = values

    jax.tree.map(assign, tree, new)


def _finish(
    runner: _Runner, state: em.State, max_steps: int, progress: Progress, stage: str
) -> tuple[em.State, list[np.ndarray]]:
    """Run all members to their end, and the bounds of each; those that have stopped leave the device."""
    final = jax.tree.map(np.array, state)
    m = len(final.status)
    place = np.arange(m)  # of the member in each slot of the device; -1 in a slot that only fills the shape
    histories: list[list[np.ndarray]] = [[np.zeros(0)] for _ in range(m)]
    while True:
        running = (np.asarray(state.status) == em.RUNNING) & (place >= 0)
        progress(stage, m - int(running.sum()), m)
        if max_steps <= 0 or not running.any():
            return em.settled(final), [np.concatenate(history) for history in histories]
        size = _few_sizes(int(running.sum()))
        columns = state.population.log_weights.size
        if size < len(place) and _worth_compiling(runner.source, runner.n_statistics, columns):
            slots = np.flatnonzero(running)
            filler = np.full(size - len(slots), slots[0])
            place = np.concatenate([place[slots], np.full(len(filler), -1)])
            state = _take(state, np.concatenate([slots, filler]))
            state = replace(state, status=np.where(place < 0, em.CONVERGED, state.status))
        before = np.asarray(state.steps)
        state, bounds = runner.run(state, max_steps)
        max_steps -= CHUNK_STEPS
        real = np.flatnonzero(place >= 0)
        _put(final, place[real], _take(state, real))
        for slot in real:
            histories[place[slot]].append(bounds[: state.steps[slot] - before[slot], slot])


def _record(
    state: em.State, log_likelihoods: np.ndarray, bounds: Sequence[np.ndarray], *, precise: bool, finished: bool = True
) -> list[Fit]:
    """Every member of a state as a `Fit`."""
    fits = []
    for slot, history in enumerate(bounds):
        log_weights = state.population.log_weights[slot]
        k = int(np.sum(~np.isneginf(log_weights)))
        stack = jax.tree.map(lambda a, slot=slot, k=k: a[slot, :k], state.population.components)
        fit = Fit(
            FiniteMixture.of(log_weights[:k], stack),
            log_likelihood=float(log_likelihoods[slot]),
            steps=int(state.steps[slot]),
            status=int(state.status[slot]),
            drop=float(state.drop[slot]),
            bounds=history,
            precise=precise,
            finished=finished,
        )
        fits.append(fit)
    return fits


def refine(
    source: Source,
    population: em.Population,
    regularise: Any,
    settings: Settings,
    *,
    bound: float = -np.inf,
    progress: Progress = quiet,
) -> list[Fit]:
    """EM from given parameters, to convergence. Call inside `jax.enable_x64(True)`.

    `bound` (nats a row) is the one before the step that led here, where EM goes on from an earlier run.
    """
    runner = _Runner(source, population, regularise, settings.tolerance)
    begun = em.begin(population, plain=settings.plain_steps)
    begun = replace(begun, bound=np.full_like(begun.bound, bound))
    state, bounds = _finish(runner, begun, settings.max_steps, progress, "EM")
    return _record(state, runner.log_likelihoods(state.population), bounds, precise=runner.precise)


def score_rows(source: Source, fits: Sequence[Fit], *, per_row: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Log density (n, f) of every row under every fit, and the entropy (f,) of all responsibilities, in nats.

    The entropy is summed under the first weighting of the rows. Without `per_row` the densities are left out (n, 0).
    """
    k = max(fit.mixture.n_components for fit in fits)

    def padded(arrays: Sequence[np.ndarray], fill: float | None) -> np.ndarray:
        tails = [np.broadcast_to(a[:1] if fill is None else fill, (k - len(a), *a.shape[1:])) for a in arrays]
        return np.stack([np.concatenate([a, tail]) for a, tail in zip(arrays, tails, strict=True)])

    log_weights = padded([fit.mixture.log_weights for fit in fits], -np.inf)
    components = jax.tree.map(lambda *a: padded(a, None), *[fit.mixture.components for fit in fits])
    population = em.Population(log_weights, components, np.zeros(len(fits), int))
    runner = _Runner(source, population, None, 0.0, precise=any(fit.precise for fit in fits))
    scores = np.empty((len(source.y), len(fits) if per_row else 0))
    entropies, offset = np.zeros(len(fits)), 0
    for tiles in runner.passes():
        log_probs, entropy = _score(population, tiles, precise=runner.precise)
        entropies += np.asarray(entropy)
        index = np.asarray(tiles.index).ravel()
        n = min(int(index.max(initial=0)) + 1, len(source.y) - offset)
        real = index < n
        if per_row:
            scores[index[real] + offset] = np.asarray(log_probs).reshape(-1, len(fits))[real]
        offset += n
    return scores, entropies


def _ratio(source: Source, family: AbstractExponentialFamily, members: Sequence[Member], settings: Settings) -> float:
    """How far apart in size members may be that run together."""
    columns = sum(member.starts(settings)[0] for member in members) * max(member.k for member in members)
    return PADDING if _worth_compiling(source, _n_statistics(family), columns) else np.inf


def together(
    source: Source, family: AbstractExponentialFamily, members: Sequence[Member], settings: Settings
) -> list[list[int]]:
    """Numbers of components that run as one population, fewest first; all of them where the work is small."""
    small = SMALL_LONE if source.lone else SMALL
    buckets = _buckets(members, _ratio(source, family, members, settings), small)
    return [sorted({members[place].k for place in bucket}) for bucket in buckets]


def _buckets(members: Sequence[Member], ratio: float, small: int = SMALL) -> list[list[int]]:
    """Places of members, those within a ratio in size together: few compilations against some padding."""
    buckets: list[list[int]] = []
    top = 0
    for place in sorted(range(len(members)), key=lambda i: -members[i].k):
        if not buckets or (ratio * members[place].k < top and top > small):
            buckets.append([])
            top = members[place].k
        buckets[-1].append(place)
    return [sorted(bucket) for bucket in reversed(buckets)]


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
    size = max(n * START_ROWS // max(source.work, START_ROWS), LEAST_START_ROWS)
    if size < n:
        seed = int(jax.random.bits(jax.random.fold_in(key, 0)))
        early = source.subset(np.sort(np.random.default_rng(seed).choice(n, size, replace=False)))
    results: list[list[Fit]] = [[] for _ in members]
    for number, places in enumerate(_buckets(members, _ratio(early, family, members, settings))):
        bucket = [members[place] for place in places]
        bucket_key = jax.random.fold_in(key, 1 + number)
        fits = _fit_bucket(source, early, family, bucket, regularise, settings, bucket_key, adjust, progress)
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
    n_starts, n_finish = np.array([member.starts(settings) for member in members]).T
    counts = np.repeat([member.k for member in members], n_starts)
    weighting = np.repeat([member.weighting for member in members], n_starts)
    first = np.cumsum(n_starts) - n_starts  # slot of each member's first start

    few, many = "1 component" if k == 1 else f"up to {k} components", len(counts)
    some = "" if early is source else f" on {len(early.y)} of {len(source.y)} rows"
    progress(f"starts{some}, {few}", 0, many)
    stacked = jax.tree.map(lambda a: np.broadcast_to(a, (many, k, *a.shape)), family)
    runner = _Runner(early, em.Population(np.zeros((many, k)), stacked, weighting), regularise, settings.tolerance)
    tiles = early.tiles(runner.width) if runner.tiles is None else runner.tiles
    begun = adjust(start(key, family, tiles, counts, weighting, regularise, k=k, method=settings.method))
    plain = max(settings.plain_steps, START_STEPS)
    state, bounds = em.begin(jax.tree.map(np.asarray, begun), plain=plain), np.zeros((0, many))
    if np.any(n_finish < n_starts):
        state, bounds = runner.run(state, min(START_STEPS, settings.max_steps))
    histories = [bounds[:steps, slot] for slot, steps in enumerate(state.steps)]
    values = state.bound * source.total_weight()[weighting]  # from the rows that the starts saw
    tried = _record(state, values, histories, precise=runner.precise, finished=False)

    sound = np.isfinite(state.bound) & (state.status != em.NON_FINITE)
    value = np.where(sound, state.bound, -np.inf)
    order = [a + np.argsort(-value[a : a + n], kind="stable") for a, n in zip(first, n_starts, strict=True)]
    chosen = np.concatenate([slots[:n] for slots, n in zip(order, n_finish, strict=True)])
    going_on = _take(state, chosen)
    if early is not source:  # a bound on other rows says nothing of the next change
        going_on, histories = em.begin(going_on.population, plain=plain - START_STEPS), [np.zeros(0)] * many
    runner = _Runner(source, going_on.population, regularise, settings.tolerance, precise=runner.precise)
    left = settings.max_steps - int(np.max(going_on.steps))
    going_on, bounds_after = _finish(runner, going_on, left, progress, f"EM, {few}")
    log_likelihoods = runner.log_likelihoods(going_on.population)
    bounds_all = [np.concatenate([histories[s], after]) for s, after in zip(chosen, bounds_after, strict=True)]
    followed = iter(_record(going_on, log_likelihoods, bounds_all, precise=runner.precise))

    results = []
    for slots, n, a in zip(order, n_finish, first, strict=True):
        finished = [replace(next(followed), start=int(slot - a)) for slot in slots[:n]]
        # a collapsed start may have any log-likelihood
        finished.sort(key=lambda fit: (fit.status == em.NON_FINITE, -np.nan_to_num(fit.log_likelihood, nan=-np.inf)))
        results.append(finished + [replace(tried[slot], start=int(slot - a)) for slot in slots[n:]])
    return results
