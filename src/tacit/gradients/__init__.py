"""How to differentiate an expectation under q: one file an estimator."""

from tacit.gradients._base import AbstractGradient, Memory
from tacit.gradients.enumeration import Enumeration
from tacit.gradients.pathwise import Pathwise

__all__ = ["AbstractGradient", "Enumeration", "Memory", "Pathwise"]
