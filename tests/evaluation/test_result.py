from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit._errors import UsageError
from tacit.evaluation.result import Result, difference, mean_result, paired_difference

rng = np.random.default_rng(0)
VALUES = rng.normal(size=60)
WEIGHT = rng.uniform(0.5, 2.0, size=60)
GROUPS = np.repeat(np.arange(12), 5)


def test_text_is_what_a_person_reads():
    result = Result("held-out log-likelihood", -3.21409, standard_error=0.0207, n=1000)
    assert str(result) == (
        "held-out log-likelihood  -3.214 ± 0.021 nats a row  (exact; standard error over 1,000 rows)"
    )


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Result("a", 2.0, n=3), "a  2 nats a row  (exact; over 3 rows)"),
        (Result("a", -math.inf, n=3, units=""), "a  -inf  (exact; over 3 rows)"),
        (
            Result("a", 1234.5, standard_error=25.0, n=8, n_groups=4, units="rows"),
            "a  1,234 ± 25 rows  (exact; standard error over 4 groups of 8 rows)",
        ),
        (
            Result("a", 2.0, standard_error=0.0, n=3),
            "a  2 ± 0 nats a row  (exact; standard error over 3 rows)",
        ),
        (
            Result("a", 2.0, monte_carlo_error=0.01, bias=-0.002, kind="lower bound", n=1, note="IWAE, S=64"),
            "a  2 nats a row  (lower bound; over 1 rows; Monte Carlo error 0.01; bias -0.002; IWAE, S=64)",
        ),
    ],
)
def test_text_of_other_figures(result, text):
    assert str(result) == text


def test_mean_and_error_of_plain_rows():
    result = mean_result("m", VALUES)
    np.testing.assert_allclose(result.value, VALUES.mean(), rtol=1e-14)
    np.testing.assert_allclose(result.standard_error, VALUES.std(ddof=1) / math.sqrt(60), rtol=1e-13)
    assert (result.n, result.n_groups) == (60, None)


def test_weighted_grouped_error_against_a_loop():
    result = mean_result("m", VALUES, weight=WEIGHT, groups=GROUPS)
    mean = sum(w * v for w, v in zip(WEIGHT, VALUES, strict=True)) / WEIGHT.sum()
    total = 0.0
    for g in range(12):
        total += sum(WEIGHT[i] * (VALUES[i] - mean) for i in range(60) if GROUPS[i] == g) ** 2
    np.testing.assert_allclose(result.value, mean, rtol=1e-13)
    np.testing.assert_allclose(result.standard_error, math.sqrt(12 / 11 * total) / WEIGHT.sum(), rtol=1e-12)
    assert (result.n, result.n_groups) == (60, 12)


def test_error_over_groups_covers_when_rows_of_a_group_are_alike():
    """Groups of five copies: the grouped error is the error over the 200 distinct values."""
    values = rng.normal(size=200)
    copied = mean_result("m", np.repeat(values, 5), groups=np.repeat(np.arange(200), 5))
    np.testing.assert_allclose(copied.standard_error, mean_result("m", values).standard_error, rtol=1e-12)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 3)), min_size=2, max_size=12))
def test_rows_of_weight_zero_are_inert_and_scale_of_weights_too(rows):
    values, weight = np.array(rows).T
    if not weight.any():
        with pytest.raises(UsageError, match="no row is left"):
            mean_result("m", values, weight=weight)
        return
    result = mean_result("m", values, weight=weight)
    kept = mean_result("m", values[weight > 0], weight=7.0 * weight[weight > 0])
    assert result.n == kept.n == np.count_nonzero(weight)
    np.testing.assert_allclose(result.value, kept.value, rtol=1e-12, atol=1e-12)
    if result.n == 1:
        assert result.standard_error is None
    else:
        np.testing.assert_allclose(result.standard_error, kept.standard_error, rtol=1e-9, atol=1e-12)


def test_integer_weights_give_the_mean_of_repeated_rows():
    weight = rng.integers(0, 4, size=60)
    np.testing.assert_allclose(
        mean_result("m", VALUES, weight=weight).value, np.repeat(VALUES, weight).mean(), rtol=1e-13
    )


def test_impossible_rows_make_an_infinite_mean_with_no_error():
    result = mean_result("m", [0.0, -math.inf, 1.0])
    assert result.value == -math.inf
    assert result.standard_error is None


def test_huge_values_and_weights_do_not_overflow():
    result = mean_result("m", 1e200 * VALUES, weight=np.full(60, 1e308))
    np.testing.assert_allclose(result.standard_error / 1e200, mean_result("m", VALUES).standard_error)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, math.nan], {}, "row 1 is not a number"),
        ([math.inf, -math.inf], {}, "both infinities"),
        ([1.0, 2.0], {"weight": [1.0, -1.0]}, "not negative"),
        ([1.0, 2.0], {"weight": [1.0, math.nan]}, "finite"),
        ([1.0, 2.0], {"weight": [1.0]}, "one entry a row"),
        ([1.0, 2.0], {"groups": [1]}, "one entry a row"),
        ([], {}, "no row is left"),
        ([1.0], {"kind": "sharp"}, "kind 'sharp'"),
    ],
)
def test_bad_rows_are_typed_errors(values, options, message):
    with pytest.raises(UsageError, match=message):
        mean_result("m", values, **options)


def test_paired_difference_uses_the_row_differences():
    other = VALUES - 0.25
    result = paired_difference("gain", VALUES, other, weight=WEIGHT, groups=GROUPS)
    np.testing.assert_allclose(result.value, 0.25, rtol=1e-12)
    np.testing.assert_allclose(result.standard_error, 0.0, atol=1e-15)
    impossible = paired_difference("gain", [1.0, -math.inf, 3.0], [0.0, -math.inf, 0.0])
    np.testing.assert_allclose(impossible.value, 4 / 3)


def test_unlike_densities_are_not_compared():
    with pytest.raises(UsageError, match="cannot be compared"):
        paired_difference("gain", [1.0], [2.0], references=("a", "b"))
    with pytest.raises(UsageError, match="cannot be compared"):
        difference(Result("a", 1.0, reference="x"), Result("b", 1.0, reference="y"))
    with pytest.raises(UsageError, match="units"):
        difference(Result("a", 1.0), Result("b", 1.0, units="bits a row"))
    with pytest.raises(UsageError, match="not a number"):
        difference(Result("a", -math.inf), Result("b", -math.inf))
    with pytest.raises(UsageError, match="shapes"):
        paired_difference("gain", [1.0], [2.0, 3.0])


@pytest.mark.parametrize(
    ("a", "b", "kind"),
    [
        ("exact", "exact", "exact"),
        ("exact", "lower bound", "upper bound"),
        ("upper bound", "lower bound", "upper bound"),
        ("lower bound", "exact", "lower bound"),
        ("exact", "upper bound", "lower bound"),
        ("lower bound", "lower bound", "estimate"),
        ("estimate", "exact", "estimate"),
    ],
)
def test_label_of_a_difference(a, b, kind):
    assert difference(Result("a", 1.0, kind=a), Result("b", 2.0, kind=b)).kind == kind


def test_difference_of_separate_rows_adds_errors_in_quadrature():
    a = Result("a", 3.0, standard_error=0.3, monte_carlo_error=0.03, bias=0.1, n=5, n_groups=2)
    b = Result("b", 1.0, standard_error=0.4, n=7, n_groups=3)
    gap = difference(a, b)
    assert (gap.value, gap.n, gap.n_groups, gap.bias, gap.monte_carlo_error) == (2.0, 12, 5, 0.1, 0.03)
    np.testing.assert_allclose(gap.standard_error, 0.5)
    assert difference(a, Result("c", 1.0)).standard_error is None


@pytest.mark.parametrize("value", [1.5, math.inf, -math.inf])
def test_record_goes_through_strict_json(value):
    result = Result("a", value, standard_error=0.25, kind="estimate", n=4, reference="f00d", note="seen")
    text = json.dumps(result.to_dict(), allow_nan=False)
    assert Result.from_dict(json.loads(text)) == result


def test_odd_records_are_refused():
    record = Result("a", 1.0).to_dict()
    with pytest.raises(UsageError, match="colour"):
        Result.from_dict({**record, "colour": 1})
    del record["n"]
    with pytest.raises(UsageError, match="'n'"):
        Result.from_dict(record)
