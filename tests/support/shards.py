"""Shards as tests make them: from a folder of small images, and a way to damage them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from convstage.data import Dataset, Geometry, load_dataset, open_source
from convstage.data.shards.make import make_shards
from support.names import HOSTILE

GEOMETRY = Geometry(6, 5, "grey")


def picture_folder(root: Path, counts: tuple[int, ...] = (14, 11), seed: int = 0) -> Path:
    """Make class folders of noise, with names and one class that are as bad as names can be."""
    random = np.random.default_rng(seed)
    for number, count in enumerate(counts):
        folder = root / (f"class {number}" if number else HOSTILE[2].replace("/", "_"))
        folder.mkdir(parents=True)
        for place in range(count):
            image = Image.fromarray(random.integers(0, 256, (6, 5), dtype=np.uint8))
            image.save(folder / f"‮{place}.{'png' if place % 3 else 'bmp'}")
    return root


def sharded(root: Path, data: Path | None = None, **settings) -> Path:
    """Make shards of a few images; return their folder."""
    folder = data or picture_folder(root / "data")
    make_shards(folder, root / "shards", **({"images": 4} | settings))
    return root / "shards"


def load(path: Path | str, stream: bool | None = None, **settings) -> Dataset:
    name, source = open_source(path)
    return load_dataset(name, source, GEOMETRY, **({"val": 0.2, "test": 0.2, "seed": 0} | settings), stream=stream)


def change_index(shard: Path, **columns) -> None:
    """Change what the index of a shard says: whole columns, or fields of the head."""
    path = shard.with_name(f"{shard.stem}.index.json")
    content = json.loads(path.read_text())
    for name, value in columns.items():
        place = content["images"] if name in content["images"] else content
        place[name] = value(place[name]) if callable(value) else value
    path.write_text(json.dumps(content))
