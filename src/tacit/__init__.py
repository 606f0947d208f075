"""Latent-variable density models you can trust."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ConditionalMixture": "tacit.estimators.conditional_mixture",
    "DataError": "tacit._errors",
    "DiscreteVAE": "tacit.estimators.discrete_vae",
    "FitError": "tacit._errors",
    "GaussianMixture": "tacit.estimators.gaussian_mixture",
    "LinearGaussian": "tacit.estimators.linear_gaussian",
    "Mixture": "tacit.estimators.mixture",
    "ModelFileError": "tacit._errors",
    "OutputError": "tacit._errors",
    "TacitError": "tacit._errors",
    "TacitWarning": "tacit._errors",
    "UsageError": "tacit._errors",
    "VAE": "tacit.estimators.vae",
    "crps_scorer": "tacit.estimators.scorers",
    "load": "tacit.estimators._load",
    "log_density_scorer": "tacit.estimators.scorers",
    "pinball_scorer": "tacit.estimators.scorers",
    "train": "tacit.training.train",
}

_PARTS = ("distributions", "evaluation", "gradients", "inference", "models", "networks", "objectives", "training")

__all__ = sorted({*_HOMES, *_PARTS})


def __getattr__(name: str) -> Any:
    """Import a public name, or a part of the core, when it is first asked for: `import tacit` itself stays quick."""
    if name in _PARTS:
        return importlib.import_module(f"tacit.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'tacit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
