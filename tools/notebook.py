"""The example's notebook with its outputs anew: `python -m tools.notebook`.

Run it where the `mushroom` of this environment has a demo farm of 14 days (`MUSHROOM_HOME`). What
it exports goes to a folder that is removed. Progress bars are left out, and when a cell ran.
"""

import tempfile
from pathlib import Path

import nbclient
import nbformat

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"


def main() -> None:
    """Execute it, and write it where it is."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(
            notebook, record_timing=False, resources={"metadata": {"path": folder}}
        ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = kept(cell.outputs)
    notebook.metadata.pop("language_info")  # of this Python
    nbformat.write(notebook, NOTEBOOK)


def kept(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """What a cell shows in the end, its lines of text as one output."""
    texts = [output.text for output in outputs if output.output_type == "stream"]
    lines = "".join(texts).replace("\r\n", "\n").splitlines(keepends=True)
    text = "".join(line for line in lines if "\r" not in line and "%|" not in line).strip("\n")
    shown = [output for output in outputs if output.output_type != "stream"]
    if text:
        shown.insert(0, nbformat.v4.new_output("stream", name="stdout", text=f"{text}\n"))
    return shown


if __name__ == "__main__":
    main()
