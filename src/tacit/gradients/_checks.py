"""What `compare` is given, looked at once, before anything long is run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._errors import UsageError, shown
from tacit._typing import Key
from tacit.gradients._base import AbstractGradient, LogWeight
from tacit.models.enumeration import listable

LOOKED_AT = 1000  # draws, where the states are not listed


def check_count(count: Any, least: int, where: str) -> None:
    """Raise `UsageError` for what is no whole number, or a smaller one than the least."""
    if isinstance(count, bool) or not isinstance(count, Integral) or int(count) < least:
        what = f"{shown(count)} is no whole number from {least} on."
        raise UsageError(what, where=where, mend="Give one, such as 1000." if least > 1 else "Give one, such as 2.")


def samples_of(num_samples: int | Mapping[str, int] | None, name: str, estimator: AbstractGradient, q: Any) -> int:
    """The draws of one estimator: those told, or the least it takes, 1 or 2.

    Raises `UsageError` where it has no entry or no whole number of its own, or does not apply to q.
    """
    if isinstance(num_samples, Mapping):
        if name not in num_samples:
            mend = "Give one number for all, or one by each name."
            raise UsageError(f"it says nothing of {shown(name)}.", where="num_samples", mend=mend)
        num_samples = num_samples[name]
    if num_samples is None:
        return _least(estimator, q)
    check_count(num_samples, 1, "num_samples")
    estimator.check(q, int(num_samples))
    return int(num_samples)


def _least(estimator: AbstractGradient, q: Any) -> int:
    """1 draw, or 2 where one is not enough; raises `UsageError` where the estimator does not apply."""
    try:
        estimator.check(q, 1)
    except UsageError:
        estimator.check(q, 2)
        return 2
    return 1


def check_log_weight(key: Key, q: Any, log_weight: LogWeight) -> None:
    """Raise `UsageError` where the log-weight is not one number, or is NaN for a state of q (or for a draw)."""
    listed = listable(q)
    events = q.support() if listed else jax.vmap(q.sample)(jax.random.split(key, LOOKED_AT))
    of_event = partial(log_weight, q)
    given = jax.eval_shape(of_event, jax.tree.map(lambda a: a[0], events))
    shape = getattr(given, "shape", None)
    if shape != ():
        what = "it gives no array." if shape is None else f"it gives an array of shape {shape}."
        raise UsageError(what, where="log_weight", mend="Give one number an event, summed over its columns.")
    if not jnp.issubdtype(given.dtype, jnp.floating):
        what = f"it gives a number of type {given.dtype}, which has no derivative."
        raise UsageError(what, where="log_weight", mend="Give a floating-point number, such as 1.0 in place of 1.")
    odd = np.flatnonzero(np.isnan(jax.jit(jax.vmap(of_event))(events)))
    if odd.size:
        first = jax.tree.map(lambda a: np.asarray(a[odd[0]]).tolist(), events)
        looked = f"{odd.size} of {q.n_states if listed else LOOKED_AT} {'states' if listed else 'draws'}"
        mend = "See that it is a number wherever q has draws."
        raise UsageError(f"it is NaN for {looked} of q, such as {shown(first)}.", where="log_weight", mend=mend)
