"""The sections that the page of a deep model has beside those of all pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tacit.evaluation.result import Result
from tacit.plots import PlotColumn, PlotData, Walk
from tacit.report import Record, render
from tests.report.test_report_page import HOSTILE, Page, assert_offline

GRID = np.linspace(-1, 1, 3)


def figure(name: str, value: float, kind: Any = "exact") -> dict[str, Any]:
    return Result(name, value, standard_error=0.1, monte_carlo_error=0.01, kind=kind, n=30).to_dict()


@pytest.fixture
def deep(record: Record) -> Any:
    """The record of a deep model; what only a mixture has is left out."""
    kept: Any = {key: value for key, value in record.items() if key in ("title", "verdict", "heldout", "data")}
    names = ("log-likelihood", "ELBO", "gap", "rate", "distortion")
    return kept | {
        "model": "vae",
        "code": {"parts": 3, "active": 2, "rate": 2.5, "rates": [1.5, 1.0, 0.0], "unused": 0},
        "bounds": [figure(name, value) for name, value in zip(names, (-5.0, -6.0, 1.0, 2.5, 3.5), strict=True)],
        "bound_curve": {
            "points": [{"draws": 2**k, **figure("bound", -5.0 - 0.5**k, "lower bound")} for k in (0, 6, 7)],
            "best": figure("log-likelihood", -5.0),
            "rows": 30,
            "units": "nats a row",
        },
        "plane": {
            "latents": [2, 1],
            "edges": [[0, 1, 2], [0, 1, 2]],
            "counts": [[9, 0], [4, 5]],
            "column": "sort",
            "kind": "level",
            "levels": ["a", "b"],
            "values": [[0, None], [1, 0]],
            "explained": 0.42,
        },
        "returned": [
            {"column": "mass", "kind": "real", "edges": [0, 1, 2], "counts": [[3, 0], [0, 4]], "explained": 0.9}
        ],
    }


def data(*names: str, originals: bool = False) -> PlotData:
    columns = [PlotColumn(name, "real") for name in names]
    drawn = {name: np.arange(9.0) + i for i, name in enumerate(names)}
    walk = Walk((2, 1), (GRID, GRID), drawn)
    return PlotData(columns, drawn, walk=walk, originals=(drawn, drawn) if originals else None)


def images(page: Page) -> list[str]:
    return [str(attributes["alt"]) for tag, attributes in page.elements if tag == "img"]


def test_a_table_has_its_bounds_its_plane_its_walk_and_what_comes_back(deep: Any) -> None:
    html = render(deep, data("mass", "length"))
    page = Page(html)
    assert_offline(html, page)
    text = " ".join(page.text.split())
    for words in (
        "2 of 3 latents are in use",
        "How far the bound is from the log-likelihood",
        "All points are of the same 30 held-out rows, over which each has a standard error of 0.1.",
        "The plane of the two latents that vary most",
        "The plane explains 42 % of how sort varies.",
        "What comes back",
        "holds no rows of the table",
    ):
        assert words in text, words
    said = " ".join(images(page))
    for alt in ("each latent says", "comes about", "more draws", "coloured by sort", "mass, length", "What rows hold"):
        assert alt in said, alt


def test_rows_that_are_images_are_shown_only_where_they_are_given(deep: Any) -> None:
    deep["image"] = [1, 2]
    plain, shown = (Page(render(deep, data("p0", "p1", originals=o))) for o in (False, True))
    assert "what comes back of them" not in plain.text
    assert "no rows of the table" in plain.text
    assert "Rows, and what comes back of them" in shown.text
    assert "a few rows of the table, as pictures" in shown.text
    assert len(images(shown)) == len(images(plain)) + 1
    assert "Images that the decoder gives over the plane of two latents." in images(plain)


def test_scores_of_grey_levels_are_called_so_in_words_and_pictures(deep: Any) -> None:
    deep["heldout"] = [{**one, "name": f"{one['name']} (not a log-likelihood)"} for one in deep["heldout"]]
    page = Page(render(deep, data("mass", "length")))
    text = " ".join(page.text.split())
    for words in ("How far the bound is from the grey-level score", "Higher is better, but it is not a log-likelihood"):
        assert words in text, words
    assert "makes each row 2.7 times as probable" not in text
    said = " ".join(images(page))
    assert "Held-out grey-level score" in said
    assert "log-likelihood" not in said


@pytest.mark.parametrize("section", ["bounds", "bound_curve", "plane", "returned"])
def test_what_is_absent_leaves_no_picture(deep: Any, section: str) -> None:
    whole = images(Page(render(deep, data("mass", "length"))))
    del deep[section]
    assert len(images(Page(render(deep, data("mass", "length"))))) == len(whole) - 1


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_are_drawn_and_told_as_text(deep: Any, hostile: str) -> None:
    deep["plane"] |= {"column": hostile, "levels": [hostile, "b"]}
    deep["returned"][0]["column"] = hostile
    html = render(deep, data(hostile, "b"))
    page = Page(html)
    assert_offline(html, page)
    assert " ".join(hostile.split()) in " ".join(page.text.split())
