"""What objects show of themselves in a notebook: lines, tables, numbers in colour, bars.

Text is escaped, and isolated where it may be written from right to left. The ink is the
notebook's own, light or dark; what has a background of its own has its own ink, too. A
front-end that drops the styles still shows tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from .pages import named
from .pictures import Floats, Picture, Scale
from .text import shown

#: Relative luminance from which on black ink stands out more than white: both have a contrast of 4.58 there.
BRIGHT = 0.179

STYLE = Markup(
    "<style>"
    ".convstage-shown{max-width:100%;overflow-x:auto;line-height:1.4;--line:rgba(127,127,127,.45)}"
    ".convstage-shown p{margin:.3em 0;max-width:60em;overflow-wrap:anywhere}"
    ".convstage-shown code{background:none;color:inherit;overflow-wrap:anywhere}"
    ".convstage-shown table{border-collapse:collapse;margin:.3em 0 .6em;font-size:.92em;"
    "font-variant-numeric:tabular-nums;color:inherit}"
    ".convstage-shown caption{caption-side:top;text-align:left;color:inherit;padding:.2em 0}"
    ".convstage-shown th,.convstage-shown td{padding:.15em .6em;text-align:right;color:inherit;"
    "background:none;border:0;border-bottom:1px solid var(--line);white-space:nowrap}"
    ".convstage-shown th:first-child,.convstage-shown td:first-child{text-align:left}"
    ".convstage-shown th.wrap,.convstage-shown td.wrap{white-space:normal;overflow-wrap:anywhere;text-align:left;"
    "min-width:14em}"
    ".convstage-shown .bar{width:9em;text-align:left}"
    ".convstage-shown .bar div{height:.75em;background:#4a90d9;border-radius:2px}"
    ".convstage-shown .side{display:flex;flex-wrap:wrap;gap:.2em 1em;align-items:center}"
    ".convstage-shown .numbers caption{white-space:nowrap}"
    ".convstage-shown .numbers td{padding:.1em .35em;text-align:center;min-width:2.2em;border:1px solid var(--line)}"
    ".convstage-shown .numbers td.outside{border-style:dashed;font-style:italic}"
    ".convstage-shown .numbers td.won{outline:3px solid #d55e00;outline-offset:-3px}"
    ".convstage-shown .drawing{background:#fff;color:#222;border-radius:4px;padding:4px;display:inline-block;"
    "max-width:100%;box-sizing:border-box}"
    ".convstage-shown .drawing svg{max-width:100%;height:auto;display:block}"
    "</style>"
)
BLOCK = Markup('<div class="convstage-shown">{}{}</div>')
LINE = Markup("<p>{}</p>")
CODE = Markup("<code>{}</code>")
TABLE = Markup("<table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table>")
HEAD, WRAPPED_HEAD = Markup("<th>{}</th>"), Markup('<th class="wrap">{}</th>')
CELL, WRAPPED = Markup("<td>{}</td>"), Markup('<td class="wrap">{}</td>')
BAR = Markup('<td class="bar"><div style="width: {:.1f}%"></div></td>')
NUMBERS = Markup('<table class="numbers"><caption>{}</caption>{}</table>')
NUMBER = Markup('<td class="{}" style="background: #{}; color: {}">{}</td>')


def block(*parts: object) -> str:
    """Return what a notebook shows: the parts, one after the other, with their styles.

    Text becomes lines of its own; markup is taken as it is. Whatever bytes names had, it can be written as UTF-8.

    Examples
    --------
    >>> block("<b>", Markup("<b>bold</b>")).removeprefix(f'<div class="convstage-shown">{STYLE}')
    '<p><bdi>&lt;b&gt;</bdi></p><b>bold</b></div>'
    """
    made = (part if isinstance(part, Markup) else LINE.format(named(part)) for part in parts)
    return shown(str(BLOCK.format(STYLE, Markup("").join(made))))


def code(text: object) -> Markup:
    """Return a pattern or a sum as a line of its own."""
    return LINE.format(CODE.format(text))


def table(
    titles: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "", wrapped: Sequence[str] = ()
) -> Markup:
    """Return a table; its first column is on the left, numbers are on the right.

    Parameters
    ----------
    titles : sequence of str
    rows : iterable of sequences
        Text is escaped; a cell made by `bar` is a cell of its own.
    caption : str
    wrapped : sequence of str
        Titles of columns of long texts.
    """
    head = Markup("").join((WRAPPED_HEAD if title in wrapped else HEAD).format(title) for title in titles)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(_cell(value, title in wrapped) for title, value in zip(titles, row, strict=True))
        )
        for row in rows
    )
    above = Markup("<caption>{}</caption>").format(named(caption)) if caption else Markup("")
    return TABLE.format(above, head, body)


def _cell(value: object, wrapped: bool) -> Markup:
    if isinstance(value, Markup) and value.startswith("<td"):
        return value
    return (WRAPPED if wrapped else CELL).format(value)


def bar(share: float) -> Markup:
    """Return the cell of a table that shows a share, 0..1, as a bar."""
    return BAR.format(100 * min(max(share, 0.0), 1.0) if share == share else 0.0)  # NaN has no length


def shares(classes: Mapping[str, float], most: int = 10) -> Markup:
    """Return classes with their shares, the largest first, as a table with bars; of many the first few."""
    largest = sorted(classes.items(), key=lambda pair: -pair[1])[:most]
    rows = [(named(name), f"{share:.1%}", bar(share)) for name, share in largest]
    caption = f"the first {most} of {len(classes):,} classes" if len(classes) > most else ""
    return table(("class", "probability", ""), rows, caption=caption)


def numbers(
    title: str,
    values_hw: Floats,
    texts: Sequence[Sequence[str]],
    scale: Scale,
    *,
    outside: npt.NDArray[np.bool_] | None = None,
    won: tuple[int, int] | None = None,
) -> Markup:
    """Return a small matrix: every number in the colour of its value.

    Parameters
    ----------
    title : str
    values_hw : ndarray, shape (height, width)
        What the colours are of.
    texts : sequence of sequences of str
        What is written into the cells.
    scale : Scale
    outside : ndarray of bool, shape (height, width), optional
        Cells that are padding.
    won : (int, int), optional
        Row and column of a cell that is framed.
    """
    colours = scale.colours(values_hw)
    dark = _luminance(colours) < BRIGHT
    rows = []
    for row, line in enumerate(texts):
        cells = Markup("").join(
            NUMBER.format(
                "won" if won == (row, column) else "outside" if outside is not None and outside[row, column] else "",
                bytes(colours[row, column]).hex(),
                "#fff" if dark[row, column] else "#000",
                text,
            )
            for column, text in enumerate(line)
        )
        rows.append(Markup("<tr>{}</tr>").format(cells))
    return NUMBERS.format(title, Markup("").join(rows))


def _luminance(colours: Picture) -> Floats:
    """Return the relative luminance of colours, 0..1, as the Web Content Accessibility Guidelines 2.2 define it."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))


def beside(*parts: Markup | str) -> Markup:
    """Return parts side by side."""
    return Markup('<div class="side">{}</div>').format(
        Markup("").join(part if isinstance(part, Markup) else Markup("<span>{}</span>").format(part) for part in parts)
    )


def drawing(svg: Markup, words: str) -> Markup:
    """Return a drawing of ours on white paper, with what it shows in words."""
    return Markup('<div class="drawing" role="img" aria-label="{}">{}</div>').format(words, svg)
