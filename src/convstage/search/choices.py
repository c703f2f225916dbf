"""What a search may change beside the pattern: settings, each with a range or a list of values."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from ..config import Config, make_config
from ..errors import ConfigError

if TYPE_CHECKING:
    from optuna import Trial

Value = float | int | bool | str

#: Parts of the network that are searched like settings: filters of the first stage, and dropout at the end.
FILTERS, DROPOUT = "filters", "dropout"
#: Searched unless they are fixed, and how.
DEFAULTS = {
    "learning_rate": "1e-4..1e-2",
    "batch_size": "16,32,64,128",
    "weight_decay": "1e-4..1e-1",
    "augment": "on,off",
    FILTERS: "8,16,32,64",
    DROPOUT: "0,0.25,0.5",
}
#: Settings that make one training another without making its figures incomparable.
SETTINGS = (
    "learning_rate", "batch_size", "weight_decay", "clip_norm", "balance", "label_smoothing", "ema",
    "augment", "shift", "rotate", "zoom", "brightness", "contrast", "flip",
)  # fmt: skip
#: A range whose end is so many times its start is drawn on a logarithmic scale.
LOGARITHMIC = 10
#: Values of a range in a grid.
GRID_VALUES = 3
#: More values than this are no list that anybody has meant.
MOST_VALUES = 1000

_WORDS = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


@dataclass(frozen=True)
class Choice:
    """A setting that is searched: a list of values, or a range from `low` to `high`, ends included.

    Attributes
    ----------
    name : str
    values : tuple
        The list; empty for a range.
    low, high : float or int
        The ends of a range.
    log : bool
        Whether a range is drawn on a logarithmic scale.

    Examples
    --------
    >>> print(read_choice("learning_rate", "1e-4..1e-2"), "|", read_choice("batch_size", "16,32"))
    0.0001..0.01, logarithmic | 16, 32
    """

    name: str
    values: tuple[Value, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False

    def __str__(self) -> str:
        if self.values:
            return ", ".join(map(word, self.values))
        return f"{self.low:g}..{self.high:g}{', logarithmic' if self.log else ''}"

    @property
    def is_whole(self) -> bool:
        """Whether a range is of whole numbers."""
        return isinstance(self.low, int)

    def suggest(self, trial: Trial) -> Value:
        """Let a trial choose."""
        if self.values:
            drawn = trial.suggest_categorical(self.name, self.values)
            assert drawn is not None
            return drawn
        if self.is_whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def holds(self, value: Any) -> bool:
        """Return whether a value is among those that can be chosen."""
        return value in self.values if self.values else self.low <= value <= self.high

    def grid(self) -> tuple[Value, ...]:
        """Return the values of a grid: all of a list; both ends of a range and its middle."""
        if self.values:
            return self.values
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        three = (self.low, round(middle) if self.is_whole else middle, self.high)
        return tuple(dict.fromkeys(three))


def word(value: Any) -> str:
    """Return a value of a setting as it is written.

    Examples
    --------
    >>> word(True), word(0.00123456), word(64), word("auto")
    ('on', '0.00123', '64', 'auto')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def read_choice(name: str, text: str) -> Choice:
    """Read what is written behind ``--search``: ``1e-4..1e-2``, ``16,32,64`` or ``on,off``.

    Parameters
    ----------
    name : str
        One of `SETTINGS`, `FILTERS` or `DROPOUT`.
    text : str
        A range of numbers, or values separated by commas or bars; empty for both of on and off, and
        for all words of a setting that has words.

    Raises
    ------
    ConfigError
        A setting that cannot be searched, or values that it cannot have.

    Examples
    --------
    >>> read_choice("augment", "").values
    (True, False)
    >>> read_choice("rotate", "0..10").log, read_choice("filters", "8..128").log
    (False, True)
    """
    name = name.strip().replace("-", "_")
    kind = _kind(name)
    text = text.strip() or _every(name)
    low, dots, high = text.partition("..")
    if dots:
        return _range(name, kind, low, high)
    values = tuple(_read(name, kind, part) for part in text.replace("|", ",").split(","))
    if len(set(values)) < len(values) or len(values) > MOST_VALUES:
        raise ConfigError(f"{name} = {text}: list every value once, at most {MOST_VALUES:,}.")
    for value in values:
        check(name, value)
    return Choice(name, values)


def read_value(name: str, text: str) -> Value:
    """Read what is written behind ``--fix``: the one value of `FILTERS`, `DROPOUT` or a setting.

    Raises
    ------
    ConfigError
        Several values, or one that it cannot have.
    """
    choice = read_choice(name, text)
    if len(choice.values) != 1:
        raise ConfigError(f"{name} = {text}: a setting is fixed to one value; --search {name}={text} searches several.")
    return choice.values[0]


def read_all(searched: dict[str, str], fixed: set[str]) -> tuple[Choice, ...]:
    """Return all that is searched: what is asked for, and `DEFAULTS` as far as nothing else is said of them.

    Parameters
    ----------
    searched : dict of str to str
        Names and ranges that are asked for.
    fixed : set of str
        Settings that have a value; ``"all"`` fixes everything that is not asked for.

    Raises
    ------
    ConfigError
        Something is to be searched and is fixed.
    """
    asked = {name.strip().replace("-", "_"): text for name, text in searched.items()}
    both = [name for name in asked if name in fixed]
    if both:
        raise ConfigError(f"{both[0]} is to be searched ({asked[both[0]] or 'all values'}) and has a value, too.")
    defaults = {} if "all" in fixed else {name: text for name, text in DEFAULTS.items() if name not in fixed}
    return tuple(read_choice(name, text) for name, text in (defaults | asked).items())


def check(name: str, value: Any) -> None:
    """Refuse a value that a setting cannot have."""
    if name == FILTERS:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 4096:
            raise ConfigError(f"filters = {value}: the first stage has 1 to 4,096 filters.")
    elif name == DROPOUT:
        if not 0 <= value < 1:
            raise ConfigError(f"dropout = {value}: a share of at least 0 and below 1.")
    else:
        make_config(**{name: value})


def _kind(name: str) -> Any:
    """Return the type of a setting's values: int, float, bool, or str for words."""
    if name == FILTERS:
        return int
    if name == DROPOUT:
        return float
    if name not in SETTINGS:
        can = (*SETTINGS, FILTERS, DROPOUT)
        near = difflib.get_close_matches(name, can, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"These can be: {', '.join(can)}."
        raise ConfigError(f"{name} cannot be searched.\n{hint}")
    annotation = Config.model_fields[name].annotation
    if get_origin(annotation) is Literal:
        return str
    return next(kind for kind in (get_args(annotation) or (annotation,)) if kind is not type(None))


def _every(name: str) -> str:
    """Return all values of a setting that has few; "" of others, which is no number."""
    if _kind(name) is bool:
        return "on,off"
    return ",".join(get_args(Config.model_fields[name].annotation)) if _kind(name) is str else ""


def _range(name: str, kind: Any, low: str, high: str) -> Choice:
    if kind not in (int, float):
        raise ConfigError(f"{name} = {low}..{high}: it has no ranges; list its values, as in {name}={_every(name)}.")
    ends = _read(name, kind, low), _read(name, kind, high)
    first, last = (kind(end) for end in ends)
    if not first < last:
        raise ConfigError(f"{name} = {low}..{high}: a range begins below its end.")
    for end in ends:
        check(name, end)
    return Choice(name, (), first, last, first > 0 and last / first >= LOGARITHMIC)


def _read(name: str, kind: Any, text: str) -> Value:
    text = text.strip()
    try:
        if kind is bool:
            return _WORDS[text.lower()]
        value: Value = kind(text)
        if kind is float and not math.isfinite(value):  # type: ignore[arg-type]
            raise ValueError
    except (KeyError, ValueError):
        wanted = {int: "whole numbers", float: "numbers", bool: "on or off"}[kind]
        raise ConfigError(
            f"{name} = {text!r}: expected {wanted}, as a range such as {_example(name)} or a list."
        ) from None
    return value


def _example(name: str) -> str:
    return DEFAULTS.get(name, "0.1..0.5")
