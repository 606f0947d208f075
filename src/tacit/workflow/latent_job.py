"""What a deep model is worth on the rows held out, beside a plain baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.evaluation.result import Result, mean_result, paired_difference
from tacit.inference.fit import Member, Settings
from tacit.inference.population import fit_population
from tacit.inference.source import Source
from tacit.workflow.latent_figures import judge_latent
from tacit.workflow.latent_fit import FittedLatent, Inputs
from tacit.workflow.latent_grey import labelled
from tacit.workflow.table_mixture import TableMixture, family, regularisation

INDEPENDENT = "independent columns"


@dataclass(frozen=True)
class Worth:
    """The log-likelihood beside the baseline, the parts of the bound, and the paired difference."""

    figures: tuple[Result, ...]
    bounds: tuple[Result, ...]
    differences: tuple[Result, ...]
    findings: tuple[Finding, ...] = ()


def worth_of(fitted: FittedLatent, rows: Rows, name: str, inputs: Inputs | None = None) -> Worth | None:
    """The worth of the model of the training rows on the rows held out; None where there are none."""
    if not len(fitted.heldout):
        return None
    model = fitted.judged or fitted.model
    if inputs is not None and model.covariates is not None:
        rows = inputs.beside(rows, model.covariates)
    part = rows.take(fitted.heldout)
    over: dict[str, Any] = {"weight": part.weight, "groups": part.group}
    told = judge_latent(model, part, **over)
    reference = model.schema.reference()
    plain = independent(model.schema, rows.take(fitted.train)).log_prob(part)
    first = told.figures[0]
    named = f"{name} - {INDEPENDENT}"
    kinds: Any = (told.kind, "exact")
    gap = paired_difference(named, told.log_prob, plain, kinds=kinds, references=(reference, reference), **over)
    figures = (first, labelled(model.schema, mean_result(INDEPENDENT, plain, reference=reference, **over)))
    return Worth(figures, told.figures, (labelled(model.schema, gap),), told.findings)


def independent(schema: Schema, rows: Rows) -> TableMixture:
    """Every column by itself: the best that can be said without a latent."""
    template = family(schema, independent=True)
    with jax.enable_x64(True):
        source = Source(rows.y, rows.weight[:, None], pattern_columns=template.pattern_columns)
        key = jax.random.key(0)
        once = fit_population(source, template, [Member(1)], regularisation(schema), Settings(), key=key)
    return TableMixture(schema, jax.tree.map(np.asarray, once[0][0].mixture))
