"""A file is predicted from where there is neither torch nor the onnx package."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import convstage
from convstage.export import write_onnx

#: Runs `convstage` for every list of arguments in turn, with nothing of torch to be had.
CHILD = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "safetensors", "sklearn", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from convstage.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        print("exit", end.code)
import convstage
print(convstage.load(arguments[1]).predict(arguments[2])[0].label if arguments[1].endswith("onnx") else "")
assert not {name for name in sys.modules if name.split(".")[0] in ("torch", "onnx")}
"""


def without_torch(*commands: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, json.dumps(commands)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_the_command_line_and_the_library_answer(trained, trained_folder, tmp_path):
    path = write_onnx(trained, tmp_path / "net.onnx").path
    image = next((trained_folder / "1-corona").iterdir())
    done = without_torch(
        ["predict", str(trained.path), str(image)],
        ["predict", str(path), str(image)],
        ["predict", str(path), str(trained_folder), "--csv", str(tmp_path / "all.csv")],
        ["predict", str(path), str(image), "--json"],
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        f"convstage: {trained.path} is a run folder, and needs torch, which is not installed.\n"
        f"Install it, or export the run where it is: convstage export {trained.path} -o net.onnx\n"
    )
    refused, shown, end, table, end_of_table, *rest = done.stdout.splitlines()
    assert (refused, end, end_of_table) == ("exit 2", "exit 0", "exit 0")
    (expected,) = convstage.load(trained).predict(image)
    assert shown.startswith(f"{image}: 1-corona {expected.probability:.1%}  (0-healthy ")
    assert table == f"{tmp_path}/all.csv: 40 predictions"
    assert (tmp_path / "all.csv").read_text().count("1-corona,") == 20
    assert rest[-2:] == ["exit 0", "1-corona"]
    (row,) = json.loads("\n".join(rest[:-2]))
    assert (row["image"], row["class"]) == (str(image), "1-corona")
    assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
