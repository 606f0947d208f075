"""Columns that are pixels of an image: read as one kind, and what a person should know of the constant ones."""

from __future__ import annotations

from tacit.data.column import CHOSEN, Column, fit_column
from tacit.data.findings import Finding, Severity
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.latent_rows import holds_bits, is_number, only

PIXEL = "a pixel: a number, as all of them"  # why a column has its kind
_MOST_NAMES = 4


def pixels_as_numbers(table: Table, schema: Schema, n: int) -> Schema:
    """An inferred schema whose columns of numbers are all real: kinds guessed one by one make no image of n pixels.

    Pixels that are all 0 or 1 stay as they are, since `with_likelihood` reads them so; and so do constant ones. Columns
    that look like identifiers are pixels where only with them there are n.
    """
    numbers = [one for one in schema.columns if _may_be_pixel(one, table)]
    modelled = {one.name for one in numbers if one.modelled}
    if not modelled or holds_bits(only(table, sorted(modelled))):
        return schema
    constant = sum(one.constant for one in schema.columns)
    names = {one.name for one in numbers} if len(numbers) + constant == n else modelled
    return Schema(tuple(fit_column(table, c.name, "real", PIXEL) if c.name in names else c for c in schema.columns))


def _may_be_pixel(column: Column, table: Table) -> bool:
    free = column.role in ("model", "ignored") and column.why != CHOSEN and not column.constant
    return free and is_number(table, column.name) and bool(table.present(column.name).any())


def pixel_findings(plan: LatentPlan, schema: Schema) -> tuple[Finding, ...]:
    """What constant pixels of an image do: they are left out of the model, whose networks can then be no patches."""
    constant = [column.name for column in schema.columns if column.constant]
    if plan.image is None or not constant:
        return ()
    names = ", ".join(constant[:_MOST_NAMES]) + (", ..." if len(constant) > _MOST_NAMES else "")
    message = (
        f"{len(constant)} of {len(schema.pixels)} pixels are constant ({names}): they are left out of the model and "
        "drawn as they are, and its networks are dense, not of patches."
    )
    mend = "Use network='dense' if that is right, or likelihood='bernoulli', of which constant pixels are columns too."
    severity: Severity = "note" if plan.network == "dense" else "warning"
    return (Finding(severity, "constant-pixels", message, mend=mend),)
