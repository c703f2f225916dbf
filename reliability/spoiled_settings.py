"""Settings that no training has: as YAML files of any bytes, as keywords of any kind, as flags of any words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from convstage import ConfigError
from convstage.config import Config, make_config

NAMES = list(Config.model_fields)
#: YAML that its reader trips over, beside what it says it refuses: dates that are none, tags, endless aliases.
PIECES = (
    "epochs: 3",
    "epochs: 1e400",
    "epochs: " + "9" * 5_000,
    "epochs: !!int abc",
    "epochs: !!int ''",
    "epochs: !!float x",
    "epochs: !!bool maybe",
    "epochs: !!timestamp x",
    "epochs: !!binary '#'",
    "epochs: !!python/name:os.system",
    "epochs: 2026-13-45",
    "epochs: 2026-02-30 25:61:61",
    "epochs: 1:60:99",
    "epochs: 0x",
    "epochs: .nan",
    "clip_norm: .inf",
    "save_every: -.inf",
    "learning-rate: .nan",
    "learning_rate: 0.1",
    "audit: maybe",
    "audit: 2",
    "seed: yes",
    "name: [a, b]",
    "name: !!set {a, b}",
    "classes: {a: 1}",
    "classes: !!omap [a: 1]",
    "classes: [[a]]",
    'out: "\\0"',
    'out: "\\ud800"',
    "pattern: 'INPUT -> '",
    "size: 0x10",
    "size: 10_0",
    "group_regex: '('",
    "? [a, b]\n: 1",
    "? {a: 1}\n: 1",
    "a: &a [*a]",
    "&a {a: *a}",
    "<<: 3",
    "<<: [1, 2]",
    "--- 1\n--- 2",
    "%YAML 9.9\n---\na: 1",
    "\t- a",
    "a: b: c",
    "- epochs: 3",
    "'epochs': 3\n\"epochs\": 4",
    "null: 1",
    "3: 4",
    "true: false",
    "\ufeffepochs: 3",
    "[" * 5_000,
    "{a: " * 5_000,
    "bomb: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"b{n}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9))
    + "epochs: *j",
    "\n".join(
        f"x{n}: &{chr(97 + n)} " + (f"[{', '.join(['*' + chr(96 + n)] * 9)}]" if n else "[y]") for n in range(9)
    ).replace("x8:", "name:"),
)

_simple = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=8), st.dates()
)
values = st.recursive(
    _simple,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_simple, inner, max_size=4),
    max_leaves=8,
)
keywords = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=12), values, max_size=4)


@st.composite
def files(draw: Any) -> bytes:
    """Return the content of a file that should hold settings."""
    how = draw(st.integers(0, 3))
    if how == 0:
        return draw(st.binary(max_size=60))
    if how == 1:
        return yaml.safe_dump(draw(keywords), allow_unicode=True).encode("utf-8", "surrogatepass")
    lines = draw(st.lists(st.sampled_from(PIECES) | st.text(max_size=30), min_size=1, max_size=3))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def judge_file(path: Path, content: bytes) -> None:
    """Read settings from a file: accepted, or refused with an error of ours that is short enough to be read."""
    path.write_bytes(content)
    _judge(lambda: make_config(path))


def judge_keywords(settings: dict[str, Any]) -> None:
    """Take settings as keywords, as `judge_file` does; what is accepted survives being written down."""
    _judge(lambda: make_config(**settings))


def _judge(make: Any) -> None:
    try:
        config = make()
    except ConfigError as error:
        assert 0 < len(str(error)) < 5_000, len(str(error))
        return
    assert make_config(**config.model_dump()) == config
    json.dumps(config.model_dump(), allow_nan=False)
