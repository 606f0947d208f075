"""tacit demo: the whole job on a real table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from tacit._errors import OutputError
from tacit.cli import options
from tacit.cli.fit import fit_and_write
from tacit.cli.tables import check_outputs, read_rows, write_json

_ASKED = 6  # rows kept back, to be asked about
_FILES = ("tumours.csv", "holes.csv", "schema.toml", "model.tacit", "report.html", "predictions.csv", "samples.csv")


@click.command("demo")
@click.option("-o", "--output", default="tacit-demo", show_default=True, metavar="DIR", help="Where the files go.")
@options.together(options.SEED, options.FORCE, options.JSON)
def command(output: str, seed: int, force: bool, as_json: bool) -> None:
    """Check a real table, choose and fit a model, judge it, and ask it: about half a minute.

    The table is the breast cancer data of Wisconsin, which comes with scikit-learn: ten measurements of cell nuclei
    and the diagnosis.
    """
    began = time.perf_counter()
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot be made: {reason}.", where=output, mend="Choose another with -o DIR.") from None
    paths = {name: str(folder / name) for name in _FILES}
    check_outputs(*paths.values(), force=force)
    say = (lambda text: None) if as_json else click.echo
    hidden = _write_tables(paths, seed, force)
    record = _fit(paths, seed, force, say)
    _ask(paths, hidden, seed, force, say)
    seconds = time.perf_counter() - began
    if as_json:
        write_json("demo", {"files": paths, "seconds": seconds, "record": record})
        return
    say(_step(f"done in {seconds:.0f} s; now try"))
    model, holes = paths["model.tacit"], paths["holes.csv"]
    say(f"  open {paths['report.html']} in a browser")
    say(f"  tacit predict {model} {holes} --target texture --quantiles 0.05,0.5,0.95")
    say(f"  tacit impute {model} {holes} --draws 5")
    say(f"  tacit score {model} {paths['tumours.csv']} -o scores.csv")
    say("  tacit fit YOUR.csv -o your.tacit --report your.html")


def _step(text: str) -> str:
    return "\n" + click.style(f"== {text}", bold=True)


def _write_tables(paths: Mapping[str, str], seed: int, force: bool) -> dict[str, np.ndarray]:
    """The table to learn from, and a few other rows with holes; gives what the holes hide."""
    from sklearn.datasets import load_breast_cancer

    from tacit.data.write import write_table

    data = load_breast_cancer()
    names = [name.removeprefix("mean ").replace(" ", "_") for name in data.feature_names[:10]]
    columns: dict[str, np.ndarray] = dict(zip(names, data.data.T[:10], strict=True))
    columns["diagnosis"] = data.target_names[data.target].astype(object)
    order = np.random.default_rng(seed).permutation(len(data.target))
    asked, learned = np.sort(order[:_ASKED]), np.sort(order[_ASKED:])
    write_table({name: cells[learned] for name, cells in columns.items()}, paths["tumours.csv"], force=force)
    truth = {name: cells[asked].astype(object) for name, cells in columns.items()}
    holes = {name: cells.copy() for name, cells in truth.items()}
    holes["diagnosis"][:] = None
    holes["area"][:] = None
    for name in ("radius", "perimeter"):
        holes[name][::2] = None
    write_table(holes, paths["holes.csv"], force=force)
    return truth


def _fit(paths: Mapping[str, str], seed: int, force: bool, say: Any) -> dict[str, Any]:
    from tacit._files import atomic_write
    from tacit.cli.preparing import prepare
    from tacit.cli.words import check_in_words, fit_in_words
    from tacit.workflow.fit_table import Job

    table, schema = paths["tumours.csv"], paths["schema.toml"]
    say(_step(f"tacit check {table} -o {schema}"))
    nothing = {"schema": None, "types": (), "drop": (), "ids": (), "weight": None, "group": None, "time": None}
    prepared = prepare(table, **nothing)
    with atomic_write(schema, force=force) as handle:
        handle.write(prepared.schema.to_toml().encode())
    say(check_in_words(prepared.checked))
    line = f"tacit fit {table} --schema {schema} -o {paths['model.tacit']} -k 1:6 --report {paths['report.html']}"
    say(_step(line))
    job = Job(ks=tuple(range(1, 7)), seed=seed)
    reading = {**nothing, "schema": schema}
    record = fit_and_write(
        table, paths["model.tacit"], paths["report.html"], job, force=force, command_line=line, **reading
    )
    say(fit_in_words(record))
    return record


def _ask(paths: Mapping[str, str], truth: Mapping[str, np.ndarray], seed: int, force: bool, say: Any) -> None:
    """One question of each sort, with what was hidden beside the answer."""
    from tacit.data.write import write_table
    from tacit.workflow.anomalies import anomalies
    from tacit.workflow.model_file import load_model

    model, _ = load_model(paths["model.tacit"])
    _, rows = read_rows(paths["holes.csv"], model.schema, require="any")
    area, diagnosis = model.predict(rows, "area"), model.predict(rows, "diagnosis")
    low, middle, high = area.quantile([0.05, 0.5, 0.95]).T  # type: ignore[attr-defined]
    malignant = diagnosis.to_frame()["P(malignant)"]
    say(_step(f"tacit predict {paths['model.tacit']} {paths['holes.csv']} --target area --target diagnosis"))
    say(
        "  six tumours the fit never saw; area and diagnosis are hidden, radius and perimeter of every second one too\n"
    )
    say("  row     area: 5 %   median     95 %   hidden    P(malignant)   hidden")
    for i in range(len(rows)):
        say(
            f"  {i + 1:>3}   {low[i]:>11,.0f} {middle[i]:>8,.0f} {high[i]:>8,.0f} {truth['area'][i]:>8,.0f}"
            f"    {malignant[i]:>12.3f}   {truth['diagnosis'][i]}"
        )
    answers = {**{f"area.{k}": v for k, v in area.to_frame().items()}, "P(malignant)": malignant}
    write_table(answers, paths["predictions.csv"], force=force)

    say(_step(f"tacit sample {paths['model.tacit']} -n 200 --given diagnosis=malignant -o {paths['samples.csv']}"))
    drawn = model.decode(model.sample(200, seed, {"diagnosis": "malignant"})[0])
    write_table(drawn, paths["samples.csv"], force=force)
    say("  " + "  ".join(f"{name} {np.mean(drawn[name]):.4g}" for name in ("radius", "texture", "area")) + "  (means)")

    say(_step(f"tacit anomalies {paths['model.tacit']} {paths['tumours.csv']} --rate 0.01"))
    _, everyone = read_rows(paths["tumours.csv"], model.schema, require="all")
    for odd in anomalies(model, everyone, rate=0.01, seed=seed)[:3]:
        why = ", ".join(f"{name} ({value:.1f} nats)" for name, value in odd.surprise[:2])
        say(f"  row {odd.row + 1}: p = {odd.p_value:.1g}, odd in {why}")
