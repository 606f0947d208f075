"""Targets that were rounded: noise over the cell that a value stands for, so that a density has something to be of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from tacit._errors import DataError, UsageError
from tacit.data.findings import Finding
from tacit.data.measure import smallest_gap
from tacit.data.table import Table
from tacit.workflow.conditional_fit import Task
from tacit.workflow.conditional_targets import CONTINUOUS


def dequantised(task: Task, *, seed: int) -> Task:
    """The task with uniform noise of width h added to its one target, h the smallest gap between distinct values.

    The density of a value v is then the mean density over the cell about it, `[F(v + h/2) - F(v - h/2)] / h`, which
    no narrow component can drive to infinity. Source: Theis et al. 2016.

    Raises `UsageError` unless there is one target and it is continuous, `DataError` for a positive one whose cells
    reach zero.
    """
    columns = task.schema.modelled
    if len(columns) != 1 or columns[0].kind not in CONTINUOUS:
        kinds = ", ".join(column.kind for column in columns)
        mend = "Leave dequantise out, or fit one real or positive target."
        raise UsageError(f"noise is for one real or positive target, not for {kinds}.", where="dequantise", mend=mend)
    name = columns[0].name
    values = task.table.numbers(name)
    width = smallest_gap(np.unique(values[task.counted]))
    if columns[0].kind == "positive" and np.min(values[task.counted]) <= width / 2:
        raise DataError(
            f"the cell of width {width:g} about the smallest value reaches zero.",
            where=task.table.where(column=name),
            mend='Use target_support="real".',
        )
    noise = np.random.default_rng(seed).uniform(-width / 2, width / 2, len(values))
    place = task.table.names.index(name)
    data = task.table.data.set_column(place, name, pa.array(values + noise, from_pandas=True))
    table = Table(data, task.table.source, task.table.findings, task.table.line)
    message = f"Trained with uniform noise of width {width:g}; densities are those of cells of that width."
    findings = [finding for finding in task.findings if finding.code != "few-distinct"]
    return replace(task, table=table, cell=width, findings=(*findings, Finding("note", "dequantised", message, name)))
