from __future__ import annotations

import math
from typing import Any

import pytest

from tacit.report.numerals import number, percent, with_error
from tacit.report.words import comparison, error_in_words, gathered, headline, kind_in_words, ranked


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12345, "12,345"),
        (-0.00012345, "−0.0001234"),
        (98765.4, "98,765"),
        (2.5e12, "2.5e+12"),
        (math.nan, "–"),
        (math.inf, "∞"),
        ("-inf", "−∞"),
        (None, "–"),
        ("", "–"),
        (False, "no"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.05, "5 %"), (0.00042, "0.042 %"), (None, "–")]
)
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-13.57123, 0.1184, "−13.57 ± 0.12"),
        (1234.5, 56.7, "1,234 ± 57"),
        (0.00012, 0.000031, "0.000120 ± 0.000031"),
        (1.0, 0.0, "1"),
        (1.0, math.nan, "1"),
        ("-inf", 1.0, "−∞"),
        (None, 1.0, "–"),
    ],
)
def test_a_figure_is_given_to_its_errors_second_digit(value: float | None, error: float, text: str) -> None:
    assert with_error(value, error) == text


def test_a_comparison_needs_1_96_standard_errors() -> None:
    assert comparison({"value": 1.97, "standard_error": 1.0}) == "clearly better"
    assert comparison({"value": -1.97, "standard_error": 1.0}) == "clearly worse"
    assert comparison({"value": 1.95, "standard_error": 1.0}) == "no clear difference"
    assert comparison({"value": "inf", "standard_error": None}) == "clearly better"
    assert comparison({"value": None, "standard_error": 1.0}) == "not comparable"
    assert comparison({"value": 1.0, "standard_error": None}) == "not comparable"


def test_bounds_and_errors_are_named_for_what_they_are() -> None:
    result = {"kind": "lower bound", "standard_error": 0.1, "n_groups": 12, "monte_carlo_error": 0.0123, "bias": -0.5}
    assert kind_in_words(result) == "lower bound: the true figure is this or higher"
    assert error_in_words(result) == "± one standard error over 12 groups, Monte Carlo error 0.012, bias −0.5"
    assert error_in_words({}) == "no error known"


def test_the_headline_never_claims_more_than_the_figures() -> None:
    model = {"name": "m", "value": -5.0, "standard_error": 0.1, "n": 9, "kind": "lower bound", "units": "nats a row"}
    good = {"name": "against one Gaussian", "value": 1.0, "standard_error": 0.1}
    close = {"name": "against independence", "value": 0.1, "standard_error": 0.1}
    worse = {"name": "against a tree", "value": -1.0, "standard_error": 0.1}

    def said(*differences: dict[str, Any]) -> str:
        return headline({"model": "VAE", "heldout": [model], "differences": list(differences)})

    assert said().startswith("A VAE model. On 9 rows it never saw, its log-likelihood is at least −5.00 ± 0.10")
    assert "clearly better than every baseline" in said(good)
    assert "the closest comparison is +0.10 ± 0.10 (against independence)" in said(good, close)
    assert "not clearly better than every plain baseline" in said(good, close)
    assert "clearly worse than a plain baseline" in said(good, close, worse)


def test_a_figure_that_failed_is_not_silent() -> None:
    assert "could not be computed" in headline({"heldout": [{"name": "m", "value": None}]})


def test_warnings_come_before_notes_in_their_own_order() -> None:
    severities = ["note", "warning", "note", "warning"]
    found = [{"severity": severity, "code": str(i)} for i, severity in enumerate(severities)]
    assert [warning["code"] for warning in ranked(found)] == ["1", "3", "0", "2"]  # type: ignore[arg-type]


def test_a_score_of_grey_levels_is_not_called_a_log_likelihood() -> None:
    figure = {"name": "grey-level score (not a log-likelihood)", "value": -5.0, "standard_error": 0.1, "n": 9}
    told = headline({"heldout": [figure]})
    assert "its grey-level score (not a log-likelihood) is −5.00" in told
    assert "its log-likelihood" not in told
    assert "Its grey-level score on held-out rows" in headline({"heldout": [figure | {"value": None}]})


def test_what_is_true_of_many_columns_is_said_once() -> None:
    atoms = [{"severity": "warning", "code": "atom", "column": f"x{i}"} for i in range(9)]
    alone = [{"severity": "warning", "code": "constant", "column": "a"}, {"severity": "note", "code": "rows"}]
    told = gathered([alone[0], *atoms, alone[1]])  # type: ignore[list-item]
    assert [(one["code"], others) for one, others in told] == [
        ("constant", ""),
        ("atom", "x1, x2, x3, x4 and 4 more"),
        ("rows", ""),
    ]
    assert len(gathered(atoms[:3])) == 3  # type: ignore[arg-type]
    assert len(gathered([alone[1]] * 5)) == 5  # type: ignore[list-item]
