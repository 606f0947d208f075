"""What the pictures of a deep model say, as plain values without any row: bounds, the latent plane, what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from tacit.data.encode import Rows
from tacit.data.table import Table
from tacit.evaluation.result import Result, mean_result
from tacit.evaluation.row_key import error_over_draws
from tacit.models import FullNormalLatent, NormalLatent
from tacit.workflow.json_values import as_json
from tacit.workflow.latent_fit import FittedLatent
from tacit.workflow.latent_grey import labelled
from tacit.workflow.latent_points import best_columns
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.latent_tiles import SAMPLES

BOUND_ROWS = 1000  # held-out rows whose bounds are drawn
MOST_ROWS = 20_000  # rows in the counts of cells
MOST_LEVELS = 10  # of a column that colours the plane
DRAWS = 10_000  # of the prior, for its quantiles
RETURNED = 4  # columns drawn against what comes back of them
_CELL_ROWS = 5.0  # rows that a cell of the plane should have, were all alike
_MOST_CELLS, _FEWEST_CELLS = 28, 8  # of a side
_OUTSIDE = 0.005  # share of rows beyond each edge
_NUMBERS = ("real", "positive", "count")


def picture_record(fitted: FittedLatent, rows: Rows, table: Table) -> dict[str, Any]:
    """`bound_curve`, `plane` and `returned` of a record, each where there is something to draw.

    `rows` are those of `table`. Counts, means of cells and figures only: no row is in it.
    """
    found: dict[str, Any] = {}
    if rows.x is not None:  # what a decoder gives depends on the covariates as well
        return found
    if len(fitted.heldout):
        part = rows.take(fitted.heldout[:BOUND_ROWS])
        found["bound_curve"] = bound_curve(fitted.judged or fitted.model, part)
    counted = np.flatnonzero((rows.weight > 0) & ~np.isnan(rows.y).all(axis=1))[:MOST_ROWS]
    model, rows, table = fitted.model, rows.take(counted), table.take(counted)
    means = code_means(model, rows)
    if isinstance(model.latent, NormalLatent | FullNormalLatent):
        latents = most_active(means)
        found["plane"] = {"latents": [j + 1 for j in latents]}
        if len(latents) == 2:
            found["plane"] |= plane(means[:, latents], dict(_colours(model, table)))
    if model.independent:
        returned = returned_columns(model, rows, best_columns(model.schema, model.moments(means)))
        if returned:
            found["returned"] = returned
    clean: dict[str, Any] = as_json(found)
    return clean


def code_means(model: LatentTable, rows: Rows) -> Float[np.ndarray, "n ..."]:
    """The mean of q(z | y) of every row; of discrete latents the probabilities, a relaxed event."""
    q = model.posteriors(rows)
    for name in ("loc", "probs"):
        if hasattr(q, name):
            return np.asarray(getattr(q, name), np.float64)
    return np.asarray(jax.nn.softmax(q.logits), np.float64)


def bound_curve(model: LatentTable, rows: Rows) -> dict[str, Any]:
    """Bounds of the mean log-likelihood by 1 draw of q a row (the ELBO), S, 2 S and 4 S, and the best figure there is.

    All of the same rows, in nats a row and the user's units. The best is that of `evaluate`: exact where the latent can
    be listed, an integral for one or two normal latents, else an estimate: of 4 S draws, half of them
    not of q (`weighted`), without the leading bias.
    """
    over: dict[str, Any] = {"weight": rows.weight, "groups": rows.group}
    if model.exact:
        best, method = mean_result("log-likelihood", model.log_prob(rows), **over), "listing"
    else:
        found = model.log_likelihood(rows, **over)
        best, method = found.result, found.method
    drawn, best, draws = model.weighted(rows), labelled(model.schema, best), SAMPLES // 4
    share = rows.weight / rows.weight.sum()

    def point(name: str, values: np.ndarray, errors: np.ndarray, bias: float | None) -> Result:
        told: dict[str, Any] = {"monte_carlo_error": error_over_draws(errors, share, rows.y, rows.x), "bias": bias}
        return labelled(model.schema, mean_result(name, values + rows.log_jacobian, kind="lower bound", **told, **over))

    points = [(1, point("ELBO", drawn.elbo, drawn.elbo_error, None))]
    for j, size in enumerate((draws, 2 * draws, 4 * draws)):
        bias = float(share @ drawn.bias) * SAMPLES / size
        points.append((size, point(f"bound of {size} draws of q", drawn.bounds[:, j], drawn.error, bias)))
    return {
        "points": [{"draws": size, **one.to_dict()} for size, one in points],
        "best": best.to_dict(),
        "method": method,
        "rows": len(rows),
        "units": best.units,
    }


def most_active(means: Float[np.ndarray, "n l"]) -> list[int]:
    """The two latents (the one, where there is one) whose means of q vary most over rows, the first first.

    >>> most_active(np.array([[0.0, 5.0, 1.0], [0.1, -5.0, -1.0]]))
    [1, 2]
    """
    return [int(j) for j in np.argsort(-means.var(axis=0), kind="stable")[:2]]


def plane(codes: Float[np.ndarray, "n 2"], columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Counts of codes in the cells of a plane, and what rows hold there in the column that the plane tells most of.

    `columns` are numbers, or levels as objects; None or NaN where a cell of the table is missing. Of numbers the value
    of a cell is the mean, of levels the place of the most frequent one.

    >>> rng = np.random.default_rng(0)
    >>> codes = rng.normal(size=(400, 2))
    >>> noise, told = rng.normal(size=400), np.where(codes[:, 0] > 0, "right", "left").astype(object)
    >>> found = plane(codes, {"noise": noise, "told": told})
    >>> found["column"], found["levels"], int(np.sum(found["counts"])) > 380
    ('told', ['left', 'right'], True)
    """
    side = int(np.clip(np.sqrt(len(codes) / _CELL_ROWS), _FEWEST_CELLS, _MOST_CELLS))
    edges = [_edges(codes[:, j], side) for j in (0, 1)]
    cell, inside = _cells(codes, edges, side)
    counts = np.bincount(cell[inside], minlength=side**2).reshape(side, side)  # up x across
    told = {"edges": edges, "counts": counts}
    scored = [(_explained(values, cell, inside), name) for name, values in columns.items()]
    if not scored:
        return {**told, "column": "", "kind": "number", "values": np.full((side, side), np.nan)}
    score, name = max(scored)
    values = columns[name]
    if values.dtype == object:
        levels, codes_of = _levels(values)
        table = np.zeros((side**2, len(levels)))
        seen = inside & (codes_of >= 0)
        np.add.at(table, (cell[seen], codes_of[seen]), 1)
        most = np.where(table.any(axis=1), table.argmax(axis=1), np.nan)
        found = {"kind": "level", "levels": levels, "values": most.reshape(side, side)}
    else:
        seen = inside & np.isfinite(values)
        mass = np.bincount(cell[seen], minlength=side**2)
        total = np.bincount(cell[seen], values[seen], minlength=side**2)
        mean = np.divide(total, mass, out=np.full(side**2, np.nan), where=mass > 0)
        found = {"kind": "number", "values": mean.reshape(side, side)}
    return {**told, "column": name, "explained": score, **found}


def returned_columns(model: LatentTable, rows: Rows, back: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Of up to four columns of numbers, what rows hold against what the decoder gives `back`, as counts in cells.

    `explained` is the share of variance, `1 - E (held - returned)^2 / Var(held)`, of logarithms where the column is
    positive; the columns that come back best are told.
    """
    held = model.decode(rows.y)
    found = []
    for column in model.schema.modelled:
        if column.kind not in _NUMBERS:
            continue
        pair = [np.array([np.nan if v is None else v for v in part[column.name]], float) for part in (held, back)]
        if column.kind == "positive":
            pair = [np.log(np.maximum(values, np.finfo(float).tiny)) for values in pair]
        present = np.isfinite(pair[0]) & np.isfinite(pair[1])
        x, y = (values[present] for values in pair)
        if x.size < 2 or not x.var() > 0:
            continue
        side = int(np.clip(1.2 * x.size**0.5, 10, 32))
        edges = _edges(x, side)
        counts, _, _ = np.histogram2d(np.clip(y, edges[0], edges[-1]), np.clip(x, edges[0], edges[-1]), [edges, edges])
        explained = 1 - float(np.mean((x - y) ** 2) / x.var())
        found.append({"column": column.name, "kind": column.kind, "edges": edges, "counts": counts.astype(int),
                      "explained": explained})  # fmt: skip
    return sorted(found, key=lambda one: -one["explained"])[:RETURNED]


def walk(model: LatentTable, latents: list[int], steps: int) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Values of one or two latents, numbered from 0, and the best columns that the decoder gives on their grid.

    The values lie at equal steps of probability under the prior, of which all other latents are at the mean; the first
    latent runs fastest.
    """
    z = np.asarray(model.sample(DRAWS, 0)[0], np.float64)
    places = [np.quantile(z[:, j], (np.arange(steps) + 0.5) / steps) for j in latents]
    grid = np.stack([one.ravel() for one in np.meshgrid(*places)], axis=1)
    events = np.tile(z.mean(axis=0), (len(grid), 1))
    events[:, latents] = grid
    return places, best_columns(model.schema, model.moments(events))


def _colours(model: LatentTable, table: Table) -> Iterator[tuple[str, np.ndarray]]:
    """Columns that may colour the plane: levels that take no part in the model, or else those of the model."""
    names = table.names
    apart = [c.name for c in model.schema.columns if not c.modelled and c.role in ("model", "ignored")]
    cells = {name: _cells_of(table, name, levels=True) for name in apart if name in names}
    found = [(name, values) for name, values in cells.items() if values is not None]
    if found:
        yield from found
        return
    for column in model.schema.modelled:
        if column.name in names:
            values = _cells_of(table, column.name, levels=bool(column.levels) and column.levels != (0, 1))
            if values is not None:
                yield column.name, values


def _cells_of(table: Table, name: str, *, levels: bool) -> np.ndarray | None:
    """A column as numbers, or as levels, where it has two to ten."""
    if not levels:
        return table.numbers(name)
    values = np.array([None if v is None else v for v in table.column(name).to_pylist()], dtype=object)
    return values if 2 <= len({v for v in values if v is not None}) <= MOST_LEVELS else None


def _levels(values: np.ndarray) -> tuple[list[Any], Int[np.ndarray, " n"]]:
    levels = sorted({v for v in values if v is not None})
    place = {level: i for i, level in enumerate(levels)}
    return levels, np.array([-1 if v is None else place[v] for v in values])


def _edges(values: Float[np.ndarray, " n"], side: int) -> Float[np.ndarray, " e"]:
    low, high = np.quantile(values, [_OUTSIDE, 1 - _OUTSIDE])
    pad = 0.5 * (high - low) / side or 0.5
    return np.linspace(low - pad, high + pad, side + 1)


def _cells(codes: np.ndarray, edges: list[np.ndarray], side: int) -> tuple[np.ndarray, np.ndarray]:
    """The cell of every code, up x across as one number, and which codes lie in one."""
    places = [np.searchsorted(edge, codes[:, j], side="right") - 1 for j, edge in enumerate(edges)]
    inside = np.all([(place >= 0) & (place < side) for place in places], axis=0)
    return np.where(inside, places[1] * side + places[0], 0), inside


def _explained(values: np.ndarray, cell: np.ndarray, inside: np.ndarray) -> float:
    """The share of variance between cells, less what chance gives; of levels that of their indicators together."""
    if values.dtype == object:
        levels, codes = _levels(values)
        seen = inside & (codes >= 0)
        parts = (codes[seen, None] == np.arange(len(levels))).astype(float)
    else:
        seen = inside & np.isfinite(values)
        parts = values[seen, None]
    n = len(parts)
    total = np.sum((parts - parts.mean(axis=0)) ** 2) if n else 0.0
    _, group = np.unique(cell[seen], return_inverse=True)
    used = int(group.max()) + 1 if n else 0
    if not total > 0 or n <= used:
        return 0.0
    mass = np.bincount(group)
    means = np.stack([np.bincount(group, part) / mass for part in parts.T], axis=1)
    within = np.sum((parts - means[group]) ** 2)
    return 1 - float(within / (n - used) / (total / (n - 1)))
