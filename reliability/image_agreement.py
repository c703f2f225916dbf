"""One file from the command line, in the library, in a data set and over HTTP: one verdict, in the same words."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner

import convstage
from convstage.cli import cli
from convstage.data import open_source
from convstage.data.dataset import read_images
from convstage.data.preprocess import Geometry
from convstage.errors import DataError
from convstage.run import Run
from convstage.serve import make_app
from image_seeds import COLOUR, GREY, Image, encoded

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from support.asking import client_of

#: What the server adds to a reason.
ADVICE = ".\nSend it smaller, or saved as PNG or JPEG."
#: The classes of the data set that the files are put into: those that are tried, and two that can be read.
TRIED, READABLE = "tried", "readable"


def small_run(folder: Path) -> Run:
    """Train a tiny network on a few pictures."""
    for name, pixels in (("a", GREY), ("b", COLOUR)):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(8):
            (folder / "data" / name / f"{number}.png").write_bytes(encoded(Image.fromarray(pixels - number), "PNG"))
    pattern = "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER"
    options: dict[str, Any] = {"epochs": 1, "audit": False, "report": False, "augment": False}
    return convstage.train(folder / "data", pattern=pattern, out=folder / "runs", **options)


def disagreements(run: Run, contents: Sequence[bytes], folder: Path) -> list[str]:
    """Return where the ways differ over files, one text for each file.

    Every way says either "" (accepted) or why a file was refused.
    """
    tried = folder / TRIED
    tried.mkdir(parents=True)
    (folder / READABLE).mkdir()
    for number in range(2):
        (folder / READABLE / f"{number}.png").write_bytes(encoded(Image.fromarray(GREY), "PNG"))
    files = [tried / f"{number:05}.img" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    ways = {
        "library": _library(run, files),
        "command line": _command_line(run, tried, files),
        "data set": _data_set(run, folder, files),
        "HTTP": _http(run, files),
    }
    return [
        f"{file.name}: " + "; ".join(f"{way}: {said[number] or 'accepted'}" for way, said in ways.items())
        for number, file in enumerate(files)
        if len({said[number] for said in ways.values()}) > 1
    ]


def _library(run: Run, files: list[Path]) -> list[str]:
    classifier, said = convstage.load(run), []
    for file in files:
        try:
            classifier.predict(file)
            said.append("")
        except DataError as error:
            said.append(str(error).removeprefix(f"{file}: ").removesuffix("."))
    return said


def _command_line(run: Run, tried: Path, files: list[Path]) -> list[str]:
    result = CliRunner().invoke(cli, ["predict", str(run.path), str(tried), "--json"], catch_exceptions=False)
    accepted = {row["image"] for row in json.loads(result.stdout)}
    heads = {f"convstage: {file}: ": file for file in files}
    refused = {}
    for line in result.stderr.splitlines():
        head = next((head for head in heads if line.startswith(head)), None)
        if head:
            refused[heads[head]] = line.removeprefix(head).removesuffix(".")
    return ["" if str(file) in accepted else refused.get(file, "neither predicted nor listed") for file in files]


def _data_set(run: Run, folder: Path, files: list[Path]) -> list[str]:
    geometry = Geometry(**run.read_model()[1]["geometry"])
    _, source = open_source(folder)
    try:
        images = read_images(source, geometry)
    except DataError as error:
        if "has no image that can be read" not in str(error):
            raise
        # None of the files can be read; their reasons are those that are listed, of which a message shows few.
        (folder / TRIED / "readable.png").write_bytes(encoded(Image.fromarray(GREY), "PNG"))
        images = read_images(open_source(folder)[1], geometry)
    reasons = dict(images.unreadable)
    return [reasons.get(f"{TRIED}/{file.name}", "").removesuffix(".") for file in files]


def _http(run: Run, files: list[Path]) -> list[str]:
    said = []
    with client_of(make_app(run)) as client:
        for file in files:
            answer = client.post("/api/predict", files=[("images", (file.name, file.read_bytes()))])
            if answer.status_code == 200:
                said.append("")
            elif answer.status_code == 422:
                said.append(answer.json()["detail"].removeprefix(f"{file.name}: ").removesuffix(ADVICE))
            else:
                said.append(f"status {answer.status_code}")
    return said
