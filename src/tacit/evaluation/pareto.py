"""The shape of the upper tail of importance weights: may their mean be trusted?"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import logsumexp

from tacit._errors import UsageError
from tacit.data.findings import Finding
from tacit.evaluation.proposal import MOST_LATENTS

TRUSTED = 0.7  # above, a mean of weights converges too slowly to be believed
LEAST = 25  # draws below which a tail is not judged
EQUAL = 1e-4  # of the largest weight: a tail within so much of it is rounding, and moves no mean
_ALONE = 2.0  # draws that the weights are worth
MANY = 0.1  # share of rows with a tail that is not to be trusted, from which on a person is told
_PRIOR, _PULL = 0.5, 10  # the shape is drawn towards 1/2 as if by ten more draws


def generalised_pareto(exceedances: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    """Shape k of a generalised Pareto distribution, of every row of exceedances above a threshold.

        P(X > x) = (1 + k x / sigma)^(-1/k)

    The posterior mean over a grid of theta = -k / sigma under a weak prior, with k(theta) = mean log(1 - theta x) the
    profile likelihood's maximum. Rows whose exceedances are all nought get -inf: there is no tail. Source: Zhang and
    Stephens 2009.

    Example:
        >>> x = np.random.default_rng(0).pareto(2.0, size=(1, 10_000))  # k = 1/2
        >>> bool(abs(generalised_pareto(x)[0] - 0.5) < 0.03)
        True
    """
    x = np.sort(np.asarray(exceedances, np.float64), axis=1)
    n, m = x.shape
    found = np.full(n, -np.inf)
    some = x[:, -1] > 0
    x = x[some]
    if not some.any():
        return found
    grid = 30 + math.isqrt(m)
    quartile = np.maximum(x[:, int(m / 4 + 0.5) - 1], 1e-12 * x[:, -1])[:, None]
    spread = 1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    theta = 1 / x[:, -1:] + spread / (3 * quartile)  # (n, g)
    k = np.stack([np.mean(np.log1p(-t[:, None] * x), axis=1) for t in theta.T], axis=1)
    profile = m * (np.log(-theta / k) - k - 1)
    weights = np.exp(profile - profile.max(axis=1, keepdims=True))
    best = np.sum(theta * weights, axis=1) / weights.sum(axis=1)
    found[some] = np.mean(np.log1p(-best[:, None] * x), axis=1)
    return found


def k_hat(log_w: Float[np.ndarray, "n s"]) -> Float[np.ndarray, " n"]:
    """Pareto k-hat of every row of s log-weights: below .7 their mean can be trusted; -inf where the tail is flat.

    The shape of the largest min(s/5, 3 sqrt(s)) weights, drawn a little towards 1/2. Source: Vehtari et al. 2024.
    Raises `UsageError` for fewer than 25 draws.

    Example:
        >>> u = np.random.default_rng(0).random((1, 10_000))
        >>> bool(abs(k_hat(-0.9 * np.log(u))[0] - 0.9) < 0.1)  # weights u^-0.9
        True
    """
    log_w = np.asarray(log_w, np.float64)
    s = log_w.shape[1]
    if s < LEAST:
        raise UsageError(f"{s} draws do not show the tail of their weights.", mend=f"Use at least {LEAST} draws.")
    m = math.ceil(min(s / 5, 3 * math.sqrt(s)))
    ordered = np.sort(log_w, axis=1)
    weights = np.exp(ordered[:, -m - 1 :] - ordered[:, -1:])
    exceedances = weights[:, 1:] - weights[:, :1]
    shape = generalised_pareto(np.where((exceedances > 1e-12) & (weights[:, :1] < 1 - EQUAL), exceedances, 0.0))
    return (m * shape + _PULL * _PRIOR) / (m + _PULL)


def one_alone(log_w: Float[np.ndarray, "n s"]) -> Bool[np.ndarray, " n"]:
    """Whether one draw has nearly all of a row's weight: they are worth fewer than two, `1 / sum r²` of their shares r.

    What is said of the others then shows nothing, neither a spread nor the shape of a tail.

    >>> one_alone(np.log([[0.1, 0.8, 0.1], [0.2, 0.5, 0.3]]))
    array([ True, False])
    """
    return logsumexp(2 * log_w, axis=1) - 2 * logsumexp(log_w, axis=1) > -np.log(_ALONE)


def in_words(k_hat: Float[np.ndarray, " n"], share: Float[np.ndarray, " n"]) -> str:
    """How many rows (by their shares of the weight) have weights that are not to be trusted.

    >>> in_words(np.array([0.2, 0.9]), np.array([0.75, 0.25]))
    'Pareto k-hat above 0.7 on 25.0% of rows'
    """
    return f"Pareto k-hat above {TRUSTED} on {share @ (k_hat > TRUSTED):.1%} of rows"


def findings(k_hat: Float[np.ndarray, " n"], share: Float[np.ndarray, " n"], draws: int, normals: int) -> list[Finding]:
    """A warning where that is so of many rows, of a model with so many normal latents.

    >>> [finding.code for finding in findings(np.array([0.2, 0.9]), np.array([0.75, 0.25]), 256, 8)]
    ['importance-weights']
    """
    doubtful = float(share @ (k_hat > TRUSTED))
    if doubtful <= MANY:
        return []
    message = (
        f"The importance weights cannot be trusted: on {doubtful:.0%} of the rows a few of the {draws:,} draws carry "
        f"nearly all of the weight (Pareto k-hat above {TRUSTED}). The log-likelihood may be off, most likely too low, "
        "by more than its errors say."
    )
    mend = (
        f"Judge with more draws (in Python evaluate(X, n_mc_samples={4 * draws})), train longer or q with more hidden "
        "units; one or two normal latents, and up to 65,536 states, need no draws."
    )
    if normals > MOST_LATENTS:
        mend += f" With at most {MOST_LATENTS} normal latents draws are led to the modes of each row's posterior."
    return [Finding("warning", "importance-weights", message, mend=mend)]
