"""Shared fixtures: a pixel cache of the tests' own, small folders of images, one trained run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from support.forking import Starter

# In CI a test must not fail by the luck of the draw, for a change that has nothing to do with it.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def pixel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep decoded pixels away from the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVSTAGE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def convstage(pixel_cache: Path) -> Iterator[Starter]:
    """Return what runs ``convstage …`` in a process of its own: ``convstage("info", cwd=folder).stdout``."""
    with Starter() as starter:
        yield starter


def make_class_folders(root: Path, counts: Mapping[str, int], size: int = 24, seed: int = 0) -> Path:
    """Make ``root/<class>/<number>.png``: noise with a bright block, further right for every next class."""
    random = np.random.default_rng(seed)
    for place, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        left = 1 + place * (size // 2) // max(1, len(counts) - 1)
        for number in range(count):
            pixels = random.integers(0, 90, (size, size), dtype=np.uint8)
            pixels[size // 4 : size // 2, left : left + size // 3] += 150
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def make_folder() -> MakeFolder:
    """Return `make_class_folders`."""
    return make_class_folders


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the images that `trained` was trained on; read only."""
    return make_class_folders(tmp_path_factory.mktemp("data") / "blobs", {"0-healthy": 20, "1-corona": 20})


@pytest.fixture(scope="session")
def trained(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory, pixel_cache: Path):
    """Return a trained run that is right about all of its images; read only, but for evaluations."""
    import convstage

    return convstage.train(
        trained_folder,
        pattern="INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER",
        epochs=12,
        learning_rate=0.01,
        batch_size=8,
        augment=False,
        report=False,
        out=tmp_path_factory.mktemp("runs"),
    )
