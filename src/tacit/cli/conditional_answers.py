"""What predict, sample, score and latent give for a model of some columns given the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tacit._errors import UsageError
from tacit.cli.failures import note
from tacit.cli.tables import free_name

if TYPE_CHECKING:
    from tacit.data.table import Table
    from tacit.workflow.conditional_table import ConditionalTable
    from tacit.workflow.table_mixture import TableMixture


@dataclass(frozen=True, eq=False)
class Asked:
    """Rows of covariates as a conditional model reads them; `far` marks those outside what it has learned from."""

    table: Table
    x: np.ndarray
    far: np.ndarray

    def flagged(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The columns, with one that marks the far rows where there are any."""
        return {**columns, free_name("far", columns): self.far} if self.far.any() else columns


def read_covariates(path: str, model: ConditionalTable) -> Asked:
    """The covariates of a file; what was noticed, far rows too, goes to stderr."""
    from tacit.data.table import read_table

    table = read_table(path)
    encoded = model.covariates.encode(table)
    for finding in encoded.findings:
        note(str(finding))
    return Asked(table, encoded.x, encoded.far)


def chosen_targets(model: ConditionalTable, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The targets that are asked for, all unless named; raises `UsageError` for another column."""
    for name in asked:
        if name not in model.targets:
            mend = f"Its targets are {', '.join(model.targets)}; tacit fit --target {name} fits one that predicts it."
            raise UsageError(f"{name!r} is not a target of the model.", where="--target", mend=mend)
    return asked or model.targets


def samples(model: ConditionalTable, asked: Asked, n: int, seed: int) -> dict[str, Any]:
    """n draws of the targets for every row: the columns row, draw and the targets."""
    from tacit.workflow.conditional_draws import draws

    drawn = draws(model, asked.x, n, seed=seed).reshape(len(asked.x) * n, -1)
    row, draw = np.repeat(np.arange(len(asked.x)), n), np.tile(np.arange(n), len(asked.x))
    named = {name: drawn[:, j] for j, name in enumerate(model.targets)}
    numbered = {free_name("row", model.targets): row + 1, free_name("draw", model.targets): draw + 1}
    columns = {**numbered, **named}
    return {**columns, free_name("far", columns): asked.far[row]} if asked.far.any() else columns


def latents(model: ConditionalTable, asked: Asked) -> dict[str, Any]:
    """The probability of every component of every network: given the targets too, where the table has them.

    A row whose targets are missing has the weights of its components, as all rows have where the columns are absent.
    A relaxed category that has no closed marginal is put at the corners of the simplex.
    """
    import jax
    from scipy.special import logsumexp

    from tacit.workflow.conditional_table import component_log_densities

    if not model.exact:
        note("the components of the discretised model: the relaxed one has a continuum of them")
    log_shares, stack = model.mixtures(asked.x, corners=not model.exact)
    there = np.zeros(len(asked.x), bool)
    if all(name in asked.table.names for name in model.targets):
        rows = model.encode(asked.table)
        there = ~np.isnan(rows.y).any(axis=1)
        joints = log_shares + component_log_densities(stack, np.where(there[:, None], rows.y, 0.0))
        log_shares = np.where(there[:, None], joints - logsumexp(joints, axis=1, keepdims=True), log_shares)
    if not there.all():
        note(f"{np.sum(~there):,} rows lack the target: theirs are the weights before it is seen")
    shares, members = np.exp(log_shares), len(jax.tree.leaves(model.members)[0])
    names = [f"component_{j}" for j in range(1, shares.shape[1] // members + 1)]
    if members > 1:
        names = [f"network_{m}_{name}" for m in range(1, members + 1) for name in names]
    columns: dict[str, Any] = dict(zip(names, shares.T, strict=True))
    return asked.flagged({**columns, "most_probable": np.array(names, object)[shares.argmax(axis=1)]})


def scores(model: ConditionalTable, asked: Asked, manifest: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The log density of the targets of every row, and its mean; missing where the row lacks a target.

    Raises `DataError` where the table lacks a target, or no row has it.
    """
    from tacit.data.schema import Schema
    from tacit.workflow.conditional_figures import judge
    from tacit.workflow.conditional_job import part_in

    part, places = part_in(model, asked.table, Schema.from_dict(manifest["schema"]))
    n = len(asked.table)
    if len(places) < n:
        note(f"{n - len(places)} rows lack a target and have no score")
    told = judge(model, part.x, part.rows, **part.over)
    for figure in told.figures if len(told.figures) > 1 else ():
        note(str(figure))
    density = np.full(n, np.nan)
    density[places] = told.log_prob
    columns: dict[str, Any] = {"log_density": density}
    if len(places) < n:  # a line that holds one empty cell would be read as no line at all
        columns = {"row": 1 + np.arange(n), **columns}
    return asked.flagged(columns), replace(told.log_likelihood, name="mean log-likelihood")


def load_joint(path: str, command: str, mend: str) -> TableMixture:
    """The joint mixture of a model file; raises `UsageError` where it holds a conditional model."""
    from tacit.workflow.any_file import load_any, sort_of

    model, _ = load_any(path)
    if sort_of(model) == "conditional":
        raise refusal(model, command, mend)
    return model


def refusal(model: ConditionalTable, command: str, mend: str) -> UsageError:
    """What is said where a command needs the joint density of a table and the model has a target."""
    targets = ", ".join(model.targets)
    what = f"the model predicts {targets} from the other columns, and knows nothing of those."
    return UsageError(what, where=f"tacit {command}", mend=mend)
