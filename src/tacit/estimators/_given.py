"""Starting points that the user gives, as scikit-learn takes them: weights, means, precisions, or some of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from tacit._errors import UsageError
from tacit.estimators._covariances import Covariance
from tacit.estimators._units import Units
from tacit.inference.em import Population


def _array(name: str, values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values, float)
    if array.shape != shape:
        raise UsageError(f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise UsageError(f"The parameter '{name}' holds values that are not finite.", mend="Give numbers.")
    return array


def check_weights(values: ArrayLike, k: int) -> np.ndarray:
    """Weights of k components; raises `UsageError` where they are not."""
    weights = _array("weights", values, (k,))
    low, high = weights.min(), weights.max()
    if low < 0 or high > 1:
        raise UsageError(
            f"The parameter 'weights' should be in the range [0, 1], but got max value {low:.5f}, min value {high:.5f}"
        )
    if not np.isclose(weights.sum(), 1.0):
        raise UsageError(
            f"The parameter 'weights' should be normalized, but got sum(weights) = {weights.sum():.5f}",
            mend="Divide them by their sum.",
        )
    return weights


@dataclass(frozen=True)
class Given:
    """Parts of a stack of k components in model units; None where EM finds its own start."""

    log_weights: np.ndarray | None
    components: dict[str, np.ndarray]  # by field of the family

    @classmethod
    def of(
        cls,
        weights: ArrayLike | None,
        means: ArrayLike | None,
        precisions: ArrayLike | None,
        *,
        kind: Covariance,
        name: str,
        units: Units,
        k: int,
    ) -> Given:
        """Checked, and turned into model units; raises `UsageError`. `name` is that of the kind of covariance."""
        d = len(units.centre)
        components = {}
        if weights is not None:
            weights = check_weights(weights, k)
        if means is not None:
            components["loc"] = units.to_model(_array("means", means, (k, d)))
        if precisions is not None:
            array = _array(f"{name} precision", precisions, kind.shape(k, d))
            if not kind.is_positive(array):
                raise UsageError(f"'{name} precision' should be {kind.positive}")
            components[kind.field] = kind.parameter(array, k, units.scale)
        with np.errstate(divide="ignore"):
            return cls(None if weights is None else np.log(weights), components)

    @property
    def any(self) -> bool:
        """Whether some part is given."""
        return self.log_weights is not None or bool(self.components)

    @property
    def all(self) -> bool:
        """Whether every part is given."""
        return self.log_weights is not None and len(self.components) == 2

    def adjust(self, population: Population) -> Population:
        """Starting points with the given parts in place."""
        log_weights, components = population.log_weights, population.components
        if self.log_weights is not None:
            log_weights = jnp.broadcast_to(self.log_weights, log_weights.shape)
        parts = {
            name: jnp.broadcast_to(value, getattr(components, name).shape) for name, value in self.components.items()
        }
        return Population(log_weights, replace(components, **parts), population.weighting)
