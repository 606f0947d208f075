"""How to differentiate an expectation under q: one file an estimator."""

from tacit.gradients._base import AbstractGradient, Memory
from tacit.gradients.arms import Arms
from tacit.gradients.baselines import (
    AbstractBaseline,
    ConstantBaseline,
    LearnedDensity,
    MovingAverage,
    NetworkBaseline,
)
from tacit.gradients.compare import Comparison, compare
from tacit.gradients.disarm import DisARM
from tacit.gradients.double_control_variates import DoubleControlVariates
from tacit.gradients.doubly_reparameterised import DoublyReparameterised
from tacit.gradients.enumeration import Enumeration
from tacit.gradients.gumbel_rao import GumbelRao
from tacit.gradients.gumbel_softmax import GumbelSoftmax
from tacit.gradients.leave_one_out import LeaveOneOut
from tacit.gradients.local_expectation import LocalExpectation
from tacit.gradients.names import GRADIENTS, gradient_named
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

__all__ = [
    "GRADIENTS",
    "AbstractBaseline",
    "AbstractGradient",
    "Arms",
    "Comparison",
    "ConstantBaseline",
    "DisARM",
    "DoubleControlVariates",
    "DoublyReparameterised",
    "Enumeration",
    "GumbelRao",
    "GumbelSoftmax",
    "LearnedDensity",
    "LeaveOneOut",
    "LocalExpectation",
    "Memory",
    "MovingAverage",
    "NetworkBaseline",
    "Pathwise",
    "Rebar",
    "ReinMax",
    "Reinforce",
    "Relax",
    "ReweightedWakeSleep",
    "StickingTheLanding",
    "StraightThrough",
    "SumAndSample",
    "UniformSampling",
    "UnorderedSet",
    "compare",
    "gradient_named",
]
