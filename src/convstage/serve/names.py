"""Names of data as text that every JSON reader takes."""

from __future__ import annotations


def shown(name: str) -> str:
    r"""Return a name as text: bytes of a file name that are no UTF-8 are written as escapes.

    Examples
    --------
    >>> shown("corona/1.png"), shown("b\udcffd")
    ('corona/1.png', 'b\\udcffd')
    """
    return name.encode("utf-8", "backslashreplace").decode()
