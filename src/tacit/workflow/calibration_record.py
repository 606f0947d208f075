"""What the page tells about calibration, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tacit.evaluation.calibration import Calibration


def calibration_record(told: Calibration, *, target: str, fan: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The section `calibration` of the record of a fit: figures, verdict, and a fan chart where one is given.

    `target` is the column that was predicted, `fan` a record of `fan_record`. Its points are left out, as the page
    and the model file hold no rows of the table.
    """
    record = {"target": target, **told.to_dict()}
    return record if fan is None else {**record, "fan": {**fan, "points": None}}
