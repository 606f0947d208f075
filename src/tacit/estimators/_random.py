"""Seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from tacit._errors import UsageError, shown


def seed_of(random_state: Any) -> int:
    """A seed: an integer as it is, else one drawn from scikit-learn's sort of random state.

    Raises `UsageError` for what is neither.
    """
    if isinstance(random_state, int | np.integer):
        if random_state < 0:
            raise UsageError(f"{random_state} is negative.", where="random_state", mend="Use 0 or more.")
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        mend = "Use a whole number, a numpy.random.RandomState, or None."
        raise UsageError(f"{shown(random_state)} is no seed.", where="random_state", mend=mend) from error
