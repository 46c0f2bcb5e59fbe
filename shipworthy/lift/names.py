"""Names that become Python: of programs, of their classes and of their fields.

A name lands in three places, a class body of dspy, a method's parameters and a call of
`dspy.Predict`; a name that means something else in one of them is refused by name.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Callable, Iterable

from ..errors import InputError, PrototypeError

MAX_LENGTH = 60
"""Characters of a name that is made of words."""


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


SIGNATURE_ATTRIBUTES = word_set(
    "append append_instructions construct copy delete dict dump_state equals fields from_orm input_fields "
    "insert instructions json load_state mro output_fields parse_file parse_obj parse_raw prepend register "
    "schema schema_json signature update_forward_refs validate with_instructions with_updated_fields"
)
"""Attributes of `dspy.Signature` that a field would hide, pydantic's own aside."""

MODEL_ATTRIBUTES = word_set(
    "model_computed_fields model_config model_construct model_copy model_extra model_fields model_fields_set "
    "model_json_schema model_parametrized_name model_post_init model_rebuild"
)
MODEL_PREFIXES = ("model_validate", "model_dump")
"""Attributes and prefixes that pydantic keeps for itself."""

BASE_MODEL_ATTRIBUTES = word_set(
    "construct copy dict from_orm json parse_file parse_obj parse_raw schema schema_json update_forward_refs "
    "validate"
)
"""Attributes of `pydantic.BaseModel` that a field of a nested object would hide."""

CALL_WORDS = word_set("self config demos lm")
"""Parameters of `forward`, or of a call of `dspy.Predict`, that are not inputs."""

TYPE_WORDS = word_set("Annotated Any BaseModel Field Literal None bool datetime dict dspy float int list str")
"""Names that the annotations of a written class body use."""

MODULE_ATTRIBUTES = word_set(
    "acall batch callbacks deepcopy dump_state forward get_lm history inspect_history load load_state "
    "map_named_predictors named_parameters named_predictors named_sub_modules parameters predictors "
    "reset_copy save set_lm"
)
"""Attributes of `dspy.Module` that a step of the same name would hide."""


def program_name(stem: str, where: str) -> str:
    """A file's stem as the name of a program.

    Raises:
        PrototypeError: it holds no letter or digit.
    """
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", stem)).strip("_").lower()
    name = unicodedata.normalize("NFKC", name)
    if not name:
        raise PrototypeError(
            f"no name can be made of {stem!r}", hint="give one with --name, such as triage", where=where
        )
    if name[0].isdigit():
        name = f"prompt_{name}"
    if problem_of_program(name):
        name = f"{name}_prompt"
    if problem_of_program(name):
        raise PrototypeError(
            f"no name can be made of {stem!r}", hint="give one with --name, such as triage", where=where
        )
    return name


def problem_of_program(name: str) -> str:
    """Why a program cannot have this name, or empty."""
    if name in MODULE_ATTRIBUTES or name in CALL_WORDS:
        return "is an attribute of every dspy.Module"
    return _problem_of_word(name)


def problem_of_field(name: str) -> str:
    """Why a field cannot have this name, or empty."""
    if name in SIGNATURE_ATTRIBUTES or name in MODEL_ATTRIBUTES or name.startswith(MODEL_PREFIXES):
        return "is an attribute of dspy.Signature"
    if name in CALL_WORDS:
        return "is a word of dspy's own calls"
    if name in TYPE_WORDS:
        return "is a word of the written annotations"
    return _problem_of_word(name)


def problem_of_attribute(name: str) -> str:
    """Why a field of a written pydantic class cannot have this name, or empty."""
    if name in BASE_MODEL_ATTRIBUTES or name in MODEL_ATTRIBUTES or name.startswith(MODEL_PREFIXES):
        return "is an attribute of every pydantic model"
    if name in TYPE_WORDS:
        return "is a word of the written annotations"
    return _problem_of_word(name)


def field_name(
    words: str, *, problem: Callable[[str], str] = problem_of_field, otherwise: str = "input"
) -> str:
    """Words as the name of a field: `order_id` of `order id`, `class_` of `class`; a name as it is.

    Args:
        words: what a prototype calls the value.
        problem: why a name cannot be had, or empty.
        otherwise: the name where nothing is left of the words, and what stands before a digit.
    """
    name = unicodedata.normalize("NFKC", words)
    if len(name) <= MAX_LENGTH and not problem(name):
        return name
    name = re.sub(r"\W+", "_", name).strip("_")[:MAX_LENGTH].rstrip("_")
    name = unicodedata.normalize("NFKC", name)
    if not name.isidentifier():
        name = f"{otherwise}_{name}" if name else otherwise
    if problem(name):
        name = f"{name}_"
    return f"{otherwise}_{name}" if problem(name) else name


class Names:
    """Names that are taken; no two differ in case only."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.casefold(): name for name in taken}
        self._numbers: dict[str, int] = {}

    def twin(self, name: str) -> str | None:
        """The name that is taken already and is this one, case aside."""
        return self._taken.get(name.casefold())

    def take(self, name: str) -> str:
        """This name, or the first of `name_2`, `name_3` and so on that is free; it is taken from now on."""
        found, base = name, name.rstrip("_")
        while found.casefold() in self._taken:
            self._numbers[base] = self._numbers.get(base, 1) + 1
            found = f"{base}_{self._numbers[base]}"
        self._taken[found.casefold()] = found
        return found


def check_fields(names: Iterable[str], kind: type[InputError], where: str) -> None:
    """Refuse names that cannot be fields.

    Raises:
        InputError: of the given kind; names the field and asks to rename it.
    """
    seen: dict[str, str] = {}
    for name in names:
        problem = problem_of_field(name)
        twin = seen.setdefault(name.casefold(), name)
        if not problem and twin != name:
            problem = f"differs from {twin!r} in case only"
        if problem:
            raise kind(f"{name!r} cannot name a field: it {problem}", hint="rename it", where=where)


def class_name(words: str) -> str:
    """A name in camel case that hides nothing that the written files use."""
    name = "".join(part[:1].upper() + part[1:] for part in words.split("_") if part)
    return f"{name}Task" if name in TYPE_WORDS or keyword.iskeyword(name) else name


def _problem_of_word(name: str) -> str:
    if not name.isidentifier():
        return "is not a Python name"
    if keyword.iskeyword(name):
        return "is a Python keyword"
    if name.startswith("_"):
        return "starts with an underscore"
    return "" if unicodedata.normalize("NFKC", name) == name else "is written with compatibility characters"
