"""The picture of gradient estimators: what is drawn, and estimators without variance."""

from __future__ import annotations

from tacit.plots import new_figure
from tacit.plots.gradients import variance_times_cost


def record(name: str, variance: float, evaluations: int, unbiased: bool = True) -> dict[str, object]:
    return {"name": name, "unbiased": unbiased, "variance": variance, "evaluations": evaluations}


def test_variance_and_its_product_with_the_cost_are_drawn() -> None:
    rows = [record("exact", 1e-15, 64), record("a", 0.5, 4), record("b", 0.1, 2, unbiased=False)]
    axes = variance_times_cost(new_figure(5, 3).add_subplot(), rows)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["exact", "a", "b"]
    joined = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2 and line.get_color()]
    assert (0.5, 2.0) in joined
    assert (0.1, 0.2) in joined
    marks = [line for line in axes.lines if line.get_marker() == "<"]
    assert [mark.get_ydata()[0] for mark in marks] == [0]
    assert marks[0].get_xdata()[0] == axes.get_xlim()[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["unbiased", "biased"]


def test_nothing_but_exact_gradients_can_be_drawn() -> None:
    axes = variance_times_cost(new_figure(5, 3).add_subplot(), [record("exact", 0.0, 8)])
    assert len(axes.get_yticklabels()) == 1
