"""Densities of all columns on the same held-out rows: mixture, plain ones and others, with paired differences."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from tacit._errors import UsageError
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.evaluation.result import Kind, Result, mean_result, paired_difference
from tacit.evaluation.row_key import error_over_draws
from tacit.gradients import LeaveOneOut, Pathwise
from tacit.inference.fit import Progress, quiet
from tacit.models import BernoulliLatent, NormalLatent
from tacit.objectives import ELBO
from tacit.workflow.autoregressive_fit import fit_autoregressive
from tacit.workflow.autoregressive_start import obstacle
from tacit.workflow.fit_table import FittedTable
from tacit.workflow.latent_fit import train_latent
from tacit.workflow.latent_plan import LatentPlan, Training
from tacit.workflow.linear_fit import fit_linear_table
from tacit.workflow.linear_job import LinearJob

STEPS = 4000  # of a training
WIDTHS = (64, 64)
BITS = 8  # latents of two states: 256 can be listed
NORMALS = 8  # at most, and half of the columns
LATENTS = (1, 2, 3, 5, 8, 13)  # of a linear model; chosen inside the training rows
_INNER = 0.2  # of the training rows, that choose
_LINEAR_KINDS = ("real", "positive")
_COMPILING, _FLOPS_PER_CORE, _OVERHEAD = 15.0, 3e9, 1.5e-4  # seconds; operations a second; seconds a step


@dataclass(frozen=True, eq=False)
class Density:
    """Log density (n,) of the held-out rows, in nats and the user's units.

    An estimate from draws has an error and a bias (n,); one by quadrature tells its largest error in the note.
    """

    name: str
    log_prob: Float[np.ndarray, " n"]
    kind: Kind = "exact"
    error: Float[np.ndarray, " n"] | None = None
    bias: Float[np.ndarray, " n"] | None = None
    note: str = ""


@dataclass(frozen=True)
class ComparedDensities:
    """Figures, the mixture's first; the mixture less each other, row by row; what was left out, and why."""

    figures: tuple[Result, ...]
    differences: tuple[Result, ...]
    left_out: dict[str, str]


def compare_densities(
    fitted: FittedTable,
    rows: Rows,
    names: Sequence[str],
    *,
    seed: int = 0,
    training: Training | None = None,
    progress: Progress = quiet,
) -> ComparedDensities:
    """A mixture fitted to training rows, with its plain baselines, beside the densities `names`, of `DENSITIES`.

    All learn from the training rows of `fitted` alone and are judged on its held-out rows, in one schema. A density
    that does not suit the columns is left out. Raises `UsageError` for a name that is not known.
    """
    check_names(names)
    training = training or Training(hidden_layer_sizes=WIDTHS, steps=STEPS)
    schema, known, held = fitted.model.schema, rows.take(fitted.train), rows.take(fitted.heldout)
    own, reference = fitted.model.log_prob(held), fitted.model.schema.reference()
    figures, differences = list(fitted.figures), list(fitted.differences)
    left_out: dict[str, str] = {}
    share = held.weight / held.weight.sum()
    over: dict[str, Any] = {"weight": held.weight, "groups": held.group}
    for name in names:
        why = _obstacle(name, schema, known, held)
        if why is not None:
            left_out[name] = why
            continue
        progress(name, 0, 1)
        one = DENSITIES[name](schema, known, held, training, seed, _staged(progress, name))
        noise = None if one.error is None else error_over_draws(one.error, share, held.y)
        bias = None if one.bias is None else float(share @ one.bias)
        errors: dict[str, Any] = {"monte_carlo_error": noise, "bias": bias, "note": one.note}
        figures.append(mean_result(one.name, one.log_prob, kind=one.kind, reference=reference, **errors, **over))
        gap: dict[str, Any] = {"kinds": ("exact", one.kind), "references": (reference, reference)}
        differences.append(paired_difference(f"{figures[0].name} - {one.name}", own, one.log_prob, **gap, **over))
        progress(name, 1, 1)
    return ComparedDensities(tuple(figures), tuple(differences), left_out)


def check_names(names: Sequence[str]) -> None:
    """Raise `UsageError` for a name that is not in `DENSITIES`."""
    unknown = [name for name in names if name not in DENSITIES]
    if unknown:
        mend = f"Use one of {', '.join(DENSITIES)}, or all, or none."
        raise UsageError(f"{unknown[0]!r} is no density to compare.", where="--models", mend=mend)


def seconds(schema: Schema, n: int, names: Sequence[str], training: Training | None = None) -> float:
    """About how long the densities `names` take to learn n rows: compiling, then steps of the networks."""
    training = training or Training(hidden_layer_sizes=WIDTHS, steps=STEPS)
    width, hidden = schema.layout.width, training.hidden_layer_sizes
    sizes = (width, *hidden, width)
    weights = 2 * sum(a * b for a, b in itertools.pairwise(sizes))
    steps = training.epochs(n) * math.ceil(n / training.batch(n))
    step = _OVERHEAD + 6.0 * training.batch(n) * weights / (_FLOPS_PER_CORE * (os.cpu_count() or 1))
    deep = sum(name != LINEAR for name in names)
    return deep * (_COMPILING + steps * step) + (LINEAR in names) * _COMPILING


def _obstacle(name: str, schema: Schema, known: Rows, held: Rows) -> str | None:
    kinds = {column.kind for column in schema.modelled}
    if name == LINEAR:
        if not kinds <= set(_LINEAR_KINDS):
            return "it is of real and positive columns only"
        return "one column has no latent" if schema.layout.width < 2 else None
    return (obstacle(schema, known.y) or obstacle(schema, held.y)) if name == MADE else None


def _linear(schema: Schema, known: Rows, held: Rows, training: Training, seed: int, progress: Progress) -> Density:
    """Factor analysis by EM; the number of latents is chosen inside the training rows."""
    job = LinearJob(noise="diagonal", refit=False, seed=seed)
    sizes = [m for m in LATENTS if m < schema.layout.width]
    best = sizes[0]
    if len(sizes) > 1:
        inner, outer = hold_out(len(known), _INNER, seed=seed + 1, group=known.group, time=known.time)
        learn, judge = known.take(inner), known.take(outer)
        shares = judge.weight / judge.weight.sum()

        def worth(m: int) -> float:
            return float(shares @ fit_linear_table(schema, learn, replace(job, n_latents=m)).model.log_prob(judge))

        best = max(sizes, key=worth)
    model = fit_linear_table(schema, known, replace(job, n_latents=best), progress=progress).model
    return Density(f"linear-Gaussian of {best}", model.log_prob(held))


def _discrete(schema: Schema, known: Rows, held: Rows, training: Training, seed: int, progress: Progress) -> Density:
    plan = LatentPlan(BernoulliLatent(BITS), "discrete-vae", ELBO(), LeaveOneOut(), 2, training=training)
    model, _, _ = train_latent(schema, known, plan, seed=seed, progress=progress)
    return Density(f"discrete VAE of {BITS} bits", model.log_prob(held))


def _normal(schema: Schema, known: Rows, held: Rows, training: Training, seed: int, progress: Progress) -> Density:
    latents = max(1, min(NORMALS, schema.layout.width // 2))
    given: dict[str, Any] = {"training": training, "residual_scale": True}
    plan = LatentPlan(NormalLatent(latents), "vae", ELBO(), Pathwise(), 1, **given)
    model, _, _ = train_latent(schema, known, plan, seed=seed, progress=progress)
    found = model.log_likelihood(held)
    error, bias = (None, None) if found.drawn is None else (found.drawn.error, found.drawn.jackknife_bias)
    return Density(f"VAE of {latents}", found.values, found.result.kind, error, bias, found.result.note)


def _made(schema: Schema, known: Rows, held: Rows, training: Training, seed: int, progress: Progress) -> Density:
    model = fit_autoregressive(schema, known, training, seed=seed, progress=progress)
    return Density("MADE, no latent", model.log_prob(held))


def _staged(progress: Progress, name: str) -> Progress:
    return lambda stage, done, total: progress(name, done, total)


LINEAR, MADE = "linear-gaussian", "made"
DENSITIES: dict[str, Callable[[Schema, Rows, Rows, Training, int, Progress], Density]] = {
    LINEAR: _linear,
    "discrete-vae": _discrete,
    "vae": _normal,
    MADE: _made,
}
"""What may be compared with a mixture, by its name on the command line."""
