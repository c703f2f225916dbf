"""Files that run somebody else's program when they are unpickled, or loaded with an unsafe loader.

Each would leave a mark; none of ours may. `FILES` has them by name, and `AWAKE` how the unsafe loaders that
they are made for are called, which shows that the mark would be left.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (self.mark,)


def _torch(mark: Path, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.ones(2), "bird": Canary(mark)}, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def _module(mark: Path) -> bytes:
    """Return a whole module, as ``torch.save(model)`` makes it."""
    model = torch.nn.Linear(2, 2)
    model.bird = Canary(mark)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    return buffer.getvalue()


def _npy(mark: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary(mark)] * 6, object), allow_pickle=True)
    return buffer.getvalue()


def _npz(mark: Path, **members: Any) -> bytes:
    buffer = io.BytesIO()
    good = {"images": np.zeros((6, 8, 8), np.uint8), "labels": np.arange(6) % 2}
    np.savez(buffer, **{**good, **{name: np.array([Canary(mark)] * 6, object) for name in members}})
    return buffer.getvalue()


def _zip(mark: Path, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, pickle.dumps(Canary(mark)))
    return buffer.getvalue()


def _tar(mark: Path) -> bytes:
    """Return what torch wrote before 2016, and what a shard of images could be."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("0001.pkl", "0001.pyd", "0001.pickle", "sys_info", "pickle", "storages"):
            content = pickle.dumps(Canary(mark))
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _joblib(mark: Path) -> bytes:
    import joblib

    buffer = io.BytesIO()
    joblib.dump({"bird": Canary(mark)}, buffer)
    return buffer.getvalue()


def _yaml(mark: Path) -> bytes:
    return f"epochs: 3\nname: !!python/object/apply:os.mkdir [{str(mark)!r}]\n".encode()


def _yaml_new(mark: Path) -> bytes:
    return f"!!python/object/new:pathlib.Path {{args: [{str(mark)!r}]}}\n".encode()


def _header(mark: Path) -> bytes:
    """Return a tensor file whose header, and whose values, are a pickle."""
    content = pickle.dumps(Canary(mark))
    return struct.pack("<Q", len(content)) + content + content


def _behind_image(mark: Path) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue() + pickle.dumps(Canary(mark))


def _dicom(mark: Path) -> bytes:
    return bytes(128) + b"DICM" + pickle.dumps(Canary(mark))


def _table(mark: Path) -> bytes:
    return b"path,label\n" + pickle.dumps(Canary(mark), protocol=0) + b",a\n"


def _json(mark: Path) -> bytes:
    """Return what jsonpickle would wake."""
    call = {"py/object": "os.mkdir", "py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": [str(mark)]}]}
    return json.dumps({"format": 1, **call}).encode()


Make = Callable[[Path], bytes]

#: What a file is called, and its content, made with the path of the mark that it would leave.
FILES: dict[str, Make] = {
    "weights.pt": _torch,
    "legacy.pt": lambda mark: _torch(mark, legacy=True),
    "module.pth": _module,
    "checkpoint.ckpt": _torch,
    "pytorch_model.bin": _torch,
    "model.pkl": lambda mark: pickle.dumps(Canary(mark)),
    "protocol0.pickle": lambda mark: pickle.dumps(Canary(mark), protocol=0),
    "protocol2.p": lambda mark: pickle.dumps({"a": [Canary(mark)]}, protocol=2),
    "forest.joblib": _joblib,
    "packed.pkl.gz": lambda mark: gzip.compress(pickle.dumps(Canary(mark))),
    "images.npy": _npy,
    "images.npz": lambda mark: _npz(mark, images=1),
    "labels.npz": lambda mark: _npz(mark, labels=1),
    "classes.npz": lambda mark: _npz(mark, classes=1),
    "archive.zip": lambda mark: _zip(mark, "data.pkl", "archive/data.pkl"),
    "members.npz": lambda mark: _zip(mark, "images.npy", "labels.npy"),
    "shard.tar": _tar,
    "settings.yaml": _yaml,
    "made.yaml": _yaml_new,
    "header.safetensors": _header,
    "behind.png": _behind_image,
    "preamble.dcm": _dicom,
    "table.csv": _table,
    "object.json": _json,
}

#: Unsafe loaders, by the files that they wake: what shows that the canaries do sing.
AWAKE: dict[str, Callable[[Path], Any]] = {
    "weights.pt": lambda path: torch.load(path, weights_only=False),
    "legacy.pt": lambda path: torch.load(path, weights_only=False),
    "module.pth": lambda path: torch.load(path, weights_only=False),
    "model.pkl": lambda path: pickle.loads(path.read_bytes()),
    "protocol0.pickle": lambda path: pickle.loads(path.read_bytes()),
    "protocol2.p": lambda path: pickle.loads(path.read_bytes()),
    "packed.pkl.gz": lambda path: pickle.loads(gzip.decompress(path.read_bytes())),
    "images.npy": lambda path: np.load(path, allow_pickle=True),
    "labels.npz": lambda path: np.load(path, allow_pickle=True)["labels"],
    "settings.yaml": lambda path: yaml.unsafe_load(path.read_bytes()),
}
