"""How to differentiate an expectation under q: one file an estimator."""

from tacit.gradients._base import AbstractGradient, Memory
from tacit.gradients.doubly_reparameterised import DoublyReparameterised
from tacit.gradients.enumeration import Enumeration
from tacit.gradients.pathwise import Pathwise
from tacit.gradients.sticking_the_landing import StickingTheLanding

__all__ = [
    "AbstractGradient",
    "DoublyReparameterised",
    "Enumeration",
    "Memory",
    "Pathwise",
    "StickingTheLanding",
]
