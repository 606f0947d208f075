"""Any column given any others under a deep model: a mixture over z, weighted by what the present cells say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import expit, log_softmax, logsumexp

from tacit._device import compiled
from tacit._errors import UsageError
from tacit._typing import Array
from tacit.data.column import Column
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.distributions import CategoricalColumns
from tacit.distributions.categorical import located
from tacit.distributions.predictive import (
    AbstractPrediction,
    CategoricalPrediction,
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    PoissonMixturePrediction,
    ZeroInflatedPrediction,
)
from tacit.evaluation.pareto import MANY
from tacit.evaluation.rows import tiles
from tacit.evaluation.weights import error_of_mean
from tacit.models import LatentModel
from tacit.workflow import latent_density
from tacit.workflow.latent_grey import no_distribution
from tacit.workflow.latent_rows import Cells
from tacit.workflow.latent_weights import DRAWS, Points, Reading, WeightedDraws

if TYPE_CHECKING:
    from tacit.workflow.latent_table import LatentTable

MOST_COUNTS = 36.0  # log of a rate; numbers of float64 have no units beyond
ROUGH = 10.0  # draws that carry the weight of a row, below which its prediction is rough
_CELLS = 2**22  # rows times states at once
SEED = 0  # of every prediction: the same at every call, by the draws that imputed cells are averaged over


class OneColumn(Reading):
    """Of the family of the columns, what makes that of one of them: location and log scale, logits, log rate.

    `normal`, `bernoulli` and `poisson` are its places among the columns of these blocks, `categorical` that in the
    `run` of columns with as many levels; None where it has no part there. A zero-inflated one has a logit before the
    others. Places are arrays, so one program serves all columns of a kind.
    """

    normal: np.ndarray | None = None
    bernoulli: np.ndarray | None = None
    categorical: np.ndarray | None = None
    poisson: np.ndarray | None = None
    run: int = eqx.field(static=True, default=0)

    def __call__(self, family: Any) -> Float[Array, " m"]:
        blocks = family.blocks if hasattr(family, "blocks") else (family,)
        named = {type(block).__name__: block for block in blocks}
        parts = []
        if self.bernoulli is not None:
            parts.append(named["Bernoulli"].logits[self.bernoulli][None])
        if self.normal is not None:
            block = named["DiagonalNormal"]
            scale = block.log_scale * jnp.ones_like(block.loc)
            parts.append(jnp.stack([block.loc[self.normal], scale[self.normal]]))
        if self.categorical is not None:
            codes = [block for block in blocks if isinstance(block, CategoricalColumns)]
            parts.append(codes[self.run].logits[self.categorical])
        if self.poisson is not None:
            parts.append(named["Poisson"].log_rate[self.poisson][None])
        return jnp.concatenate(parts)

    @classmethod
    def of(cls, table: LatentTable, target: str) -> OneColumn:
        """Of a column by name."""
        layout = table.schema.layout
        places = {block: names.index(target) for block, names in layout.blocks.items() if target in names}
        run = 0
        if "categorical" in places:
            run, places["categorical"] = located(layout.levels, places["categorical"])
        return cls(**{block: np.asarray(place) for block, place in places.items()}, run=run)


def predict(table: LatentTable, rows: Rows, target: str) -> AbstractPrediction:
    """The distribution of one column given the other present cells of each row.

        p(y_j | present) = sum_z p(z | present) p(y_j | z)

    Exact where the states can be listed, but for states that together have less than 1e-9 of the weight; else z is
    drawn and weighted, and the prediction is an estimate that tells its error. Raises `UsageError` where the target is
    not a column of the model.
    """
    schema = table.schema
    if target not in schema.names:
        known = ", ".join(schema.names)
        raise UsageError(f"{target!r} is not a column of the model.", mend=f"Its columns are {known}.")
    if schema[target].grey:
        mend = "Fill it with impute, or use likelihood='gaussian'."
        raise no_distribution(target, mend)
    if table.covariates is not None and rows.x is None:
        given = ", ".join(one.column.name for one in table.covariates.columns)
        raise UsageError(f"the model is of the rows given {given}.", where="predict", mend="Give these covariates too.")
    table.check_independent("predict")
    y = rows.y.copy()
    y[:, list(schema.layout.places(target))] = np.nan
    rows = replace(rows, y=y)
    read, column = OneColumn.of(table, target), schema[target]
    if table.exact:
        return prediction_of(column, listed(table, rows, read), exact=True)
    found = sampled(table, rows, read)
    if not column.levels:
        order, points = zip(*found, strict=True)
        return prediction_of(column, Points.joined(points), exact=False)[np.argsort(np.concatenate(order))]
    # of levels their probabilities are all that is kept, so memory does not grow with rows times draws
    order, parts = zip(*((places, prediction_of(column, points, exact=False)) for places, points in found), strict=True)
    back = np.argsort(np.concatenate(order))
    probabilities, error = (
        np.concatenate([getattr(part, name) for part in parts])[back] for name in ("probabilities", "monte_carlo_error")
    )
    return CategoricalPrediction(column.levels, probabilities, monte_carlo_error=error)


def doubts(prediction: AbstractPrediction) -> list[Finding]:
    """What a person should know of an estimate: whether some rows rest on a few draws only.

    Of a row whose draws have the weights r that is told by `1 / sum r^2`, the number of draws that would do as well.
    """
    log_weights = getattr(getattr(prediction, "positive", prediction), "log_weights", None)
    if prediction.monte_carlo_error is None or log_weights is None:
        return []
    effective = np.exp(-logsumexp(2 * log_weights, axis=1))
    rough = int(np.sum(effective < ROUGH))
    if rough <= MANY * len(effective):
        return []
    message = (
        f"On {rough} of {len(effective)} rows the prediction rests on fewer than {ROUGH:g} of {DRAWS:,} weighted "
        "draws, and may be off by more than its error says."
    )
    mend = "Train q longer, or use fewer latents: states that can be listed need no draws."
    return [Finding("warning", "few-draws", message, mend=mend)]


def listed(table: LatentTable, rows: Rows, read: Reading) -> Points:
    """All states with their exact probabilities given the present cells, and what is read of the columns there."""
    with jax.enable_x64(True):
        exact = latent_density.double(table.model)
        values = np.asarray(_at_states(exact, read))
    return Points.joined([Points.of(log_p, _at_all(values, log_p)) for log_p in _log_posteriors(table.model, rows.y)])


def _at_all(values: Float[np.ndarray, "k m"], log_p: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k m"]:
    return np.broadcast_to(values, (*log_p.shape, values.shape[1]))


def sampled(table: LatentTable, rows: Rows, read: Reading) -> Iterator[tuple[np.ndarray, Points]]:
    """Of some rows after the other their places, draws with their weights, and what is read of the columns there."""
    draws, key = WeightedDraws(DRAWS, read), jax.random.key(SEED)
    for places, (log_w, values, _) in tiles(draws, table.model, table.posterior, table.batch(rows), key=key):
        yield places, Points.of(log_w, values)


def _log_posteriors(model: LatentModel, y: Float[np.ndarray, "n d"]) -> Iterator[Float[np.ndarray, "n k"]]:
    """`log p(z | present cells)` of some rows after the other."""
    prior: Any = model.prior(model.context(None))
    size = max(_CELLS // prior.n_states, 1)
    for start in range(0, len(y), size):
        cells = Cells.of(y[start : start + size])
        joints = latent_density.log_joints(model, cells.y, cells.observed)
        yield joints - np.logaddexp.reduce(joints, axis=1, keepdims=True)


@compiled
def _at_states(model: LatentModel, read: Reading) -> Float[Array, "k m"]:
    context = model.context(None)
    prior: Any = model.prior(context)
    return jax.lax.map(lambda z: read(model.likelihood((z, context))), prior.support(), batch_size=1024)


def prediction_of(column: Column, points: Points, *, exact: bool) -> AbstractPrediction:
    """The distribution in the user's units."""
    log_w, values = points

    def told(numbers: Callable[[], Float[np.ndarray, "n s m"]]) -> dict[str, Any]:
        return {} if exact else {"monte_carlo_error": error_of_mean(log_w, numbers())}

    if column.levels:
        logits = values if column.kind == "categorical" else np.concatenate([np.zeros_like(values), values], axis=2)
        probs = np.exp(log_softmax(logits, axis=2))
        together = np.einsum("ns,nsl->nl", np.exp(log_w), probs)
        return CategoricalPrediction(column.levels, together, **told(lambda: probs))
    if column.kind == "count":
        rates = np.exp(np.minimum(values[..., 0], MOST_COUNTS))
        return PoissonMixturePrediction(log_w, rates, **told(lambda: rates[..., None]))
    loc, scale = values[..., -2], np.exp(values[..., -1])
    units: dict[str, Any] = {"center": column.center, "scale": column.scale}
    if column.kind == "real":
        error = told(lambda: column.center + column.scale * values[..., -2:-1])
        return NormalMixturePrediction(log_w, loc, scale, **units, **error)
    with np.errstate(over="ignore"):
        means = np.exp(column.center + column.scale * loc + 0.5 * (column.scale * scale) ** 2)
    if column.kind == "positive":
        return LogNormalMixturePrediction(log_w, loc, scale, **units, **told(lambda: means[..., None]))
    ones = expit(values[..., 0])
    log_r = log_w - np.logaddexp(0.0, -values[..., 0])
    positive = LogNormalMixturePrediction(log_r, loc, scale, **units)
    share = np.minimum(np.exp(np.logaddexp.reduce(log_r, axis=1)), 1.0)
    return ZeroInflatedPrediction(positive, share, **told(lambda: (ones * means)[..., None]))
