"""A template of Jinja2, Nunjucks or MiniJinja: parsed once, filled in a sandbox without files.

What its inputs are is read in `jinja_inputs`, its words in `jinja_words`, what it may not do
stands in `jinja_checks`, and what one row may cost in `jinja_sandbox`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import PrototypeError, RowInputError
from .jinja_checks import check, check_size, no_template
from .jinja_dialects import Dialect, adjusted, as_jinja
from .jinja_inputs import used_by
from .jinja_plain import plain_pieces
from .jinja_sandbox import Token, absent, as_data, compiled, filled, parsed
from .jinja_words import pieces_of
from .pieces import Piece, Slot

if TYPE_CHECKING:
    from jinja2 import Template

LARGE = 2000
"""Tokens of a template that is not compiled until its first row comes."""


@dataclass(frozen=True)
class JinjaTemplate:
    """Text with conditions, loops and filters.

    Args:
        text: the template.
        where: its file, for messages; a line is added to it.
        dialect: whose spelling, filters and printing it is written for.

    Attributes:
        inputs: by name, in order of first appearance, with the JSON Schema that their use shows.
            Where a row may leave one out, null is allowed and the default.
        optional_inputs: names of those that a row may leave out: the template asks whether they
            are there before it uses them.
        unused_macros: names of macros that nothing calls, whose words no row shows, with their lines.

    Raises:
        PrototypeError: it does not parse; or it reads files, calls Python, or uses a filter or
            test that is unknown.
    """

    text: str
    where: str = field(kw_only=True)
    dialect: Dialect = field(default="jinja2", kw_only=True)
    inputs: Mapping[str, Mapping[str, Any]] = field(init=False, compare=False, repr=False)
    optional_inputs: tuple[str, ...] = field(init=False, compare=False, repr=False)
    unused_macros: Mapping[str, int] = field(init=False, compare=False, repr=False)
    _pieces: tuple[Piece, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if "\x00" in self.text:
            raise PrototypeError("the template holds a NUL", hint="take it out", where=self.where)
        check_size(self.text, self.where)
        pieces = plain_pieces(self.text, self.dialect)
        if pieces is not None:
            names = dict.fromkeys(piece.name for piece in pieces if isinstance(piece, Slot))
            self._set({name: {} for name in names}, (), {}, pieces)
            return
        with self._errors():
            self._read(as_jinja(self.text, self.dialect))

    def pieces(self) -> tuple[Piece, ...]:
        """All of its words, and its slots, in order; conditions and loops are told in words."""
        return self._pieces

    def render(self, values: Mapping[str, Any]) -> str:
        """The text of one row, as Jinja fills it.

        Optional inputs that are missing or null count as undefined, and so do optional
        properties that are null. What is in `values` is data: models are read as mappings.

        Raises:
            RowInputError: a value is missing or of a type that the template cannot use; or the
                text would be over 10 MB, or a loop over more than a million items.
        """
        given: dict[str, Any] = {}
        for name, schema in self.inputs.items():
            if name in self.optional_inputs and values.get(name) is None:
                given[name] = absent(name)
            elif name in values:
                given[name] = _without_nulls(as_data(values[name]), schema)
            else:
                raise RowInputError(f"{name!r} is missing", where=f"column {name!r}")
        return filled(self._compiled, given, self.where)

    def _read(self, source: str) -> None:
        tree, tokens = parsed(source, self.dialect)
        tree = adjusted(tree, self.dialect)
        check(tree, self.dialect, self.where)
        used = used_by(tree, _order(tokens), self.where)
        pieces = pieces_of(tree, used.inputs, list(_spellings(tokens)))
        self._set(used.inputs, used.optional, used.unused, pieces)
        if "{%" in source and len(tokens) <= LARGE:
            object.__setattr__(self, "_compiled", compiled(tree, self.dialect))

    def _set(
        self,
        inputs: Mapping[str, Mapping[str, Any]],
        optional: tuple[str, ...],
        unused: Mapping[str, int],
        pieces: tuple[Piece, ...],
    ) -> None:
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "optional_inputs", optional)
        object.__setattr__(self, "unused_macros", unused)
        object.__setattr__(self, "_pieces", pieces)

    @cached_property
    def _compiled(self) -> Template:
        """Compiling takes as long as reading, so what is sure to compile waits for its first row."""
        with self._errors():
            tree, _ = parsed(as_jinja(self.text, self.dialect), self.dialect)
            return compiled(adjusted(tree, self.dialect), self.dialect)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from jinja2 import TemplateSyntaxError

        try:
            yield
        except TemplateSyntaxError as error:
            raise no_template(error, self.where) from error
        except (SyntaxError, AssertionError) as error:
            # Of Python: over twenty loops within each other. Of Jinja: names in a `set` block's filter.
            raise PrototypeError(
                f"the template cannot be compiled: {error}", hint="write it more simply", where=self.where
            ) from error
        except (RecursionError, MemoryError) as error:
            raise PrototypeError(
                "the template is nested too deeply", hint="write it flatter", where=self.where
            ) from error


def _order(tokens: list[Token]) -> dict[str, int]:
    """Where each name first stands, properties and filters aside."""
    order: dict[str, int] = {}
    before = ""
    for index, (_, kind, value) in enumerate(tokens):
        if kind == "name" and before not in (".", "|"):
            order.setdefault(value, index)
        before = before if kind == "whitespace" else value
    return order


def _spellings(tokens: list[Token]) -> Iterator[str]:
    """Each `{{ … }}` as the text has it."""
    parts: list[str] = []
    for _, kind, value in tokens:
        if kind == "variable_begin" or parts:
            parts.append(value)
        if kind == "variable_end":
            yield "".join(parts).strip()
            parts = []


def _without_nulls(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value without those null properties that the template treats as left out."""
    options = schema.get("anyOf", [schema])
    properties: Mapping[str, Any] = next(
        (option["properties"] for option in options if "properties" in option), {}
    )
    items = next((option["items"] for option in options if "items" in option), None)
    if isinstance(value, list) and items:
        return [_without_nulls(own, items) for own in value]
    if not isinstance(value, dict) or not properties:
        return value
    return {
        key: _without_nulls(own, properties.get(key, {}))
        for key, own in value.items()
        if not (own is None and "default" in properties.get(key, {}))
    }
