"""The classes that a model file may hold: those of its sort, and those of the table that every sort has."""

from __future__ import annotations

from tacit import persistence
from tacit.data.covariate import Covariate
from tacit.data.covariates import Covariates
from tacit.data.findings import Finding
from tacit.data.schema import Column, Schema


def register(*classes: type) -> None:
    """Allow these in model files, beside what describes a table."""
    for cls in (Column, Schema, Covariate, Covariates, Finding, *classes):
        persistence.register(cls)
