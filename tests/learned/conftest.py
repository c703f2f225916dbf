"""Runs that were never trained: a network whose weights are known, in a run folder with images that are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convstage import Pattern
from convstage.data import Geometry, load_dataset, open_source
from convstage.predict import describe_model
from convstage.run import Run

#: Bright on the diagonal, dark beside it: what the planted filter looks for.
TEMPLATE = np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)

MakeRun = Callable[..., Run]


def make_run(
    folder: Path,
    images: dict[str, np.ndarray],
    pattern: str,
    change: Callable[[torch.nn.Module], None] | None = None,
    parts: str | None = None,
) -> Run:
    """Make a run of images (by ``class/name``); `change` sets the weights."""
    for name, pixels in images.items():
        file = folder / "data" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    any_image = next(iter(images.values()))
    channels = "colour" if any_image.ndim == 3 else "grey"
    name, source = open_source(folder / "data")
    geometry = Geometry(*any_image.shape[:2], channels)
    dataset = load_dataset(name, source, geometry, val=0.1, test=0.1, seed=0)
    if parts is not None:
        dataset = dataset.with_parts(np.full(len(dataset.names), parts))
    plan = Pattern(pattern).plan(geometry.shape, len(dataset.classes))
    network = plan.build(seed=0)
    with torch.no_grad():
        if change is not None:
            change(network)
    model = describe_model(plan, dataset.classes, dataset.geometry, dataset.standardisation)
    run = Run.create(folder / "runs", None, "known")
    run.write_split(dataset.split_rows())
    run.write_config(data=dataset.source, settings={"batch_size": 1}, model=model)
    run.write_model(network.state_dict(), model)
    return run


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, pixel_cache: Path) -> tuple[Run, dict[str, tuple[int, int]]]:
    """Return a run with a planted filter, 0, and a dead one, 1, and where in which images the template lies."""
    random = np.random.default_rng(0)
    images, places = {}, {}
    for number in range(24):
        name = f"{'b' if number % 2 else 'a'}/{number}"
        pixels = random.integers(100, 140, (12, 10), dtype=np.uint8)
        if number in (3, 5, 8, 13):
            top, left = random.integers(0, 10), random.integers(0, 8)
            # Ever weaker, so that the order is known.
            pixels[top : top + 3, left : left + 3] = 120 + (120 - 5 * number) * TEMPLATE
            places[f"{name}.png"] = (int(top), int(left))
        images[name] = pixels

    def plant(network: torch.nn.Module) -> None:
        conv = network.get_submodule("stage1.conv")
        conv.weight[0, 0] = torch.from_numpy(TEMPLATE)
        conv.weight[1], conv.bias[1] = 0, -1

    folder = tmp_path_factory.mktemp("planted")
    run = make_run(folder, images, "INPUT -> CONV(3) -> RELU -> POOL -> CLASSIFIER", plant, parts="train")
    return run, places
