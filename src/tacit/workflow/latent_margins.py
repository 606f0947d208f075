"""The divergence of a normal from a mixture of normals, one latent at a time, by quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

NODES = 48
_LOG_2PI = float(np.log(2 * np.pi))


def margin_divergences(
    loc: Float[np.ndarray, "n d"], scale: Float[np.ndarray, "n d"], prior: Any
) -> Float[np.ndarray, "n d"]:
    """`KL(N(m_j, s_j^2) || p_j)` of every row and latent, p_j the margin of a mixture of diagonal normals, in nats.

    By Gauss-Hermite quadrature: `-1/2 log(2 pi e s^2) - sum_i w_i log p_j(m + s t_i)`.

    >>> from tacit.distributions import DiagonalNormal, Mixed
    >>> standard = Mixed(np.zeros(1), DiagonalNormal(np.zeros((1, 1)), np.zeros((1, 1))))
    >>> print(margin_divergences(np.array([[1.0]]), np.array([[0.5]]), standard).round(4))  # (m² + s² - 1 - log s²) / 2
    [[0.8181]]
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    logits = np.asarray(prior.logits, float)
    log_weights = logits - np.logaddexp.reduce(logits)
    centres, log_scales = (np.asarray(a, float) for a in (prior.stack.loc, prior.stack.log_scale))
    cross = np.zeros(loc.shape)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        z = (loc + scale * node)[:, None]
        terms = -0.5 * (((z - centres) * np.exp(-log_scales)) ** 2 + _LOG_2PI) - log_scales + log_weights[:, None]
        cross += weight * np.logaddexp.reduce(terms, axis=1)
    return np.maximum(-0.5 * (_LOG_2PI + 1) - np.log(scale) - cross, 0.0)
