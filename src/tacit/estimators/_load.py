"""From a model file to the estimator that answers."""

from __future__ import annotations

import os

from tacit.estimators import conditional_mixture, mixture
from tacit.estimators.conditional_mixture import ConditionalMixture
from tacit.estimators.mixture import Mixture
from tacit.persistence.reading import reading_manifest
from tacit.workflow.conditional_file import load_any
from tacit.workflow.table_mixture import TableMixture


def load(path: str | os.PathLike[str]) -> Mixture | ConditionalMixture:
    """The estimator of a model file, saved by `save` or by the command line, ready to be asked.

    `record_` says what is known of the fit. Of a `Mixture`, `fitted_`, `selection_`, `restarts_` and `findings_` are
    not in the file; of a `ConditionalMixture`, `findings_` and the model that `compare_exact` trained are not. Raises
    `ModelFileError` where it is missing, damaged, newer, or holds something else.
    """
    model, found = load_any(path)
    with reading_manifest(path):
        if isinstance(model, TableMixture):
            return mixture.from_file(model, found)
        return conditional_mixture.from_file(model, found)
