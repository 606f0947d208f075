"""The plan of a conditional fit from --set and -k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

from tacit._errors import UsageError
from tacit.cli import options

if TYPE_CHECKING:
    from tacit.workflow.conditional_job import ConditionalJob

_BY_HAND = ("candidates", "of_many", "seed", "gradient", "kept")  # not texts, or options of their own
_MAY_BE_ZERO = ("weight_decay", "noise", "target_noise", "validation_fraction", "floor")
_MOST_K = 1000


def with_plan(job: ConditionalJob, texts: Sequence[str], k: str) -> ConditionalJob:
    """The job with -k and every --set NAME=VALUE put in: settings of the plan, of its candidates, and of the search.

    A setting that is given is not searched over. Raises `UsageError` for unknown names and values out of range.
    """
    from tacit.workflow.conditional_plan import Candidate, Plan
    from tacit.workflow.conditional_search import candidates_for

    plans = {one.name: getattr(job.plan, one.name) for one in fields(Plan) if one.name not in _BY_HAND}
    settings = {one.name: getattr(Candidate(), one.name) for one in fields(Candidate)}
    more = {"search": "small", "target_support": job.support, "dequantise": False}
    found: dict[str, Any] = {}
    for name, text in options.pairs(texts, "--set").items():
        if name not in {**plans, **settings, **more}:
            known = ", ".join((*more, *settings, *plans))
            raise UsageError(f"{name!r} is not a setting.", where="--set", mend=f"Use one of {known}.")
        found[name] = _value(name, text, {**plans, **settings, **more}[name])
    ks = _ks(k, found)
    given = {name: value for name, value in found.items() if name in settings}
    search, support = found.get("search", "small"), found.get("target_support", job.support)
    plan = replace(job.plan, **{name: value for name, value in found.items() if name in plans})
    if "k" not in given and len(ks) == 1:
        given["k"] = ks[0]
    base = replace(Candidate(), **given)
    free = tuple(name for name in settings if name not in given and not (name == "k" and ks))
    found_by = None if search == "none" else search
    few, many = candidates_for(found_by, base, free=free, latent=plan.latent, inference=plan.inference, ks=ks)
    if plan.latent == "concrete" and base.k < 2:
        mend = "Use -k 2 or more, or leave out --set latent=concrete."
        raise UsageError("one component has nothing to relax.", where="-k", mend=mend)
    noisy = found.get("dequantise", False)
    plan.check_latent(dequantise=noisy)
    return replace(
        job, plan=replace(plan, candidates=few, of_many=many), search=search, support=support, dequantise=noisy
    )


def _ks(text: str, found: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of components that -k asks for, none for auto."""
    if text == "auto":
        return ()
    if "k" in found:
        raise UsageError("-k and --set k= both say how many components.", where="-k", mend="Use one of them.")
    ks = options.numbers_of_components(text)
    if max(ks) > _MOST_K:
        raise UsageError(f"{max(ks):,} components are too many.", where="-k", mend="Use 1 to 20.")
    return ks


def _value(name: str, text: str, default: Any) -> Any:
    """A setting's text as the type of its default."""
    choices = ("no", "yes") if isinstance(default, bool) else _choices(name)
    if choices:
        if text not in choices:
            raise UsageError(f"{text!r} is no {name}.", where=f"--set {name}", mend=f"Use one of {', '.join(choices)}.")
        return text == "yes" if isinstance(default, bool) else text
    if name == "anneal":
        return tuple(_number(name, part, float, 1.0) for part in options.listed(text))
    if default is None and text == "none":
        return None
    if name in ("patience", "max_epochs", "batch_size", "steps"):
        return _number(name, text, int, 1)
    if isinstance(default, int):
        return _number(name, text, int, 0 if name == "layers" else 1)
    found = _number(name, text, float, 0.0)
    if found <= 0 and name not in _MAY_BE_ZERO:
        raise UsageError(f"{text} is not above 0.", where=f"--set {name}", mend=f"Use for example {default or 0.5}.")
    if name == "validation_fraction" and found > 0.5:
        raise UsageError(f"{text} is above 0.5.", where=f"--set {name}", mend="Use for example 0.1.")
    return found


def _number(name: str, text: str, kind: type, least: float) -> Any:
    where = f"--set {name}"
    try:
        found = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{text!r} is not {what}.", where=where, mend="Write a number.") from None
    if not least <= found < float("inf"):
        raise UsageError(f"{text} is not {least:g} or more.", where=where, mend="Write a larger number.")
    return found


def _choices(name: str) -> tuple[str, ...]:
    """The texts that a setting may be, none where it is a number."""
    from tacit.inference.optimizers import RULES
    from tacit.networks.activations import ACTIVATIONS
    from tacit.workflow.conditional_fit import Support
    from tacit.workflow.conditional_plan import Inference, Latent, Relaxation

    known: dict[str, tuple[str, ...]] = {
        "search": ("none", "small"),
        "latent": get_args(Latent),
        "relaxation": get_args(Relaxation),
        "inference": get_args(Inference),
        "target_support": get_args(Support),
        "components": ("conditional", "shared"),
        "covariance": ("full", "diagonal"),
        "objective": ("elbo", "iwae"),
        "kl": ("closed", "sampled"),
        "optimizer": tuple(RULES),
        "activation": tuple(ACTIVATIONS),
    }
    return known.get(name, ())
