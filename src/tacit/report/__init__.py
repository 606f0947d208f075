"""One offline HTML page about a fitted model, from the record of its fit."""

from tacit.report.page import render, write_report
from tacit.report.record import Record

__all__ = ["Record", "render", "write_report"]
