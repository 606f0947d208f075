"""The command line as a process: what it imports, its signals, its streams, its cache."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("jax", "pyarrow", "sklearn", "matplotlib", "jinja2", "pandas", "rich", "scipy.stats")
_WATCH = """
import atexit, sys
atexit.register(lambda: print("IMPORTED", *[m for m in %r if sys.modules.get(m)], file=sys.stderr))
from tacit.cli import main
main()
"""


def start(*args: object, code: str = "from tacit.cli import main; main()", **more: object) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment = {**inherited, "JAX_PLATFORMS": "cpu", **more.pop("env", {})}  # type: ignore[dict-item]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, text=True, env=environment, **streams)  # type: ignore[call-overload,no-any-return]


def imported(*args: object) -> set[str]:
    process = start(*args, code=_WATCH % (HEAVY,))
    _, err = process.communicate()
    assert process.returncode == 0, err
    return set(err[err.index("IMPORTED") :].split()[1:])


def test_help_imports_neither_jax_nor_arrow() -> None:
    assert imported("--help") == set()
    assert imported("fit", "--help") == set()


@pytest.mark.parametrize("command", ["score", "impute"])
def test_questions_import_no_scikit_learn_and_no_pictures(command: str, model: Path, holes: Path) -> None:
    assert imported(command, model, holes) == {"jax", "pyarrow"}


def test_a_pipe_that_closes_is_no_fault(model: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("sample", model, "-n", 5, stdout=writing)
    os.close(writing)
    _, err = process.communicate()
    assert (process.returncode, err) == (141, "")


def test_a_full_disk_is_told(model: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is always full")
    with open("/dev/full", "w") as full:
        process = start("sample", model, "-n", 5, stdout=full)
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith("error: standard output: cannot be written: no space left")


def test_a_file_that_cannot_be_finished_leaves_the_old_one(model: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    old = tmp_path / "s.csv"
    old.write_text("mine")
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({4096}, {resource.RLIM_INFINITY})); "
    environment = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    code = limit + "from tacit.cli import main; main()"
    process = start("sample", model, "-n", 2000, "-o", old, "--force", code=code, env=environment)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith(f"error: {old}: cannot be written")
    assert [file.name for file in tmp_path.iterdir()] == ["s.csv"]
    assert old.read_text() == "mine"


def test_an_output_that_is_closed_is_told(model: Path) -> None:
    close = "import os, sys; os.close(1); sys.stdout = None; from tacit.cli import main; main()"
    process = start("sample", model, "-n", 2, code=close)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith("error: standard output: it is closed")


def test_an_interrupt_that_is_lost_is_raised_again() -> None:
    code = """
import click, os, signal, time
from tacit.cli import app, main, process

process._AGAIN = 0.2

@click.command("check")
def command():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass
    time.sleep(60)

app.Commands.get_command = lambda *_: command
main()
"""
    process = start("check", code=code)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "Interrupted; nothing was left half written.")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_within_a_collection_of_garbage_is_not_printed(number: int, code: int) -> None:
    program = f"""
import click, gc, os, time
from tacit.cli import app, main, process

process._AGAIN = 0.2

def collected(phase, _):
    gc.callbacks.remove(collected)
    os.kill(os.getpid(), {int(number)})
    time.sleep(0)

@click.command("check")
def command():
    gc.callbacks.append(collected)
    gc.collect()
    time.sleep(60)

app.Commands.get_command = lambda *_: command
main()
"""
    process = start("check", code=program)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err


def test_an_interrupt_that_an_import_turns_into_an_error_of_its_own_is_still_one() -> None:
    code = """
import click, os, signal
from tacit.cli import app, main

@click.command("check")
def command():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("while initializing the extension") from None

app.Commands.get_command = lambda *_: command
main()
"""
    process = start("check", code=code)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_fit_and_leaves_nothing(number: int, code: int, table: Path, tmp_path: Path) -> None:
    process = start("fit", table, "-o", tmp_path / "m.tacit", "-k", "1:4", "--report", tmp_path / "r.html")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("about ")  # said right before the work begins
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_what_is_compiled_is_kept_in_a_private_folder(model: Path, holes: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    process = start("score", model, holes, env={"TACIT_CACHE": str(cache)})
    process.communicate()
    assert process.returncode == 0
    (folder,) = cache.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert any(folder.iterdir())


def test_a_home_that_cannot_be_written_breaks_nothing(model: Path, holes: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    environment = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": "", "TACIT_CACHE": ""}
    process = start("score", model, holes, env=environment)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert out.startswith("log_density\n")


def test_what_nobody_foresaw_asks_for_a_report(tmp_path: Path) -> None:
    broken = "import tacit.data.table as t; t.read_table = None; from tacit.cli import main; main()"
    process = start("check", tmp_path / "t.csv", code=broken)
    out, err = process.communicate()
    assert process.returncode == 1
    assert out == ""
    assert err.startswith("internal error: TypeError")
    assert "report it" in err
    assert "Traceback" not in err
    process = start("check", tmp_path / "t.csv", code=broken, env={"TACIT_DEBUG": "1"})
    assert "Traceback" in process.communicate()[1]
