from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tacit.plots import Ellipse, PlotColumn, PlotData
from tacit.report import Record, render

VOID = {"meta", "img", "source", "br"}
SECTIONS = {
    *("selection", "heldout", "calibration", "restarts", "data"),
    *("components", "marginals", "anomalies", "settings"),
}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "</style></title><h1>",
    "averylongcolumnname_" * 30,
    "鳥の深さ \u202e🐧\x00",
    "$\\frac{x$",
)


class Page(HTMLParser):
    """Reads a page and keeps its elements, their text, and whether every tag was closed in turn."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in ("td", "th") else ""

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def ids(self) -> set[str]:
        return {str(attributes["id"]) for _, attributes in self.elements if "id" in attributes}


def assert_offline(html: str, page: Page) -> None:
    assert page.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base", "a"})
    assert not re.search(r"https?://|url\(|@import", html)
    for _, attributes in page.elements:
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "srcset", "href"):
            assert key not in attributes or str(attributes[key]).startswith("data:image/png;base64,")


def test_a_whole_record_has_every_section_and_loads_nothing(record: Record, pictures: PlotData) -> None:
    html = render(record, pictures)
    page = Page(html)
    assert page.ids == SECTIONS
    assert_offline(html, page)
    assert html.startswith("<!DOCTYPE html>")
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == 3 + 2 + 1 + 3  # curve, figures, starts; calibration; pairs; one for each column
    assert all(attributes["alt"] for attributes in images)


def test_it_says_what_the_record_says(record: Record, pictures: PlotData) -> None:
    text = " ".join(Page(render(record, pictures)).text.split())
    for words in (
        "On 69 rows it never saw, its log-likelihood is −13.57 ± 0.12 nats a row.",
        "converged All starts agree.",
        "Chosen: k = 2; the best figure is at k = 3.",
        "exact · ± one standard error over 69 rows",
        "Mixture minus one full Gaussian +2.261 ± 0.097 clearly better",
        "miscalibrated 90 % intervals hold 82.1 ± 1.2 %: too narrow.",
        "Predictions of mass against what was observed",
        "90 % intervals 90 % 82.1 ± 1.2 %",
        "above the median 50 % 60.0 ± 1.0 %",
        "pinball loss, 0.05 12.50 ± 0.20",
        "275 to learn from and 69 held out, split by group (12 groups).",
        "2 missing, 0.58 %",
        "70 % about 241 rows",
        "1017 0.0004 mass 7.2",
        "tacit fit table.csv -k 1:3",
    ):
        assert words in text
    assert text.index("A warning.") < text.index("A note.")


@pytest.fixture(scope="module")
def plain_tags(whole_record: Record, pictures: PlotData) -> set[str]:
    return Page(render(whole_record, pictures)).tags


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_shown_as_text(record: Any, pictures: PlotData, plain_tags: set[str], hostile: str) -> None:
    poisoned = _poison(record, hostile)
    renamed = PlotData(
        [PlotColumn(hostile, "real"), PlotColumn("length", "real"), PlotColumn("sort", "categorical")],
        {hostile: pictures.sampled["mass"], "length": pictures.sampled["length"], "sort": np.array([hostile, "b"])},
        None,
        [Ellipse(e.weight, e.mean, e.covariance, (hostile, "length")) for e in pictures.ellipses],
    )
    html = render(poisoned, renamed)
    page = Page(html)
    assert_offline(html, page)
    assert page.ids == SECTIONS
    assert " ".join(hostile.split()) in " ".join(page.text.split())
    assert page.tags == plain_tags


def _poison(value: Any, hostile: str) -> Any:
    """Every text of a record replaced, but for the words that choose what is drawn."""
    if isinstance(value, dict):
        kept = ("method", "status", "severity")
        return {key: item if key in kept else _poison(item, hostile) for key, item in value.items()}
    if isinstance(value, list):
        return [_poison(item, hostile) for item in value]
    return hostile if isinstance(value, str) else value


def test_calibration_is_told_from_any_of_its_parts(record: Any) -> None:
    for part in record["calibration"]:
        assert "calibration" in Page(render({"calibration": {part: record["calibration"][part]}})).ids  # type: ignore[typeddict-item,misc]


def test_hostile_names_of_a_fan_chart_are_drawn_as_text() -> None:
    bands = [{"coverage": 0.9, "intervals": [[[0.0, 1.0]], [[0.0, 1.0], [2.0, 3.0]]]}]
    fan = {"names": ["$\\frac{x$", "<script>"], "x": [0.0, 1.0], "bands": bands, "median": None, "points": None}
    html = render({"calibration": {"fan": fan}})
    page = Page(html)
    assert_offline(html, page)
    assert [tag for tag, _ in page.elements].count("img") == 1


@pytest.mark.parametrize("section", sorted(SECTIONS - {"marginals"}))
def test_an_absent_section_leaves_no_trace(record: Any, section: str) -> None:
    keys = {"restarts": ("restarts", "agreement"), "settings": ("settings", "command")}.get(section, (section,))
    for key in keys:
        del record[key]
    assert Page(render(record)).ids == SECTIONS - {"marginals", section}


def test_an_empty_record_is_still_a_page() -> None:
    page = Page(render({}))
    assert page.ids == set()
    assert "A density model." in page.text


def test_sections_with_nothing_in_them_are_pages_too(record: Any) -> None:
    bare = {key: [{}] if isinstance(value, list) else {} for key, value in record.items() if not isinstance(value, str)}
    bare |= {"k": 2, "seconds": 1.0, "selection": {"method": "fixed", "chosen": 2}, "components": [{"share": 1.0}]}
    assert "k = 2 was the only one tried." in Page(render(bare)).text


def test_no_cell_of_the_table_is_in_the_page(record: Record, pictures: PlotData) -> None:
    html = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", render(record, pictures))
    assert pictures.real is not None
    cells = {str(cell) for name in ("mass", "length") for cell in pictures.real[name].tolist()}
    assert len(cells) > 100
    assert not any(cell in html for cell in cells)


def test_without_rows_the_page_claims_no_comparison(record: Record, pictures: PlotData) -> None:
    text = Page(render(record, PlotData(pictures.columns, pictures.sampled, None, pictures.ellipses))).text
    assert "What the model draws" in text
    assert "your rows" not in text


def test_many_columns_are_bounded_and_said_to_be(record: Record) -> None:
    columns = [PlotColumn(f"c{i}", "real") for i in range(40)] + [PlotColumn("key", "id")]
    data = PlotData(columns, {column.name: np.arange(5.0) for column in columns})
    page = Page(render({"title": "wide"}, data))
    assert "4 more columns are not drawn" in page.text
    assert sum(tag == "img" for tag, _ in page.elements) == 36


def test_the_same_record_gives_the_same_page(record: Record, pictures: PlotData) -> None:
    assert render(record, pictures) == render(record, pictures)


def test_the_page_suits_phones_and_the_dark_and_forbids_scripts() -> None:
    html = render({})
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="viewport"' in html
    assert "Content-Security-Policy" in html
