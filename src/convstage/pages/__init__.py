"""Self-contained pages: templates in this folder, escaped throughout, that load nothing from anywhere.

A page ``x`` is ``x.html``, which extends ``base.html``, with ``x.css`` and ``x.js`` if there are
such files. Styles, script and data are put into the page; its content security policy
allows that script, by its hash, and nothing else: a name from a data set that looks like
a script is text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from ..text import shown

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(name: str, /, *, scripts: Sequence[str] = (), data: Any = None, **context: Any) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    name : str
        Of the page's files in this folder.
    scripts : sequence of str
        Names of the files of its script, in order, where they are several.
    data : optional
        Plain data for the page's script, which finds it as JSON in the element ``#data``.
    **context
        What the template names; text is escaped. SVG that we drew ourselves goes in as `Markup`.
    """
    script = "".join(_content(f"{one}.js") for one in scripts or (name,))
    sources = f"; script-src '{_hash(script)}'" if script else ""
    return _environment().get_template(f"{name}.html").render(
        policy=Markup(POLICY + sources),  # noqa: S704  # a constant and a hash
        style=Markup(_content("base.css") + _content(f"{name}.css")),  # noqa: S704  # our own files
        script=Markup(script),  # noqa: S704
        data=data,
        **context,
    )  # fmt: skip


def embedded(html: str, height: int) -> str:
    """Return a page for a notebook's cell: in a frame of its own, which its styles and scripts cannot leave."""
    return shown(
        f'<iframe srcdoc="{escape(html)}" sandbox="allow-scripts" '
        f'style="width: 100%; height: {height}px; border: 0; background: white"></iframe>'
    )


def named(text: object) -> Markup:
    """Return a name from a data set, isolated, so that one written from right to left does not turn its neighbours."""
    return Markup("<bdi>{}</bdi>").format(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("convstage", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["named"] = named
    return made


@cache
def _content(name: str) -> str:
    """Return one of the files of this folder; nothing when there is none."""
    file = files(__package__) / name
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    # The browser hashes exactly what stands between the tags; these would end it too early.
    assert "</script" not in text
    assert "</style" not in text
    return text


def _hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
