"""One tiny table and one model of it, made once by the command line itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tacit.cli.app import app

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command in this process; anything but an orderly exit is raised."""

    def invoke(*args: object, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def _write_table(path: Path) -> None:
    """Two clusters with a category each; every tenth mass is missing."""
    rng = np.random.default_rng(7)
    lines = ["name,length,mass,sort,site"]
    for i in range(80):
        high = i % 2
        length = 10 + 6 * high + rng.normal()
        mass = 2 * length + rng.normal()
        cell = "" if i % 10 == 9 else f"{mass:.4f}"
        lines.append(f"row-{i},{length:.4f},{cell},{'big' if high else 'small'},{['north', 'south'][i % 4 // 2]}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table that the model is fitted on."""
    path = tmp_path_factory.mktemp("table") / "table.csv"
    _write_table(path)
    return path


@pytest.fixture(scope="session")
def model(table: Path, run: Run) -> Path:
    """A model file of two components, fitted on the table."""
    path = table.with_name("model.tacit")
    result = run("fit", table, "-o", path, "-k", 2, "--set", "n_starts=2", "--set", "n_finish=2")
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture
def holes(tmp_path: Path) -> Path:
    """Rows with holes, the columns in another order."""
    path = tmp_path / "holes.csv"
    path.write_text("mass,name,sort,length,site\n30,a,,,north\n,b,big,16.1,south\n,c,,,\n20.5,d,small,10.25,north\n")
    return path
