"""The parameters of `ConditionalMixture`: what they may be, and the plan of training that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import optax
from sklearn.utils._param_validation import Interval, StrOptions

from tacit._errors import UsageError
from tacit.gradients import AbstractGradient, Enumeration, Pathwise
from tacit.inference.optimizers import RULES, AbstractOptimizer
from tacit.networks import ACTIVATIONS
from tacit.workflow.conditional_plan import Candidate, Plan
from tacit.workflow.conditional_search import candidates_for

GRADIENTS: dict[str, type[AbstractGradient]] = {"enumeration": Enumeration, "pathwise": Pathwise}
FAST_STEPS = 300

_POSITIVE = Interval(Real, 0.0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0.0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

CONDITIONAL_MIXTURE: dict[str, list[Any]] = {
    "n_components": [_COUNT, StrOptions({"auto"}), "array-like"],
    "latent": [StrOptions({"categorical", "concrete"})],
    "components": [StrOptions({"conditional", "shared"})],
    "relaxation": [StrOptions({"mixture", "moments", "network"})],
    "inference": [StrOptions({"exact", "amortised", "em"})],
    "gradient": [StrOptions(set(GRADIENTS)), AbstractGradient, None],
    "covariance": [StrOptions({"full", "diagonal"})],
    "n_members": [_COUNT],
    "search": [StrOptions({"small"}), None],
    "preset": [StrOptions({"fast"}), None],
    "hidden_layer_sizes": ["array-like", None],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "learning_rate": [_POSITIVE, None],
    "optimizer": [StrOptions(set(RULES)), AbstractOptimizer, optax.GradientTransformation],
    "batch_size": [_COUNT, None],
    "max_iter": [_COUNT, None],
    "validation_fraction": [Interval(Real, 0.0, 1.0, closed="left")],
    "n_iter_no_change": [_COUNT, None],
    "calibrate": ["boolean"],
    "weight_decay": [_NOT_NEGATIVE, None],
    "input_noise": [_NOT_NEGATIVE, None],
    "target_noise": [_NOT_NEGATIVE, None],
    "scale_floor": [_POSITIVE, None],
    "prior_temperature": [_POSITIVE],
    "posterior_temperature": [_POSITIVE, None],
    "anneal": ["array-like"],
    "objective": [StrOptions({"elbo", "iwae"})],
    "kl": [StrOptions({"auto", "closed", "sampled"})],
    "n_mc_samples": [_COUNT],
    "compare_exact": ["boolean"],
    "target_support": [StrOptions({"auto", "positive", "real"})],
    "dequantise": ["boolean"],
    "types": [Mapping, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def plan_of(given: Any) -> Plan:
    """The plan that an estimator's parameters stand for; raises `UsageError` for combinations that make no sense."""
    fast = given.preset == "fast"
    layers, width = _layers(given.hidden_layer_sizes)
    ks = _numbers(given.n_components)
    set_by_user: dict[str, Any] = {
        "k": ks[0] if ks else None,
        "width": width,
        "learning_rate": given.learning_rate,
        "weight_decay": given.weight_decay,
        "noise": given.input_noise,
        "target_noise": given.target_noise,
        "floor": given.scale_floor,
        "steps": FAST_STEPS if fast else None,
    }
    known = {name: value for name, value in set_by_user.items() if value is not None}
    free = tuple(name for name in set_by_user if name not in known and name != "steps")
    search = None if fast else given.search
    base = replace(Candidate(), **known)
    candidates, of_many = candidates_for(
        search, base, free=free, latent=given.latent, inference=given.inference, ks=tuple(ks)
    )
    kl = given.kl
    if kl == "auto":
        kl = "closed" if given.objective == "elbo" else "sampled"
    gradient = given.gradient
    plan = Plan(
        latent=given.latent,
        components=given.components,
        relaxation=given.relaxation,
        inference=given.inference,
        covariance=given.covariance,
        layers=layers,
        activation=given.activation,
        prior_temperature=float(given.prior_temperature),
        posterior_temperature=None if given.posterior_temperature is None else float(given.posterior_temperature),
        anneal=_anneal(given.anneal),
        objective=given.objective,
        kl=kl,
        num_samples=given.n_mc_samples,
        batch_size=given.batch_size,
        max_epochs=given.max_iter,
        n_members=1 if fast else given.n_members,
        validation_fraction=float(given.validation_fraction),
        calibrate=given.calibrate,
        patience=given.n_iter_no_change,
        optimizer=given.optimizer,
        gradient=GRADIENTS[gradient]() if isinstance(gradient, str) else gradient,
        candidates=candidates,
        of_many=of_many,
    )
    plan.check_latent(dequantise=given.dequantise)
    return plan


def _numbers(n_components: Any) -> list[int]:
    """The numbers of components that were asked for; none for "auto"."""
    if isinstance(n_components, str):
        return []
    asked = np.atleast_1d(n_components)
    if not asked.size or asked.dtype.kind not in "iu" or asked.min() < 1:
        mend = 'Give integers of 1 or more, or "auto".'
        raise UsageError(f"{n_components!r} does not list numbers of components.", where="n_components", mend=mend)
    return sorted({int(k) for k in asked.ravel()})


def _layers(sizes: Sequence[int] | None) -> tuple[int, int | None]:
    """How many hidden layers, and their width; None where it was left open."""
    if sizes is None:
        return Plan().layers, None
    widths = np.asarray(sizes)
    if widths.ndim != 1 or (widths.size and (widths.dtype.kind not in "iu" or widths.min() < 1)):
        mend = "Give widths such as (64, 64); () for none."
        raise UsageError(f"{sizes!r} are no widths of layers.", where="hidden_layer_sizes", mend=mend)
    if len(set(widths.tolist())) > 1:
        mend = f"Use for example {(int(widths.max()),) * len(widths)}."
        raise UsageError(f"{sizes!r} differ; hidden layers have one width.", where="hidden_layer_sizes", mend=mend)
    return len(widths), int(widths[0]) if widths.size else 1


def _anneal(factors: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(factor) for factor in factors)
    if not all(0 < value < float("inf") for value in values):
        mend = "Give multiples of the temperature, such as (4, 2)."
        raise UsageError(f"{factors!r} are not all above 0.", where="anneal", mend=mend)
    return values
