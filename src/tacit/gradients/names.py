"""Gradient estimators by name: looked up once, at the edge."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from tacit._errors import UsageError, shown
from tacit.gradients._base import AbstractGradient
from tacit.gradients.arms import Arms
from tacit.gradients.baselines import MovingAverage, NetworkBaseline
from tacit.gradients.disarm import DisARM
from tacit.gradients.double_control_variates import DoubleControlVariates
from tacit.gradients.doubly_reparameterised import DoublyReparameterised
from tacit.gradients.enumeration import Enumeration
from tacit.gradients.gumbel_rao import GumbelRao
from tacit.gradients.gumbel_softmax import GumbelSoftmax
from tacit.gradients.leave_one_out import LeaveOneOut
from tacit.gradients.local_expectation import LocalExpectation
from tacit.gradients.pathwise import Pathwise
from tacit.gradients.rebar import Rebar
from tacit.gradients.reinforce import Reinforce
from tacit.gradients.reinmax import ReinMax
from tacit.gradients.relax import Relax
from tacit.gradients.reweighted_wake_sleep import ReweightedWakeSleep
from tacit.gradients.sticking_the_landing import StickingTheLanding
from tacit.gradients.straight_through import StraightThrough
from tacit.gradients.sum_and_sample import SumAndSample
from tacit.gradients.uniform_sampling import UniformSampling
from tacit.gradients.unordered_set import UnorderedSet

GRADIENTS: dict[str, Callable[[], AbstractGradient]] = {
    "enumeration": Enumeration,
    "uniform": UniformSampling,
    "defensive": partial(UniformSampling, 0.1),
    "reinforce": Reinforce,
    "reinforce-average": partial(Reinforce, MovingAverage()),
    "reinforce-network": partial(Reinforce, NetworkBaseline()),
    "leave-one-out": LeaveOneOut,
    "leave-one-out-arithmetic": partial(LeaveOneOut, "arithmetic"),
    "vimco": partial(LeaveOneOut, plain=True),
    "disarm": DisARM,
    "arms": Arms,
    "double-control-variates": DoubleControlVariates,
    "rebar": Rebar,
    "relax": Relax,
    "local-expectation": LocalExpectation,
    "sum-and-sample": SumAndSample,
    "unordered-set": UnorderedSet,
    "gumbel-softmax": GumbelSoftmax,
    "gumbel-rao": GumbelRao,
    "straight-through": StraightThrough,
    "reinmax": ReinMax,
    "reweighted-wake-sleep": ReweightedWakeSleep,
    "pathwise": Pathwise,
    "sticking-the-landing": StickingTheLanding,
    "doubly-reparameterised": DoublyReparameterised,
}


def gradient_of(given: str | AbstractGradient) -> AbstractGradient:
    """The estimator itself, or that of the name; raises `UsageError` for what is neither."""
    if isinstance(given, str):
        return gradient_named(given)
    if not isinstance(given, AbstractGradient):
        mend = "Give an object such as LeaveOneOut(), or a name such as 'leave-one-out'."
        raise UsageError(f"{shown(given)} is no gradient estimator.", mend=mend)
    return given


def in_names(text: str) -> str:
    """A text with the classes of estimators told by their names.

    >>> in_names("Use LeaveOneOut or Enumeration.")
    "Use 'leave-one-out' or 'enumeration'."
    """
    names = {type(make()).__name__: repr(name) for name, make in reversed(GRADIENTS.items())}
    return re.sub("|".join(rf"\b{known}\b" for known in names), lambda found: names[found[0]], text)


def gradient_named(name: str) -> AbstractGradient:
    """The estimator of that name with its usual settings; raises `UsageError` that lists the names there are.

    >>> gradient_named("leave-one-out")
    LeaveOneOut()
    """
    if name not in GRADIENTS:
        raise UsageError(f"{shown(name)} is no gradient estimator.", mend=f"Use one of {', '.join(GRADIENTS)}.")
    return GRADIENTS[name]()
