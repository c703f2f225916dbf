"""The notebooks of examples/: each runs from top to bottom in a new kernel, and prints what is stored."""

import importlib
import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
#: Bytes of a stored notebook.
LARGEST = 300_000


@pytest.fixture
def script(monkeypatch):
    """Return scripts/run_notebooks.py as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return importlib.import_module("run_notebooks")


def read(path):
    return nbformat.read(path, as_version=4)


def notebook_of(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def cell_of(*outputs, tags=()):
    return nbformat.v4.new_code_cell("", outputs=list(outputs), metadata={"tags": list(tags)})


def printed(text):
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def result(**data):
    return nbformat.v4.new_output("execute_result", data={kind.replace("_", "/"): it for kind, it in data.items()})


def test_there_is_one_for_each_audience():
    assert [path.stem for path in NOTEBOOKS] == ["digits", "lecture", "radiographs"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_prints_what_is_stored(path, script, tmp_path):
    now = script.run(path, tmp_path)  # a cell that fails, an assertion of its own too, is an error
    assert script.differences(read(path), now) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_whole_and_tells_nothing_of_the_machine(path, script):
    notebook, text = read(path), path.read_text()
    nbformat.validate(notebook)
    cells = script.code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if "Warning" in output.get("text", "")]
    assert not re.search(r"/(tmp|home|root|Users|work|usr)/|images/s|\d{4}-\d\d-\d\dT|<iframe", text)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert len(path.read_bytes()) < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    words = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", words) if "://" not in link]
    assert len(links) >= 2
    for link in links:
        assert (path.parent / link).exists(), link


def test_the_slides_numbers_are_the_lectures(script):
    """The numbers that the notebook asserts stand in the worked example."""
    spec = json.loads((ROOT / "tests/data/worked-example.json").read_text())
    source = re.sub(r"\s", "", "".join(cell.source for cell in script.code_cells(read(NOTEBOOKS[1]))))
    nine, shifted = spec["nine"], spec["nine_shifted_left"]
    for map_hw in (nine["valid_stride1"], nine["max_pool_2x2_stride1"], shifted["valid_stride1"]):
        assert re.sub(r"\s", "", str(map_hw)) in source


# The comparison can fail.


def test_a_line_that_differs_is_found(script):
    stored, now = notebook_of(cell_of(printed("a\nb\n"))), notebook_of(cell_of(printed("a\nc\n")))
    (found,) = script.differences(stored, now)
    assert found.startswith("code cell 1:")
    assert "'b'" in found
    assert "'c'" in found
    assert script.differences(stored, stored) == []


def test_numbers_are_compared_unless_they_are_measured(script):
    lines = ("epoch 1/4  loss 1.25  best\n", "epoch 1/4  loss 1.31\n")
    exact, loose = ([notebook_of(cell_of(printed(line), tags=tags)) for line in lines] for tags in ((), ["measured"]))
    assert script.differences(*exact)
    assert script.differences(*loose) == []
    other = notebook_of(cell_of(printed("epoch 1/4  gain 1.25\n"), tags=["measured"]))
    assert script.differences(loose[0], other)


def test_a_result_that_shows_itself_otherwise_is_found(script):
    shown = ({"text_plain": "x", "text_html": "x"}, {"text_plain": "x"})
    table, words = (notebook_of(cell_of(result(**data))) for data in shown)
    assert script.differences(table, words)


def test_a_cell_that_fails_stops_it(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script, "EXAMPLES", tmp_path)
    path = tmp_path / "wrong.ipynb"
    cells = [nbformat.v4.new_code_cell("print(1)"), nbformat.v4.new_code_cell("assert 1 == 2, 'no'")]
    nbformat.write(notebook_of(*cells), path)
    before = path.read_bytes()
    assert script.main(["wrong"]) == 1
    assert "AssertionError" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_what_is_stored_is_made_small_and_clean(script, tmp_path):
    from base64 import b64decode, b64encode
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.radial_gradient("L").resize((3000, 30)).save(buffer, "PNG")
    picture = result(image_png=b64encode(buffer.getvalue()).decode(), image_jpeg="x", text_plain="<PIL>")
    made = script._stored(picture, tmp_path)
    assert set(made.data) == {"image/png", "text/plain"}
    small = Image.open(BytesIO(b64decode(made.data["image/png"])))
    assert small.size == (script.WIDEST, 10)
    assert len(small.getcolors()) <= script.COLOURS

    page = script._stored(result(text_html='<iframe srcdoc="x"></iframe>', text_plain="<Walk>"), tmp_path)
    assert page.data["text/html"] == script.PAGE
    line = script._stored(printed(f"20 images of {tmp_path}/convstage-x_1/chests  3,849 images/s  best"), tmp_path)
    assert line.text == "20 images of chests  best"
