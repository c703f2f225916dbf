"""Run the notebooks of examples/ from top to bottom, each in a new kernel and an empty folder, and store their outputs.

    python scripts/run_notebooks.py                  # all of them
    python scripts/run_notebooks.py lecture          # one
    python scripts/run_notebooks.py --check          # run, compare with what is stored, store nothing

What is stored tells nothing of the machine and the hour: no paths, no times, no versions. Pictures
are made small. Interactive pages are left out, for viewers that do not run a notebook do not show
them; a line says so. In cells with the tag `measured` the numbers are the machine's own: of them the
words are compared. Exit code 1: a cell has failed, or prints something else than what is stored.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image
from traitlets.config import Config

EXAMPLES = Path(__file__).parents[1] / "examples"
#: Seconds that a cell may take.
PATIENCE = 300
#: Pictures are stored at most so wide, in pixels, and with so many colours.
WIDEST, COLOURS = 1000, 96
#: Tag of cells whose numbers differ from machine to machine.
MEASURED = "measured"
PAGE = "<p><em>An interactive page: run this cell to see it.</em></p>"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SPEED = re.compile(r"  +[\d,.]+ images/s")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs that it has now.

    Parameters
    ----------
    path : Path
        The notebook; it is not changed.
    folder : Path
        Where it runs, and what it makes lies in; exists and is empty.

    Raises
    ------
    CellExecutionError
        A cell has failed.
    """
    notebook = nbformat.read(path, as_version=4)
    with _home(folder) as sockets:
        # Sockets of the file system: nobody in the network can reach them.
        config = Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"})
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(
            notebook, config=config, kernel_name=KERNEL["name"], timeout=PATIENCE, coalesce_streams=True,
            resources=resources,
        ).execute()  # fmt: skip
    for cell in code_cells(notebook):
        cell.outputs = [_stored(output, folder) for output in cell.outputs]
        cell.metadata.pop("execution", None)  # when it ran
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    return notebook


@contextmanager
def _home(folder: Path) -> Iterator[str]:
    """Keep Jupyter's and the notebook's own files in the folder, and yield one for sockets."""
    # A socket's path may have 107 characters: it cannot lie deep.
    with tempfile.TemporaryDirectory(prefix="nb-") as runtime:
        own = {
            "JUPYTER_RUNTIME_DIR": runtime,
            "JUPYTER_CONFIG_DIR": str(folder / ".jupyter"),
            "IPYTHONDIR": str(folder / ".ipython"),
            "TMPDIR": str(folder),
            "GOMP_SPINCOUNT": "0",
        }
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            yield runtime
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def code_cells(notebook: nbformat.NotebookNode) -> list[Any]:
    """Return the cells that are run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _stored(output: Any, folder: Path) -> Any:
    """Return an output as it is stored."""
    if "text" in output:
        output.text = _cleaned(output.text, folder)
    data = output.get("data", {})
    if "image/png" in data:
        data.pop("image/jpeg", None)  # Pillow gives both
    for kind, content in data.items():
        if kind == "image/png":
            data[kind] = _small(content)
        elif isinstance(content, str):
            data[kind] = PAGE if "<iframe" in content else _cleaned(content, folder)
    if "metadata" in output:
        output.metadata = nbformat.from_dict({})
    return output


def _cleaned(text: str, folder: Path) -> str:
    """Return a text without the folder of this run, which may be below it or be called by its real name, and times."""
    for path in {str(folder), str(folder.resolve())}:
        text = re.sub(rf"{re.escape(path)}(/convstage-\w+)?/?", "", text)
    return SPEED.sub("", text)


def _small(content: str) -> str:
    """Return a PNG picture, base64, made small."""
    picture = Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def differences(stored: nbformat.NotebookNode, now: nbformat.NotebookNode) -> list[str]:
    """Return in words where a notebook prints something else than what is stored; empty when it does not."""
    found = []
    cells = zip(code_cells(stored), code_cells(now), strict=True)
    for number, (before, after) in enumerate(cells, 1):
        loose = MEASURED in before.metadata.get("tags", [])
        then, here = (_lines(cell, loose) for cell in (before, after))
        if then != here:
            found.append(f"code cell {number}:\n  stored: {then}\n  now:    {here}")
    return found


def _lines(cell: Any, loose: bool) -> list[str]:
    """Return what a cell shows: kinds of results and pictures, and lines of text; with measured numbers left out."""
    lines = []
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "execute_result" or "image/png" in data:
            lines.append(" ".join(sorted(data)))
        # Beside a picture stands only the address in memory of what drew it.
        text = output.get("text", "") or ("" if "image/png" in data else data.get("text/plain", ""))
        lines += [" ".join(line.split()) for line in text.splitlines()]
    # Which epochs were the best so far is the machine's, as the numbers are.
    return [NUMBER.sub("#", line).removesuffix(" best") for line in lines] if loose else lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the notebooks that are named; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which, without .ipynb; all of them when none is named")
    parser.add_argument("--check", action="store_true", help="compare with what is stored, and store nothing")
    options = parser.parse_args(arguments)
    paths = [EXAMPLES / f"{name}.ipynb" for name in options.names] or sorted(EXAMPLES.glob("*.ipynb"))
    failed = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            try:
                notebook = run(path, Path(folder))
            except CellExecutionError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                failed = 1
                continue
        if options.check:
            lines = differences(nbformat.read(path, as_version=4), notebook)
            failed = failed or int(bool(lines))
            print(f"{path.name}: {'as stored' if not lines else 'differs'}", *lines, sep="\n")
        else:
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size:,} bytes")
    return failed


if __name__ == "__main__":
    sys.exit(main())
