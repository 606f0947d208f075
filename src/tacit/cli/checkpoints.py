"""Where a long fit is kept while it goes on, so that it can be continued after a stop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from tacit._errors import UsageError
from tacit.cli.options import together

if TYPE_CHECKING:
    from tacit.training import Checkpoints

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
OPTIONS = together(
    click.option("--checkpoint-every", metavar="60s", help="Keep training beside the model file so often."),
    click.option("--resume", is_flag=True, help="Go on from what is kept there."),
)


def seconds_of(text: str) -> float:
    """Seconds of 90, 90s, 5m or 1h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if found is None or not float(found[1]):
        raise UsageError(f"{text!r} is no time.", where="--checkpoint-every", mend="Write 90s, 5m or 1h.")
    return float(found[1]) * SECONDS[found[2]]


def checkpoints(output: str, every: str | None, resume: bool) -> Checkpoints | None:
    """Those of the model file `output`, without what is left of an earlier run unless it is to be resumed."""
    if every is None and not resume:
        return None
    from tacit.training import Checkpoints

    kept = Checkpoints(f"{output}.checkpoint", seconds_of(every or "60s"))
    if not resume:
        kept.remove()
    elif not kept.exist():
        what = f"there is no {kept.path}.1 to go on from."
        raise UsageError(what, where="--resume", mend="Leave --resume out, and give --checkpoint-every 60s.")
    return kept


def check_trained(checkpoint_every: str | None, resume: bool, model: str) -> None:
    """Raise `UsageError` where a model that is not trained in epochs is to be kept."""
    if checkpoint_every is not None or resume:
        where = "--resume" if checkpoint_every is None else "--checkpoint-every"
        mend = "Leave it out, or use a model that is trained in epochs."
        raise UsageError(f"{model} is fitted by EM, which is not kept on the way.", where=where, mend=mend)
