"""The notebook runs on the demo farm, in a kernel of Jupyter's, as its readers start it."""

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import nbclient
import nbformat
import pytest

from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.servers import free_port

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"
FARM = """
timezone: Asia/Shanghai
first_day: {first_day}
rooms: {{"607": {{folder: "7"}}, "608": {{}}, "611": {{}}, "612": {{}}}}
"""
PICTURES = 4
MOST_BYTES = 300_000


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


def pictures(notebook: nbformat.NotebookNode) -> int:
    shown = [output.data for output in outputs(notebook) if "data" in output]
    return sum("image/png" in data for data in shown)


@contextmanager
def demo_farm(home: Path) -> Iterator[None]:
    """`mushroom up` with two full days of four rooms, until its UI is up; Ctrl-C on leaving."""
    command = command_line("up", "--days", 2, "--port", free_port(), "--page-port", free_port())
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if " is up" in line:
                break
        else:
            pytest.fail("ended before the UI was up:\n" + "".join(lines))
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_it_runs_on_the_demo_farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    today = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date()
    farm = tmp_path / "farm.yaml"
    farm.write_text(FARM.format(first_day=today - dt.timedelta(days=2)))
    monkeypatch.setenv("MUSHROOM_HOME", str(tmp_path / "m"))
    monkeypatch.setenv("MUSHROOM_CONFIG", str(farm))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    # `!mushroom` is the one of this environment
    scripts = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    with demo_farm(tmp_path):
        nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    assert pictures(notebook) == PICTURES
    told = "".join(output.get("text", "") for output in outputs(notebook))
    assert "batch_day: 8 rows in batch_day.parquet" in told  # two full days of four rooms


def test_what_its_readers_see_is_whole_and_small() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert pictures(notebook) == PICTURES
    assert [output for output in outputs(notebook) if output.output_type == "error"] == []
    assert [output for output in outputs(notebook) if output.get("name") == "stderr"] == []
