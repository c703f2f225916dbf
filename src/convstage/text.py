"""Numbers, sizes and lists as people read them."""

from __future__ import annotations

from collections.abc import Iterable

_LARGE = ((10**12, "T"), (10**9, "G"), (10**6, "M"))


def size(shape: Iterable[int]) -> str:
    """Return a shape as the lecture writes it.

    Examples
    --------
    >>> size((28, 28, 1)), size((128,))
    ('28×28×1', '128')
    """
    return "×".join(f"{n}" for n in shape)


def count(n: int) -> str:
    """Return a count: exact below a million, three digits above.

    Examples
    --------
    >>> count(421_642), count(12_000_300_002), count(2 * 10**21)
    ('421,642', '12.0 G', '2,000,000,000 T')
    """
    if n < 10**6:
        return f"{n:,}"
    n = round(n, -min(len(str(n)) - 3, 12))
    unit, letter = next((unit, letter) for unit, letter in _LARGE if n >= unit)
    digits = 2 if n < 10 * unit else 1 if n < 100 * unit else 0
    return f"{n / unit:.{digits}f} {letter}" if digits else f"{n // unit:,} {letter}"


def memory(n: int) -> str:
    """Return a number of bytes in powers of 1024.

    Examples
    --------
    >>> memory(784), memory(100_352), memory(3 * 2**30)
    ('784 B', '98.0 KiB', '3.0 GiB')
    """
    value = float(n)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if round(value, 1) < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{n} B" if unit == "B" else f"{value:,.1f} {unit}"


def examples(texts: Iterable[str], shown: int = 3) -> str:
    """Return the first few of many texts.

    Examples
    --------
    >>> examples(["a", "b"]), examples("abcd")
    ('a, b', 'a, b, c, …')
    """
    texts = list(texts)
    return ", ".join(texts[:shown]) + (", …" if len(texts) > shown else "")


def cut(text: str, most: int = 60) -> str:
    """Return a text that somebody gave, short enough to be quoted.

    Examples
    --------
    >>> cut("CONV"), cut("CONVOLUTION", 5)
    ('CONV', 'CONV…')
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def names(text: str) -> list[str]:
    """Return the names in a text that separates them by commas.

    Examples
    --------
    >>> names("1-corona, 0-healthy")
    ['1-corona', '0-healthy']
    """
    return [name.strip() for name in text.split(",")]


def shown(name: str) -> str:
    r"""Return a name as text that everything takes: bytes of a file name that are no UTF-8 are written as escapes.

    Examples
    --------
    >>> shown("corona/1.png"), shown("b\udcffd")
    ('corona/1.png', 'b\\udcffd')
    """
    return name.encode("utf-8", "backslashreplace").decode()


def span(axis: str, numbers: range) -> str:
    """Return rows or columns in words.

    Examples
    --------
    >>> span("row", range(3, 4)), span("column", range(0, 7))
    ('row 3', 'columns 0 to 6')
    """
    return f"{axis} {numbers[0]}" if len(numbers) == 1 else f"{axis}s {numbers[0]} to {numbers[-1]}"
