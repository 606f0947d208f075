"""The estimator of a deep latent-variable model from --set and -k: its parameters are the settings."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tacit._errors import UsageError
from tacit.cli import options

ESTIMATORS = {
    "discrete-vae": ("tacit.estimators.discrete_vae", "DiscreteVAE"),
    "linear-gaussian": ("tacit.estimators.linear_gaussian", "LinearGaussian"),
    "vae": ("tacit.estimators.vae", "VAE"),
}
"""Where the estimator of each model is; its module makes the plan with `plan_of`."""

_ELSEWHERE = ("types", "random_state", "verbose", "holdout", "standardise", "image")  # options of their own


def chosen(model: str, settings: Mapping[str, str], k: str) -> Any:
    """The estimator with every --set NAME=VALUE and -k put in; raises `UsageError` for unknown names and bad values."""
    module, name = ESTIMATORS[model]
    estimator = getattr(importlib.import_module(module), name)()
    known = {key: value for key, value in estimator.get_params(deep=False).items() if key not in _ELSEWHERE}
    found: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in known:
            raise UsageError(f"{key!r} is not a setting.", where="--set", mend=f"Use one of {', '.join(known)}.")
        found[key] = _value(key, text, known[key])
    if k != "auto":
        ks = options.numbers_of_components(k)
        if len(ks) > 1 or "n_states" not in known or "n_states" in found:
            other = "Give one number of states, -k 10, or leave it out."
            mend = other if "n_states" in known else "Use --set n_latents=N."
            raise UsageError(f"{k} is not how {model} is told its size.", where="-k", mend=mend)
        found["n_states"] = ks[0]
    estimator.set_params(**found)
    try:
        estimator._validate_params()
    except UsageError as error:
        raise UsageError(error.what, where="--set", mend="Choose one of these values.") from None
    return estimator


def plan_for(model: str, estimator: Any) -> Any:
    """The plan that the estimator's parameters stand for."""
    return importlib.import_module(ESTIMATORS[model][0]).plan_of(estimator)


def _value(name: str, text: str, default: Any) -> Any:
    """A setting's text as the type of its default."""
    if isinstance(default, tuple):
        return tuple(_number(name, part, int) for part in options.listed("" if text == "none" else text))
    if isinstance(default, str):
        return text
    if default is None:
        return None if text == "none" else int(text) if text.isdecimal() else text
    return _number(name, text, type(default))


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{text!r} is not {what}.", where=f"--set {name}", mend="Write a number.") from None
