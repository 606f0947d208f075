"""How long a conditional fit may take, and how much memory: a rough estimate before the work begins."""

from __future__ import annotations

import math
import os

from tacit.workflow.conditional_job import ConditionalJob
from tacit.workflow.conditional_plan import STEPS, Plan

FLOPS_PER_CORE = 1e10  # of the small products of a step, in float32
STEP = 2e-5  # seconds a member's step costs beside its products
COMPILING = 30.0  # seconds, where nothing is kept from earlier runs
BASE_MEGABYTES = 450.0


def conditional_estimate(n: int, p: int, d: int, job: ConditionalJob) -> tuple[float, float]:
    """Seconds and megabytes to fit n rows of p covariates and d targets.

    A step costs six operations for every weight and row of its batch: the two products forward, the four of the
    gradient. Some members of every candidate train, then the others of the one that is chosen; all of those again on
    all rows and, for a relaxed latent, once more exactly.
    """
    plan = job.plan.for_rows(n)
    wide = p + (plan.width if plan.layers else 0)
    weights = (p + 1) * plan.width + max(plan.layers - 1, 0) * plan.width**2 + wide * plan.k * (2 * d + 1)
    weights *= 1 if plan.exact else 2
    batch = plan.batch(n)
    cost = STEP + 6.0 * weights * batch * max(plan.num_samples, 1) / (FLOPS_PER_CORE * (os.cpu_count() or 1))
    epoch = math.ceil(n / batch)

    def steps(one: Plan) -> list[int]:
        return [math.ceil((candidate.steps or STEPS[0]) / epoch) * epoch for candidate in one.candidates]

    relaxed, several = plan.latent == "concrete", len(plan.candidates) > 1
    judging = bool(job.holdout)
    longest, rounds = max(steps(plan)), len(plan.anneal) + 1
    if plan.shortly(n):
        members, searched = len(plan.candidates), sum(steps(plan.trial())) + plan.n_members * longest
    else:
        members = len(plan.candidates) * plan.n_scouts
        searched = plan.n_scouts * sum(steps(plan)) + (plan.n_members - plan.n_scouts) * longest
    again = plan.n_members * longest * (int(job.refit and judging) + int(relaxed and judging))
    seconds = (searched * rounds + again) * cost
    compilations = 1 + int(several) + int(job.refit and judging and several) + int(relaxed and judging)
    megabytes = BASE_MEGABYTES + 4 * members * (5 * weights + 8 * batch * plan.width) / 1e6 + 24 * n * (p + d) / 1e6
    return COMPILING * compilations + seconds, megabytes
