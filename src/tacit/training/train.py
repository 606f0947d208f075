"""The verb of the core: train a model and a posterior on rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from tacit._device import compiled, placed
from tacit._errors import UsageError
from tacit._typing import Key
from tacit.data.batch import Batch
from tacit.gradients import AbstractGradient, Pathwise
from tacit.inference.fit import Progress, quiet
from tacit.inference.joint import Joint
from tacit.inference.noise import Noise
from tacit.inference.optimizers import AbstractOptimizer, Descent, as_optimizer
from tacit.inference.procedure import AbstractProcedure, posterior_of_row
from tacit.models import AbstractConditional, LatentModel
from tacit.objectives import ELBO, AbstractObjective
from tacit.training.checkpoint import Checkpoint, fingerprint_of, told
from tacit.training.checks import check_rows, check_settings, check_values
from tacit.training.epochs import Limits, Metric, begin_all, has_ended, run_long, run_short
from tacit.training.fitted import Fitted, Keeper
from tacit.training.population import Population, spread_settings, stack, take

CHUNK = 64  # most epochs between two looks
COMPILATION = 15.0  # seconds that another number of members may cost
SECONDS = 2.0  # about how long a chunk runs
LONG = 1e12  # numbers multiplied in all steps, roughly, from which on faster steps are worth a longer compilation


class Epoch(NamedTuple):
    """What callbacks see: the epoch just finished, and the mean bounds of every member so far, (epochs, m)."""

    number: int
    training: Float[np.ndarray, "e m"]
    validation: Float[np.ndarray, "e m"]


def train(
    model: LatentModel,
    posterior: AbstractConditional | None,
    data: Batch | ArrayLike,
    *,
    key: Key,
    objective: AbstractObjective | None = None,
    gradient: AbstractGradient | None = None,
    optimizer: Any = None,
    num_samples: int = 1,
    noise: Noise | None = None,
    procedure: Callable[..., AbstractProcedure] = Joint,
    batch_size: int = 128,
    max_epochs: int | Int[np.ndarray, " m"] = 100,
    patience: int | None = None,
    validation: Int[np.ndarray, " v"] | None = None,
    population: Population | None = None,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callable[[Epoch], None]] = (),
    checkpoint: Checkpoint | None = None,
    progress: Progress = quiet,
) -> Fitted:
    """Maximise an objective over the rows of `data` in the parameters of model and posterior.

    Where `posterior` is None the latent is listed and the objective is `log p(y | x)`. `data` holds y (n, d),
    x (n, p) or None, mask (n, d) or None (cells that are missing hold 0 in y), and weight (n,) or None; or it is y
    alone, an array with NaN where a cell is missing. `optimizer`
    is one of ours, of Optax, a name, or a pair, for the model and for the posterior. `procedure` makes the procedure
    from objective, gradient, optimizer, noise and num_samples: `Joint` improves everything at once. `validation` are
    the places of rows that are not trained on but judge every epoch: the parameters of the best epoch are kept, and
    after `patience` epochs without a better one training ends. With a `population`, all arrays of model and
    posterior, and settings that differ, have a leading member axis, and `validation` is part of it. `metrics` are
    functions `(key, model, posterior, y, x)` of one row, whose means over the validation rows are kept after every
    epoch; `callbacks` see the bounds after every chunk of epochs. With a `checkpoint` the run is kept in a file, and
    continued from it.

    Raises `UsageError` for a gradient or an objective that does not apply, `DataError` for a cell that the likelihood
    cannot take, `FitError` where no epoch was finite.

    >>> import jax
    >>> from tacit.models import Components, DiagonalFamily, Expert, Gate, MixtureOfExperts
    >>> from tacit.networks import MLP, Fixed, Linear
    >>> family = DiagonalFamily(floor=Fixed(jnp.array([0.01])))
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> components = Components.init(keys[0], family, 2, n_features=9)
    >>> gate = Gate(Linear.init(keys[1], 9, 2))
    >>> model = MixtureOfExperts(gate, Expert(components), MLP.init(keys[2], 1, (8,)))
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> data = Batch(y=np.sin(3 * x), x=x, mask=None, weight=None, index=None)
    >>> fitted = train(model, None, data, key=jax.random.key(1), optimizer=Descent(0.01), max_epochs=100)
    >>> bool(fitted.value > 0.0)  # a standard normal scores about -1.2
    True
    """
    began = time.perf_counter()
    data = data if isinstance(data, Batch) else _rows(data)
    objective, gradient = objective or ELBO(), gradient or Pathwise()
    check_settings(
        *(key, objective, gradient),
        num_samples=num_samples,
        batch_size=batch_size,
        max_epochs=max_epochs,
        patience=patience,
    )
    check_rows(data, validation)
    named = dict(metrics or {})
    n = len(data.y)
    single = population is None
    if population is None:
        held = np.zeros(0, np.int32) if validation is None else np.asarray(validation, np.int32)
        population = Population(np.setdiff1d(np.arange(n, dtype=np.int32), held)[None], held[None])
        model, posterior, gradient, objective = (stack([tree]) for tree in (model, posterior, gradient, objective))
    elif validation is not None:
        raise UsageError("the population says which rows judge.", where="validation", mend="Leave it out.")
    check_values(model, data)
    size = population.size
    real = jnp.result_type(float)  # float64 where the caller has enabled it
    rows = Batch(
        placed(data.y, real),
        None if data.x is None else placed(data.x, real),
        None if data.mask is None else placed(data.mask),
        placed(np.ones(n) if data.weight is None else data.weight, real),
        placed(np.arange(n), jnp.int32),
    )
    if posterior is not None:
        first = compiled(posterior_of_row)(take(posterior, 0), rows)
        gradient.check(first, num_samples)
        gradient.check_objective(objective)
        gradient = gradient.sized(first)
        if objective.closed_kl and not objective.splits_kl:
            raise UsageError(f"{type(objective).__name__} has no closed KL divergence.", mend="Sample it.")
    chosen: AbstractOptimizer = Descent() if optimizer is None else as_optimizer(optimizer)
    chosen_procedure = spread_settings(procedure(objective, gradient, chosen, noise, num_samples), size)
    courses = begin_all(chosen_procedure, key, model, posterior, rows, size=size, batch_size=min(n, batch_size))
    ends = np.broadcast_to(np.asarray(max_epochs, np.int32), (size,))
    longest = int(ends.max())
    most = np.full(size, longest + 1 if patience is None else patience)
    limits = Limits(placed(ends), placed(most, jnp.int32))
    batch = min(batch_size, population.rows.shape[1])
    keeper = Keeper(courses, size, tuple(named))
    alive, done, n_epochs = np.arange(size), 0, 1
    # about: forwards once, backwards twice. Before members leave, so that a run that goes on takes the same program
    numbers = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(courses.best, eqx.is_inexact_array)))
    multiplied = 6 * numbers * num_samples * longest * population.rows.shape[1]
    run = run_long if multiplied > LONG else run_short
    run_name = ""
    if checkpoint is not None:
        run_name = fingerprint_of(
            (chosen_procedure, told(chosen), key, rows, population, batch, model, posterior, tuple(named)), courses
        )
        kept = checkpoint.load((courses, keeper.content(), alive, np.array(done)), run_name)
        if kept is not None:
            (courses, content, alive), done = kept[:3], int(kept[3])
            keeper.restore(content)
            courses = courses._replace(stopped=has_ended(courses, take(limits, alive)))
    progress("training", done, longest)
    while len(alive):
        part = population.take(alive)
        began_chunk = time.perf_counter()
        courses, seen = run(
            take(chosen_procedure, alive),
            courses,
            rows,
            placed(part.rows),
            placed(part.validation),
            take(limits, alive),
            placed(n_epochs),
            batch_size=batch,
            chunk=CHUNK,
            metrics=tuple(named.values()),
        )
        stopped = np.asarray(courses.stopped)
        ran = min(n_epochs, longest - done) if not stopped.all() else int(np.asarray(courses.epoch).max()) - done
        keeper.record(done, alive, np.asarray(seen)[:ran])
        done += ran
        seconds = time.perf_counter() - began_chunk
        n_epochs = int(np.clip(n_epochs * SECONDS / max(seconds, 1e-3), 1, min(2 * n_epochs + 4, CHUNK)))
        progress("training", min(done, longest), longest)
        for callback in callbacks:
            callback(Epoch(done, *keeper.bounds()))
        if checkpoint is not None and (checkpoint.due() or stopped.all()):
            checkpoint.save((courses, keeper.content(), alive, np.array(done)), run_name)
        going = np.flatnonzero(~stopped)
        # members that have stopped still cost: leave them behind, where that saves more than compiling anew costs
        saved = (longest - done) * seconds / max(ran, 1) * (1 - len(going) / len(alive))
        if not len(going) or saved > COMPILATION:
            keeper.keep(alive, courses)
            courses, alive = take(courses, going), alive[going]
    progress("training", longest, longest)
    return keeper.fitted(single, ends, time.perf_counter() - began)


def _rows(y: ArrayLike) -> Batch:
    """Events alone as a batch; raises `UsageError` for what is no table of numbers."""
    try:
        events = np.asarray(y, float)
    except (TypeError, ValueError):
        events = np.zeros(0)
    if events.ndim != 2 or not len(events):
        mend = "Give an array y (n, d) of numbers, or Batch(y, x, mask, weight, None)."
        raise UsageError("these are no rows.", where="data", mend=mend)
    missing = np.isnan(events)
    return Batch(np.where(missing, 0.0, events), None, ~missing if missing.any() else None, None, None)
