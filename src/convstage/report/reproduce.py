"""How to get the same network again: the command, the settings, the versions."""

from __future__ import annotations

import shlex
from typing import Any

from ..config import Config
from ..files import digest
from .material import Material

#: Settings that do not change the network: where the folder is, what is written into it, when it is saved.
ELSEWHERE = ("name", "out", "report", "save_every", "log")


def reproduce(material: Material) -> dict[str, Any] | str:
    """Return the command that gives this run, what it depends on beside the images, and the weights' fingerprint."""
    settings, environment = material.config["settings"], material.config["environment"]
    changed = different(settings)
    return {
        "command": command(material.config["data"], settings),
        "changed": [(name, _words(value), _default(name)) for name, value in changed.items()],
        "unchanged": [
            (name, _words(value)) for name, value in settings.items() if name not in changed and name not in ELSEWHERE
        ],
        "seed": settings["seed"],
        "split": f"{material.run.path}/split.json",
        "environment": {
            "Python": environment["python"],
            **environment["versions"],
            "platform": environment["platform"],
            "threads": environment["threads"],
            "stage": environment["stage"],
        },
        "fingerprint": digest(material.run.read_model()[0]),
    }


def different(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are not the defaults, and that the network depends on.

    A learning rate that was searched for is named itself: the search need not be made again.

    Examples
    --------
    >>> different({"epochs": 5, "seed": 0, "find_lr": True, "learning_rate": 0.004, "name": "mine"})
    {'epochs': 5, 'learning_rate': 0.004}
    """
    return {
        name: value
        for name, value in settings.items()
        if name in Config.model_fields
        and name not in (*ELSEWHERE, "find_lr")
        and _plain(value) != _plain(Config.model_fields[name].default)
    }


def command(data: str, settings: dict[str, Any]) -> str:
    """Return the command that trains the same network; from Python where a class's name has a comma.

    Parameters
    ----------
    data : str
        Where the images are.
    settings : dict
        As the run's ``config.json`` has them: all that was resolved.

    Examples
    --------
    >>> command("my x-rays", {"epochs": 5, "augment": False, "classes": ["b", "a"], "seed": 0})
    "convstage train 'my x-rays' --epochs 5 --no-augment --classes b,a"
    """
    changed = different(settings)
    if any("," in str(name) or str(name) != str(name).strip() for name in changed.get("classes") or ()):
        named = ", ".join(f"{name}={value!r}" for name, value in changed.items())
        return f"convstage.train({data!r}, {named})"
    words = ["convstage", "train", _operand(data)]
    for name, value in changed.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            # A value that begins with a dash would be taken for a flag.
            words += [f"--{flag}={text}"] if text.startswith("-") else [f"--{flag}", text]
    return shlex.join(words)


def _operand(data: str) -> str:
    return f"./{data}" if data.startswith("-") else data


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _default(name: str) -> str:
    return _words(Config.model_fields[name].default)
