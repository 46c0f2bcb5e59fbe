"""Where templates are filled: no files, no Python, and bounds on what one row may cost.

Jinja's own sandbox keeps a template from reaching Python. It does not keep it from running
for hours or filling the memory, so each loop, call, filter and operator here spends from a
row's `Work`. Values come in as data (strings, numbers, lists, mappings), never as objects.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import RowInputError
from ..runtime import plain_value
from .jinja_dialects import Dialect, filters_of, printed, tests_of

if TYPE_CHECKING:
    from jinja2 import Environment, Template, Undefined, nodes

Token = tuple[int, str, str]
"""Line, kind and text."""
MAX_OUTPUT = 10_000_000
"""Characters of a filled template."""
MAX_ITEMS = 1_000_000
"""Items that all loops of one row may see, calls of macros among them."""
MAX_UNITS = 5_000_000
"""Ten characters, or one value of a list or mapping, each time that a filter or operator reads it."""
MAX_BITS = 4096
MAX_ARGUMENT = 10_000
WORK = "_work"
"""The context's name of a row's `Work`; templates cannot name it, for its underscore."""

REFUSED_FILTERS = frozenset({"attr", "random", "urlize", "xmlattr"})
REFUSED_GLOBALS = frozenset({"cycler", "joiner", "lipsum"})
COUNTED = frozenset({"batch", "center", "expandtabs", "indent", "ljust", "rjust", "round", "slice", "zfill"})
"""Filters and methods whose numbers say how much text or how many values come out."""
LARGE_FORMAT = re.compile(r"\d{5,}|\*|\{[^{}]*\{")


class Work:
    """What filling one row may still cost."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.items = MAX_ITEMS
        self.units = MAX_UNITS

    def step(self) -> None:
        """One item of a loop, or one call."""
        self.items -= 1
        if self.items < 0:
            raise self.error(f"a loop over more than {MAX_ITEMS:,} items")

    def read(self, *values: Any) -> None:
        """All that the values hold is read once."""
        pending = list(values)
        while pending:
            value = pending.pop()
            if isinstance(value, str):
                self.spend(len(value) // 10)
            elif isinstance(value, dict):
                self.spend(len(value))
                pending.extend(value.values())
            elif isinstance(value, list | tuple):
                self.spend(len(value))
                pending.extend(value)
            elif isinstance(value, range):
                self.spend(len(value))

    def spend(self, units: int) -> None:
        """So many units of work."""
        self.units -= units
        if self.units < 0:
            raise self.error("it copies too much text, or too many values")

    def error(self, problem: str) -> RowInputError:
        """The refusal of a row."""
        return RowInputError(
            f"the template cannot be filled within bounds: {problem}",
            hint="give it less, or take the repetition out of the template",
            where=self.where,
        )


@cache
def environment(dialect: Dialect) -> Environment:
    """What parses and fills templates of a dialect."""
    from jinja2 import pass_context

    filters = _base(dialect).filters
    made: Environment = _sandbox_class()(
        optimized=False,
        undefined=_absent_class(),
        finalize=pass_context(_finalize_of(dialect)),
        keep_trailing_newline=dialect == "nunjucks",
        extensions=["jinja2.ext.loopcontrols"],
    )
    made.filters = {name: _guarded(name, dialect) for name in filters if name not in REFUSED_FILTERS}
    made.filters.update(_loop=pass_context(_loop), _join=pass_context(_join), _read=pass_context(_read))
    made.tests = _base(dialect).tests
    made.globals = {
        **{name: value for name, value in made.globals.items() if name not in REFUSED_GLOBALS},
        "range": _range,
    }
    return made


def parsed(source: str, dialect: Dialect) -> tuple[nodes.Template, list[Token]]:
    """A template as a tree, and as the tokens that it was made of.

    Raises:
        jinja2.TemplateSyntaxError: it does not parse.
    """
    from jinja2.lexer import TokenStream
    from jinja2.parser import Parser

    made = environment(dialect)
    tokens = list(made.lex(source))
    parser = Parser(made, "")
    parser.stream = TokenStream(made.lexer.wrap(iter(tokens)), None, None)
    return parser.parse(), tokens


def compiled(tree: nodes.Template, dialect: Dialect) -> Template:
    """A parsed template as code; the tree is altered, so that its loops and operators spend work."""
    from jinja2 import Template

    from .jinja_spending import Spending

    made = environment(dialect)
    guarded = Spending().visit(tree)
    guarded.set_environment(made)
    return Template.from_code(made, made.compile(guarded), made.make_globals(None))


def filled(template: Template, values: Mapping[str, Any], where: str) -> str:
    """The text of one row.

    Raises:
        RowInputError: it cannot be filled with these values, or not within bounds.
    """
    from jinja2 import TemplateError

    work = Work(where)
    parts: list[str] = []
    size = 0
    try:
        for part in template.generate({**values, WORK: work}):
            size += len(part)
            if size > MAX_OUTPUT:
                raise work.error("its text is over 10 MB")
            parts.append(part)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise RowInputError(f"the template cannot be filled: {error}", where=where) from error
    except RecursionError as error:
        raise work.error("it calls itself without end") from error
    return "".join(parts)


def absent(name: str) -> Undefined:
    """Stands for an optional input that a row does not have."""
    made: Undefined = _missing_class()(name=name)
    return made


def as_data(value: Any) -> Any:
    """A value without methods of its own: models become mappings, every collection a list."""
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int | float | decimal.Decimal | datetime.date):
        return value
    if isinstance(value, Mapping):
        return {as_data(key): as_data(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [as_data(own) for own in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return plain_value(value)


@cache
def _base(dialect: Dialect) -> Environment:
    """The filters and tests themselves; `environment` calls them with bounds."""
    from jinja2 import Environment, Undefined

    made = Environment(autoescape=False)
    made.filters.update(filters_of(dialect))
    made.tests.update(tests_of(dialect))
    # A row says null where a template asks for what is not there.
    made.tests["none"] = lambda value: value is None or isinstance(value, Undefined)
    return made


def _guarded(name: str, dialect: Dialect) -> Callable[..., Any]:
    from jinja2 import pass_context

    @pass_context
    def guarded(context: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        work: Work = context[WORK]
        if name == "join":
            value = list(value)
        _check_sizes(work, name, value, args, kwargs)
        return _base(dialect).call_filter(
            name, value, args, kwargs, context=context, eval_ctx=context.eval_ctx
        )

    return guarded


def _check_sizes(work: Work, name: str, value: Any, args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse what would come out too large; count what goes in."""
    given = [*args, *kwargs.values()]
    work.read(value, *given)
    numbers = [one for one in given if isinstance(one, int)]
    if name in COUNTED or name in ("dump", "tojson"):
        if any(abs(number) > MAX_ARGUMENT for number in numbers):
            raise work.error(f"{name} with a number over {MAX_ARGUMENT:,}")
        work.spend(sum(map(abs, numbers)))
    texts = [one for one in given if isinstance(one, str)]
    if name == "replace" and len(texts) > 1:
        work.spend(str(value).count(texts[0]) * len(texts[1]) // 10)
    elif name == "indent":
        width = max([4, *numbers, *map(len, texts)])
        work.spend((str(value).count("\n") + 1) * width // 10)
    elif name == "expandtabs":
        work.spend(str(value).count("\t") * max([8, *numbers]) // 10)
    elif name == "join":
        # Of the filter the values come first, of the method the separator does.
        values, separator = (given[0], value) if isinstance(value, str) and given else (value, "".join(texts))
        count = len(values) if isinstance(values, list | tuple | str) else MAX_ARGUMENT
        work.spend(len(separator) * count // 10)
    elif name in ("format", "format_map") and LARGE_FORMAT.search(str(value)):
        raise work.error("a format with a width that is large or not known beforehand")


def _finalize_of(dialect: Dialect) -> Callable[[Any, Any], Any]:
    def finalize(context: Any, value: Any) -> Any:
        context[WORK].read(value)
        return printed(value, dialect)

    return finalize


def _loop(context: Any, values: Any, size: int) -> Iterator[Any]:
    """The values, counted; `size` is the length of the text that each of them repeats."""
    work: Work = context[WORK]
    for value in values:
        work.step()
        work.spend(size // 10)
        yield value


def _join(context: Any, values: list[Any]) -> str:
    context[WORK].read(values)
    return "".join(map(str, values))


def _read(context: Any, value: Any) -> Any:
    context[WORK].read(value)
    return value


def _range(*args: int) -> range:
    found = range(*args)
    if len(found) > MAX_ITEMS:
        raise OverflowError(f"a range of more than {MAX_ITEMS:,} numbers")
    return found


@cache
def _sandbox_class() -> Any:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        """Jinja's sandbox, whose operators and calls spend work."""

        intercepted_binops = frozenset({"*", "+", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            work: Work = context[WORK]
            work.read(left, right)
            if operator == "*":
                _check_product(work, left, right)
            elif operator == "%" and isinstance(left, str) and LARGE_FORMAT.search(left):
                raise work.error("a format with a width that is large or not known beforehand")
            return super().call_binop(context, operator, left, right)

        def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
            work: Work = __context[WORK]
            work.step()
            method = getattr(__obj, "__wrapped__", __obj)
            owner = getattr(method, "__self__", None)
            if isinstance(owner, str):
                _check_sizes(work, method.__name__, owner, args, kwargs)
            else:
                work.read(*args, *kwargs.values())
            return super().call(__context, __obj, *args, **kwargs)

    return Sandbox


def _check_product(work: Work, left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > MAX_BITS:
            raise work.error("a product of too many digits")
        return
    for one, times in ((left, right), (right, left)):
        if isinstance(one, str | list | tuple) and isinstance(times, int):
            unit = 10 if isinstance(one, str) else 1
            work.spend(len(one) * max(times, 0) // unit)
            if not isinstance(one, str):
                for _ in range(times):
                    work.read(one)


@cache
def _absent_class() -> Any:
    from jinja2 import Undefined

    class Absent(_missing_class()):  # type: ignore[misc]
        """What a value does not have: it may be asked for, and not printed or looped over."""

        __slots__ = ()
        __html__ = __iter__ = __str__ = __len__ = Undefined._fail_with_undefined_error
        __contains__ = Undefined._fail_with_undefined_error

    return Absent


@cache
def _missing_class() -> Any:
    from jinja2 import ChainableUndefined, Undefined

    class Missing(ChainableUndefined):
        """An optional input that a row does not have: empty wherever it stands."""

        __slots__ = ()

        def __eq__(self, other: Any) -> bool:
            return other is None or isinstance(other, Undefined)

        def __ne__(self, other: Any) -> bool:
            return not self == other

        def __hash__(self) -> int:
            return hash(None)

    return Missing
