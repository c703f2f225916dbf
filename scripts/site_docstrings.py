"""Docstrings as the site shows them: an extension of griffe, which reads the package for mkdocstrings.

Examples that are not run follow `::` in a docstring, as numpydoc has it; Markdown knows them
as blocks of code. A public name becomes a link to where the reference has it. And a setting has
its description and its default, which are arguments in the source, where readers look for them.
"""

import ast
import re
import textwrap
from pathlib import Path

import griffe

#: The paragraph ends with `::`, and what is indented below it is code.
BLOCK = re.compile(r"^(.*?)::\n\n?((?:[ \t]+\S.*\n?|\n(?=[ \t]))+)", re.MULTILINE)
NAME = re.compile(r"(?<!\[)`convstage\.(\w+)`")


def public_names() -> set[str]:
    """Return the names that `convstage` exports, without importing it."""
    tree = ast.parse((Path(__file__).parent.parent / "src/convstage/__init__.py").read_text())
    homes = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_HOMES"
    )
    return set(ast.literal_eval(homes))


def as_markdown(text: str, names: set[str]) -> str:
    """Return a docstring with its blocks of code fenced, and public names linked.

    Examples
    --------
    >>> print(as_markdown("::\\n\\n    run = train()", set()))
    ```python
    run = train()
    ```
    """

    def fenced(match: re.Match) -> str:
        before = f"{match[1]}:\n\n" if match[1] else ""
        return f"{before}```python\n{textwrap.dedent(match[2]).strip()}\n```\n"

    def linked(match: re.Match) -> str:
        return f"[{match[0]}][convstage.{match[1]}]" if match[1] in names else match[0]

    return NAME.sub(linked, BLOCK.sub(fenced, text)).rstrip()


def describe_settings(config: griffe.Class) -> None:
    """Give each setting the description and the default that it has when the package runs."""
    from convstage import Config

    for name, field in Config.model_fields.items():
        setting = config.members[name]
        setting.docstring = griffe.Docstring(str(field.description), parent=setting)
        setting.value = repr(field.default)


class Markdown(griffe.Extension):
    """Turns docstrings into Markdown when the package has been read."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        describe_settings(pkg["config.Config"])
        self._turn(pkg, public_names())

    def _turn(self, thing: griffe.Object, names: set[str]) -> None:
        if thing.docstring:
            thing.docstring.value = as_markdown(thing.docstring.value, names)
        for member in thing.members.values():
            if not member.is_alias:
                self._turn(member, names)
