"""Spoiled run folders and config files: what somebody's disk, editor or malice may have made of them.

`spoil` is a function of its random generator alone, so that a case can be made again from its number.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from convstage import ConvstageError, Run, load
from convstage.files import read_tensors, write_tensors

#: Files of a run folder that anything reads.
FILES = (
    "config.json",
    "split.json",
    "model.safetensors",
    "last.safetensors",
    "history.csv",
    "metrics.json",
    "predictions.csv",
    "calibration.json",
    "audit.json",
    "shortcut.csv",
    "unreadable.csv",
)
#: Values that a place in a JSON file may be given.
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    2**63,
    10**40,
    -(10**40),
    0.5,
    -0.0,
    1e308,
    5e-324,
    "",
    "0",
    "x",
    "train",
    "\0",
    "\ud800",
    "\udcff",
    "‮🫁",
    "../../etc/passwd",
    "x" * 10_000,
    "INPUT -> CLASSIFIER",
    "INPUT -> FC(1000000) -> FC(1000000) -> CLASSIFIER",
    "INPUT -> [CONV -> RELU -> POOL]*3 -> CLASSIFIER",
    [],
    {},
    [[]],
    [None],
    [0, 0],
    [1.5, "a", None],
    {"": None},
    {"value": 1, "low": None},
)
#: Whole contents: bytes that are no JSON and no CSV, or such as no reader should trip over.
CONTENTS: tuple[bytes, ...] = (
    b"",
    b"\0" * 100,
    b"\xff\xfe{\0",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"7",
    b'"text"',
    b"NaN",
    b'{"format": 1}',
    b'{"format": "1"}',
    b'{"format": 2}',
    b'{"format": 1, "format": 1}',
    b'{"format": 1, "model": null}',
    b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b"9" * 5_000,
    b'{"images": 3}',
    b'{"images": [{"name": 1}]}',
    b"image,truth\n",
    b'a,"b\n',
    b"a\0b,c\n1,2\n",
    b"image,image\nx,y\n",
    b"epoch,train_loss\n1,nan\n",
    b"x" * 200_000 + b"\n",
)


def spoil(run: Path, other: Path, random: Random, files: Sequence[str] = FILES) -> str:
    """Spoil one file of a folder; `other` is another one, whose files may take its place. Return what was done."""
    there = [name for name in files if (run / name).is_file()]
    if not there:
        return "nothing is left"
    name = random.choice(there)
    path = run / name
    ways: dict[str, Callable[[Path, Path, Random], str]] = {
        "bytes": _bytes,
        "content": _content,
        "gone": _gone,
        "kind": _kind,
        "swapped": _swapped,
        "renamed": _renamed,
    }
    if path.suffix == ".json":
        ways |= {"value": _value, "value again": _value, "value once more": _value}
    if path.suffix == ".csv":
        ways |= {"cell": _cell, "cell again": _cell}
    if path.suffix == ".safetensors":
        ways |= {"tensors": _tensors, "description": _description, "description again": _description}
    way = ways[random.choice(sorted(ways))]
    try:
        return f"{name}: {way(path, other / name, random)}"
    except (ValueError, LookupError, TypeError):  # it was spoiled before
        return f"{name}: {_content(path, other, random)}"


def _bytes(path: Path, _other: Path, random: Random) -> str:
    data = bytearray(path.read_bytes() or b"\0")
    for _ in range(random.choice((1, 1, 3, 20))):
        data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.3:
        del data[random.randrange(len(data)) :]
    path.write_bytes(data)
    return "other bytes"


def _content(path: Path, _other: Path, random: Random) -> str:
    content = random.choice(CONTENTS)
    path.write_bytes(content)
    return f"the content {content[:40]!r}"


def _gone(path: Path, _other: Path, _random: Random) -> str:
    path.unlink()
    return "gone"


def _kind(path: Path, _other: Path, random: Random) -> str:
    path.unlink()
    if random.random() < 0.5:
        path.mkdir()
        return "a folder"
    path.symlink_to(random.choice((path, path.parent, Path("/nowhere"))))  # itself, a folder, nothing
    return "a link that leads nowhere"


def _swapped(path: Path, other: Path, _random: Random) -> str:
    if not other.exists():
        path.unlink()
        return "gone"
    shutil.copyfile(other, path)
    return "another run's"


def _renamed(path: Path, _other: Path, random: Random) -> str:
    source = path.parent / random.choice(FILES)
    if source.is_file() and source != path:
        shutil.copyfile(source, path)
    return f"is {source.name}"


def _value(path: Path, _other: Path, random: Random) -> str:
    content, place = changed(json.loads(path.read_bytes()), random)
    path.write_text(json.dumps(content), encoding="utf-8")  # as ASCII: lone surrogates are escapes
    return place


def changed(content: Any, random: Random) -> tuple[Any, str]:
    """Return JSON data with another value, or none, at a random place; and which."""
    places = list(_places(content))
    keys = random.choice(places)
    if not keys:
        value = random.choice(VALUES)
        return value, f"all of it {value!r:.60}"
    at = content
    for key in keys[:-1]:
        at = at[key]
    how = random.random()
    if how < 0.15:
        del at[keys[-1]]
        return content, f"without {keys}"
    if how < 0.25 and isinstance(at, list):
        at.append(at[keys[-1]])
        return content, f"{keys} twice"
    at[keys[-1]] = random.choice(VALUES)
    return content, f"{keys} = {at[keys[-1]]!r:.60}"


def _places(content: Any, keys: tuple[Any, ...] = ()) -> Any:
    yield keys
    for key, value in (
        content.items() if isinstance(content, dict) else enumerate(content[:5]) if isinstance(content, list) else ()
    ):
        yield from _places(value, (*keys, key))


def _cell(path: Path, _other: Path, random: Random) -> str:
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()] or [[""]]
    row = random.randrange(len(rows))
    cell = random.randrange(len(rows[row]))
    value = random.choice(("", "nan", "inf", "-1", "2", "x", '"', "a,b", "\0", "9" * 400, "1e400", "=1+1", "‮"))
    rows[row][cell] = value
    path.write_text("\n".join(map(",".join, rows)) + "\n", encoding="utf-8")
    return f"cell {row}, {cell} = {value[:20]!r}"


def _tensors(path: Path, _other: Path, random: Random) -> str:
    """Other tensors, with a digest that is right: made by somebody with our own program."""
    import torch

    tensors, metadata = read_tensors(path)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    name = random.choice(sorted(tensors))
    how = random.choice(("gone", "more", "shape", "type", "nan", "empty"))
    if how == "gone":
        del tensors[name]
    elif how == "more":
        tensors[random.choice(("x", "network.x", "optimizer.99.step", "optimizer.x.y", "average.x", ""))] = torch.ones(
            2
        )
    elif how == "shape":
        tensors[name] = tensors[name].repeat(2) if tensors[name].dim() < 2 else tensors[name][:1]
    elif how == "type":
        tensors[name] = tensors[name].to(random.choice((torch.float64, torch.int32, torch.bool, torch.bfloat16)))
    elif how == "nan":
        tensors[name] = torch.full_like(tensors[name].float(), random.choice((float("nan"), float("inf"))))
    else:
        tensors[name] = torch.zeros(0)
    write_tensors(path, tensors, metadata)
    return f"{name} {how}"


def _description(path: Path, _other: Path, random: Random) -> str:
    """Another description or position, with a digest that is right."""
    tensors, metadata = read_tensors(path)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    key = random.choice(sorted(metadata))
    try:
        content, place = changed(json.loads(metadata[key]), random)
        metadata[key] = json.dumps(content)
    except ValueError:
        metadata[key], place = "x", "= 'x'"
    if random.random() < 0.1:
        del metadata[key]
        place = "gone"
    write_tensors(path, tensors, metadata)
    return f"{key}: {place}"


# ------------------------------------------------------------- who reads


def _properties(run: Path) -> None:
    opened = Run.open(run)
    for name in ("config", "split", "unreadable", "audit", "shortcut", "history", "calibration", "predictions"):
        try:
            getattr(opened, name)
        except ConvstageError:
            continue
    opened._repr_html_()


def _evaluate(run: Path) -> None:
    from convstage import evaluate

    evaluate(run)


def _resume(run: Path) -> None:
    from convstage.training import resume

    resume(run)


def _gather(run: Path) -> None:
    from convstage.report import gather

    gather(Run.open(run))


def _report(run: Path) -> None:
    from convstage.report import write_report

    write_report(run)


def _explain(run: Path) -> None:
    from convstage.walkthrough import walk

    walk(run, Run.open(run).split[0]["name"])


def _features(run: Path) -> None:
    from convstage import features

    features(run, patches=1, synthesise=False)


def _serve(run: Path) -> None:
    from convstage.serve.app import make_app
    from support.asking import client_of

    with client_of(make_app(Run.open(run))) as client:
        for path in ("/api/run", "/api/images", "/api/images/0", "/"):
            client.get(path)


#: Everything that reads a run folder; the quick ones first.
READERS: dict[str, Callable[[Path], Any]] = {
    "properties": _properties,
    "load": load,
    "gather": _gather,
    "evaluate": _evaluate,
    "resume": _resume,
    "explain": _explain,
    "features": _features,
    "report": _report,
    "serve": _serve,
}
QUICK = ("properties", "load", "gather", "evaluate", "resume")


def judge(reader: str, run: Path) -> str:
    """Read a spoiled run folder; return what was wrong about how it was refused, nothing when it was not."""
    return refusal(READERS[reader], run)


def refusal(read: Callable[[Path], Any], folder: Path) -> str:
    """Return what is wrong about how a folder is refused; nothing when it is read, or refused in our words."""
    try:
        read(folder)
    except ConvstageError as error:
        words = str(error)
        return "" if words and "Traceback" not in words and len(words) < 20_000 else f"refused with {words[:200]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    return ""
