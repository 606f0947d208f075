"""The parameters that deep latent-variable estimators share: what they may be, and the training they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
import optax
from sklearn.utils._param_validation import Interval, StrOptions

from tacit._errors import UsageError
from tacit.gradients import AbstractGradient, Enumeration, StickingTheLanding, SumAndSample, UnorderedSet
from tacit.gradients.names import gradient_of
from tacit.inference.optimizers import RULES, AbstractOptimizer
from tacit.networks import ACTIVATIONS
from tacit.objectives import ELBO, IWAE, AbstractObjective
from tacit.workflow.latent_columns import Scale
from tacit.workflow.latent_networks import Network
from tacit.workflow.latent_plan import Training
from tacit.workflow.latent_rows import LIKELIHOODS

OF_ONE_DRAW = (Enumeration, SumAndSample, UnorderedSet)  # estimators of the expectation of one draw
FAST_STEPS = 200
WEIGHED = 5  # draws of an importance-weighted bound, unless told
FAST_WIDTHS = (16,)

_POSITIVE = Interval(Real, 0.0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0.0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

LATENT: dict[str, list[Any]] = {
    "likelihood": [StrOptions(set(LIKELIHOODS))],
    "scale": [StrOptions(set(get_args(Scale)) - {"sigmoid", "full"})],  # the first is a preset
    "scale_floor": [_POSITIVE],
    "beta": [_NOT_NEGATIVE],
    "free_bits": [_NOT_NEGATIVE],
    "n_mc_samples": [_COUNT, None],
    "network": [StrOptions(set(get_args(Network)))],
    "image": [tuple, list, None],
    "hidden_layer_sizes": ["array-like"],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "learning_rate": [_POSITIVE],
    "optimizer": [StrOptions(set(RULES)), AbstractOptimizer, optax.GradientTransformation, tuple],
    "weight_decay": [_NOT_NEGATIVE],
    "batch_size": [_COUNT, None],
    "max_iter": [_COUNT, None],
    "validation_fraction": [Interval(Real, 0.0, 1.0, closed="left")],
    "n_iter_no_change": [_COUNT, None],
    "preset": [StrOptions({"fast"}), None],
    "types": [Mapping, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
"""Of every deep latent-variable estimator."""


def training_of(given: Any) -> Training:
    """The training that an estimator's parameters stand for; raises `UsageError` for what makes no sense."""
    fast = given.preset == "fast"
    widths = _widths(given.hidden_layer_sizes)
    return Training(
        hidden_layer_sizes=FAST_WIDTHS if fast and widths else widths,
        activation=given.activation,
        learning_rate=float(given.learning_rate) * (5.0 if fast else 1.0),
        optimizer=given.optimizer,
        weight_decay=float(given.weight_decay),
        batch_size=given.batch_size,
        max_epochs=given.max_iter,
        steps=FAST_STEPS if fast else Training().steps,
        patience=given.n_iter_no_change,
        validation_fraction=float(given.validation_fraction),
    )


def objective_of(given: Any) -> AbstractObjective:
    """The objective by its name, with beta, free bits and how the KL divergence is taken.

    Raises `UsageError` where these do not go together.
    """
    if given.objective == "iwae":
        for name, default in (("beta", 1.0), ("free_bits", 0.0)):
            if getattr(given, name) != default:
                mend = f"Leave {name} out, or use objective='elbo'."
                raise UsageError("an importance-weighted bound has no divergence of its own.", where=name, mend=mend)
        if given.kl == "closed":
            mend = "Use kl='sampled' or 'auto', or objective='elbo'."
            raise UsageError("an importance-weighted bound has no closed KL divergence.", where="kl", mend=mend)
        return IWAE()
    unknown = given.prior in ("autoregressive", "mixture")  # its divergence has no closed form
    landing = isinstance(gradient_of(given.gradient), StickingTheLanding)  # of the closed divergence it is pathwise
    if landing and (given.kl == "closed" or given.free_bits):
        mend = "Use kl='sampled' or 'auto' without free bits, or gradient='pathwise'."
        raise UsageError("sticking the landing is of the sampled KL divergence.", where="gradient", mend=mend)
    sampled = landing or (unknown and not given.free_bits)
    kl = given.kl if given.kl != "auto" else "sampled" if sampled else "closed"
    return ELBO(beta=float(given.beta), kl=kl, free_bits=float(given.free_bits))


def samples_of(given: Any, gradient: AbstractGradient, usual: int) -> int:
    """Draws a row, `usual` of the ELBO unless told: listing takes the expectation of one.

    Raises `UsageError` for an importance-weighted bound of one draw, which is the ELBO.
    """
    if given.objective != "iwae":
        return 1 if isinstance(gradient, OF_ONE_DRAW) else int(given.n_mc_samples or usual)
    draws = WEIGHED if given.n_mc_samples is None else int(given.n_mc_samples)
    if draws < 2:
        mend = f"Use n_mc_samples={WEIGHED}, or objective='elbo'."
        raise UsageError("of one draw the importance-weighted bound is the ELBO.", where="n_mc_samples", mend=mend)
    return draws


def _widths(sizes: Sequence[int]) -> tuple[int, ...]:
    widths = np.asarray(sizes)
    if widths.ndim != 1 or (widths.size and (widths.dtype.kind not in "iu" or widths.min() < 1)):
        mend = "Give widths such as (200, 200); () for a linear model."
        raise UsageError(f"{sizes!r} are no widths of layers.", where="hidden_layer_sizes", mend=mend)
    return tuple(int(width) for width in widths)
