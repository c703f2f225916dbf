"""Text of a layer pattern -> syntax tree, or an error with a caret under the place."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from math import isinf

from lark import Lark, Token, Transformer, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.tree import Meta

from ..errors import PatternError
from ..text import cut
from .tree import Argument, Chain, Layer, Node, Optional, Repeat, Span, Value

#: A longer text is not a pattern but an accident.
MAX_CHARACTERS = 100_000
#: Brackets within brackets; the lecture needs two.
MAX_DEPTH = 32
#: Characters of a number; the longest that Python prints for a float has 24.
MAX_DIGITS = 24

#: What a grammar terminal is called when it was expected but missing.
_EXPECTED = {
    "_ARROW": "'->'",
    "_TIMES": "'*'",
    "LETTER": "a letter",
    "COUNT": "a number",
    "NUMBER": "a number",
    "SIZE": "a size such as 5x5",
    "NAME": "a name",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "COMMA": "','",
    "EQUAL": "'='",
    "VBAR": "'|'",
    "QMARK": "'?'",
    "$END": "the end",
}


def parse(text: str) -> Chain:
    """Read a layer pattern.

    Parameters
    ----------
    text : str
        For example ``INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER``.

    Returns
    -------
    Chain
        The syntax tree. Layer names are in capitals; whether a layer of that name
        exists is not checked here.

    Raises
    ------
    PatternError
        The text does not follow the grammar; the message marks the place.

    Examples
    --------
    >>> str(parse("input → [conv(32,5x5)→relu]*n → classifier"))
    'INPUT -> [CONV(32, 5x5) -> RELU]*N -> CLASSIFIER'
    """
    _check_size(text)
    try:
        parsed = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explain(text, error) from None
    _check_numbers(parsed, text)
    return _ToTree().transform(parsed)


@cache
def _parser() -> Lark:
    grammar = (files(__package__) / "grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, start="chain", parser="lalr", propagate_positions=True)


def _check_size(text: str) -> None:
    if not text.strip():
        raise PatternError(
            "the pattern is empty.", text, 0, 1, "Write for example INPUT -> CONV -> RELU -> CLASSIFIER."
        )
    if len(text) > MAX_CHARACTERS:
        raise PatternError(
            f"the pattern has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.", text, 0, 1
        )
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth > MAX_DEPTH:
            raise PatternError(f"brackets are nested more than {MAX_DEPTH} deep.", text, place, place + 1)


def _check_numbers(parsed: Tree[Token], text: str) -> None:
    for token in parsed.scan_values(lambda leaf: isinstance(leaf, Token) and leaf.type != "NAME"):
        numbers = re.split("[xX×]", token)
        if max(map(len, numbers)) > MAX_DIGITS or (token.type == "NUMBER" and isinf(float(token))):
            problem = f"a number must be finite, and have at most {MAX_DIGITS} digits."
            raise PatternError(problem, text, token.start_pos or 0, token.end_pos or 0)


def _explain(text: str, error: UnexpectedInput) -> PatternError:
    match error:
        case UnexpectedToken(token=Token(type="$END")):
            start, end, problem = len(text.rstrip()), len(text.rstrip()) + 1, "the pattern ends too early"
        case UnexpectedToken(token=Token() as token):
            start, end, problem = token.start_pos or 0, token.end_pos or 0, f"{cut(token.value)!r} is out of place"
        case UnexpectedCharacters(pos_in_stream=int() as position, char=character):
            start, end, problem = position, position + 1, f"{character!r} is out of place"
        case _:
            start, end, problem = 0, 1, "the pattern cannot be read"
    accepted = error.interactive_parser.accepts()  # type: ignore[no-untyped-call]
    words = sorted({_EXPECTED[name] for name in accepted})
    hint = f"Expected {_either(words)}." if words else "It closes no bracket."
    if start < len(text) and text[start] == "-" and "'->'" in words:
        hint += " An arrow is written ->."
    return PatternError(problem + ".", text, start, end, hint)


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _span(meta: Meta) -> Span:
    return (meta.start_pos, meta.end_pos)


@v_args(meta=True)
class _ToTree(Transformer[Token, Chain]):
    """Lark's tree -> ours, from the leaves up."""

    def chain(self, meta: Meta, terms: list[Node]) -> Chain:
        return Chain(tuple(terms), _span(meta))

    def group(self, _meta: Meta, children: list[Chain]) -> Node:
        (chain,) = children
        return chain.terms[0] if len(chain.terms) == 1 else chain

    def layer(self, meta: Meta, children: list[Token | Argument | None]) -> Layer:
        name, *arguments = children
        return Layer(str(name).upper(), tuple(a for a in arguments if isinstance(a, Argument)), _span(meta))

    def repeat(self, meta: Meta, children: list[Node | Token]) -> Repeat:
        body, count = children
        assert isinstance(count, Token) and not isinstance(body, Token)
        return Repeat(body, int(count) if count.type == "COUNT" else count.upper(), _span(meta))

    def optional(self, meta: Meta, children: list[Node]) -> Optional:
        return Optional(children[0], _span(meta))

    def argument(self, meta: Meta, children: list[Token | Value | None]) -> Argument:
        name, *values = children
        written = None if name is None else str(name).lower()
        return Argument(written, tuple(v for v in values if v is not None), _span(meta))

    def value(self, _meta: Meta, children: list[Token]) -> Value:
        (token,) = children
        match token.type:
            case "SIZE":
                return tuple(map(int, re.split("[xX×]", token)))
            case "NAME":
                return token.lower()
        return float(token) if set(token) & set(".eE") else int(token)
