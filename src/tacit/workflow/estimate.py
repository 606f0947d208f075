"""How long a fit may take, and how much memory: a rough estimate before the work begins."""

from __future__ import annotations

import os

from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.inference.fit import Member
from tacit.inference.population import START_ROWS
from tacit.inference.source import Source
from tacit.workflow.fit_table import Job
from tacit.workflow.table_mixture import family

FLOPS_PER_CORE = 3e9  # of the two products of a step, exponentials included, in float64
USUAL_STEPS = 50  # until a start has converged
EARLY_STEPS = 10
COMPILING = 20.0  # seconds, where nothing is kept from earlier runs
BASE_MEGABYTES = 350.0  # of the process, with tiles


def estimate(schema: Schema, rows: Rows, job: Job) -> tuple[float, float]:
    """Seconds and megabytes to fit these rows.

    A step costs `4 n k t` operations for k components and t statistics a row; rows with holes count as so many
    complete ones. Every k runs once for all rows and once for every fold, with early steps for each start (on some of
    many rows only) and the usual number for those that finish.
    """
    layout, n = schema.layout, len(rows)
    work = Source(rows.y, pattern_columns=family(schema).pattern_columns).work
    d = len(layout.normal)
    t = d * (d + 1) // 2 + d + 1 + layout.width - d + sum(levels for _, levels in layout.categorical)
    folds = job.n_folds if len(job.ks) > 1 and job.select == "density" else 0
    usual = min(USUAL_STEPS, job.settings.max_steps)
    members = [(Member(2), 1), (Member(2, in_fold=True), folds)]
    starts = [(*member.starts(job.settings), count) for member, count in members]
    early = min(work, START_ROWS)
    passes = sum(
        count * (n_starts * EARLY_STEPS * early + n_finish * usual * work) for n_starts, n_finish, count in starts
    )
    operations = 4.0 * passes * t * sum(job.ks)
    return COMPILING + operations / (
        FLOPS_PER_CORE * (os.cpu_count() or 1)
    ), BASE_MEGABYTES + 3 * 8 * n * layout.width / 1e6
