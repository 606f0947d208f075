"""From a model file to the estimator that answers."""

from __future__ import annotations

import os

from tacit.estimators import conditional_mixture, discrete_vae, gaussian_mixture, linear_gaussian, mixture, vae
from tacit.estimators._mixture_file import CLASS
from tacit.estimators.conditional_mixture import ConditionalMixture
from tacit.estimators.discrete_vae import DiscreteVAE
from tacit.estimators.gaussian_mixture import GaussianMixture
from tacit.estimators.linear_gaussian import LinearGaussian
from tacit.estimators.mixture import Mixture
from tacit.estimators.vae import VAE
from tacit.models import FullNormalLatent, NormalLatent
from tacit.persistence.reading import reading_manifest
from tacit.workflow.any_file import load_any
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.linear_table import LinearTable
from tacit.workflow.table_mixture import TableMixture

Loaded = GaussianMixture | Mixture | LinearGaussian | ConditionalMixture | DiscreteVAE | VAE


def load(path: str | os.PathLike[str]) -> Loaded:
    """The estimator of a model file, saved by `save` or by the command line, ready to be asked.

    `record_` says what is known of the fit. Not in the file are: of a `GaussianMixture`, `selection_`, `restarts_`,
    all but the last of `lower_bounds_`, splits or a state of random numbers that were parameters, and the sums of a
    stream, which cannot go on; of a `Mixture`, `fitted_`, `selection_`, `restarts_` and `findings_`; of a
    `ConditionalMixture`, `findings_` and the model that `compare_exact` trained; of a `LinearGaussian`, `fitted_` and
    `bounds_`; of a `DiscreteVAE` or `VAE`, `findings_`, all but 200 points of `history_` and all but 64 latents of
    `kl_per_latent_` and `usage_`.

    Raises `ModelFileError` where it is missing, damaged, newer, or holds something else.
    """
    model, found = load_any(path)
    with reading_manifest(path):
        if isinstance(model, LatentTable):
            if isinstance(model.latent, NormalLatent | FullNormalLatent):
                return vae.from_file(model, found)
            return discrete_vae.from_file(model, found)
        if isinstance(model, LinearTable):
            return linear_gaussian.from_file(model, found)
        if isinstance(model, TableMixture) and found.get("estimator", {}).get("class") == CLASS:
            return gaussian_mixture.from_file(model, found)
        if isinstance(model, TableMixture):
            return mixture.from_file(model, found)
        return conditional_mixture.from_file(model, found)
