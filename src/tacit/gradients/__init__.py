"""How to differentiate an expectation under q: one file an estimator."""

from tacit.gradients._base import AbstractGradient, Memory
from tacit.gradients.baselines import (
    AbstractBaseline,
    ConstantBaseline,
    LearnedDensity,
    MovingAverage,
    NetworkBaseline,
)
from tacit.gradients.disarm import DisARM
from tacit.gradients.doubly_reparameterised import DoublyReparameterised
from tacit.gradients.enumeration import Enumeration
from tacit.gradients.leave_one_out import LeaveOneOut
from tacit.gradients.pathwise import Pathwise
from tacit.gradients.reinforce import Reinforce
from tacit.gradients.sticking_the_landing import StickingTheLanding
from tacit.gradients.uniform_sampling import UniformSampling

__all__ = [
    "AbstractBaseline",
    "AbstractGradient",
    "ConstantBaseline",
    "DisARM",
    "DoublyReparameterised",
    "Enumeration",
    "LearnedDensity",
    "LeaveOneOut",
    "Memory",
    "MovingAverage",
    "NetworkBaseline",
    "Pathwise",
    "Reinforce",
    "StickingTheLanding",
    "UniformSampling",
]
