"""What `train` is given, looked at once, before anything is compiled."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacit._errors import DataError, UsageError, shown
from tacit.data.batch import Batch
from tacit.distributions import AbstractDistribution
from tacit.gradients import AbstractGradient
from tacit.models import LatentModel
from tacit.objectives import AbstractObjective


def check_settings(
    key: Any, objective: Any, gradient: Any, *, num_samples: int, batch_size: int, max_epochs: Any, patience: int | None
) -> None:
    """Raise `UsageError` for what is no key, objective or gradient estimator, and for counts below 1."""
    if not (isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise UsageError(f"{key!r} is no random key.", where="key", mend="Give jax.random.key(0).")
    if not isinstance(objective, AbstractObjective):
        raise UsageError(f"{objective!r} is no objective.", where="objective", mend="Give ELBO() or IWAE().")
    if not isinstance(gradient, AbstractGradient):
        mend = "Give an object of tacit.gradients, such as LeaveOneOut()."
        raise UsageError(f"{gradient!r} is no gradient estimator.", where="gradient", mend=mend)
    counts = {"num_samples": num_samples, "batch_size": batch_size, "max_epochs": max_epochs, "patience": patience}
    for name, count in counts.items():
        if count is not None and np.min(count) < 1:
            raise UsageError(f"{name}={count}.", where=name, mend="Use 1 or more.")


def check_values(models: LatentModel, data: Batch) -> None:
    """Raise `DataError` for a cell that the likelihood of a stack of models cannot take, where it can tell."""

    def of_a_row(models: LatentModel, data: Batch) -> Any:
        model, x = jax.tree.map(lambda a: a[0] if eqx.is_array(a) else a, (models, data.x))
        context = model.context(x)
        prior = model.prior(context)
        known = isinstance(prior, AbstractDistribution)  # a person's own need not be of the library's kind
        return model.likelihood((prior.sample(jax.random.key(0)), context)) if known else None

    likelihood, y = eqx.filter_eval_shape(of_a_row, models, data), np.asarray(data.y)
    if not isinstance(likelihood, AbstractDistribution):
        return
    odd = np.asarray(likelihood.impossible(y))
    if data.mask is not None:
        odd = odd & np.asarray(data.mask)
    if data.weight is not None:
        odd = odd & (np.asarray(data.weight) > 0)[:, None]
    if odd.any():
        row, column = np.argwhere(odd)[0]
        what = f"{shown(y[row, column].item())} in row {row}, column {column} is no value that the likelihood can take."
        mend = "Bits are 0, 1 or shares between, codes whole numbers from 0, counts not negative."
        raise DataError(what, where="data", mend=mend)


def check_rows(data: Batch, validation: Any) -> None:
    """Raise `UsageError` for weights that are not one a row, and for places of rows that are not in the table."""
    n = len(data.y)
    if data.weight is not None:
        weight = np.asarray(data.weight)
        if weight.shape != (n,):
            raise UsageError(f"weights {weight.shape} of {n} rows.", where="weight", mend="Give one a row.")
        if not np.all(np.isfinite(weight) & (weight >= 0)):
            row = int(np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))[0])
            what = f"the weight of row {row} is {weight[row]}."
            raise UsageError(what, where="weight", mend="Weights are finite and not negative.")
    if validation is None:
        return
    places = np.asarray(validation)
    if places.size and not (np.issubdtype(places.dtype, np.integer) and places.min() >= 0 and places.max() < n):
        mend = f"Give whole numbers from 0 to {n - 1}."
        raise UsageError("these are no places of rows.", where="validation", mend=mend)
    if len(np.unique(places)) == n:
        raise UsageError("no row is left to train on.", where="validation", mend="Name fewer rows.")
