"""Classes that say what a type holds, read by syntax into JSON Schemas.

pydantic models, dataclasses, TypedDicts and enums; a type that no JSON value stands for
is any value, and told.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .python_syntax import Function, Module, docless, dotted, keywords
from .python_text import UNKNOWN, value_of
from .schemas import normalised

Schema = dict[str, Any]

PLAIN: Mapping[str, Schema] = {
    "str": {"type": "string"},
    "bytes": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "Decimal": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "dict": {"type": "object"},
    "Dict": {"type": "object"},
    "Mapping": {"type": "object"},
    "list": {"type": "array"},
    "List": {"type": "array"},
    "Any": {},
    "object": {},
    "PositiveInt": {"type": "integer", "exclusiveMinimum": 0},
    "NonNegativeInt": {"type": "integer", "minimum": 0},
    "PositiveFloat": {"type": "number", "exclusiveMinimum": 0},
    "NonNegativeFloat": {"type": "number", "minimum": 0},
    "StrictStr": {"type": "string"},
    "StrictInt": {"type": "integer"},
    "StrictFloat": {"type": "number"},
    "StrictBool": {"type": "boolean"},
    "conint": {"type": "integer"},
    "confloat": {"type": "number"},
    "condecimal": {"type": "number"},
}
TEXTS = ("EmailStr", "HttpUrl", "AnyUrl", "AnyHttpUrl", "UUID", "UUID4", "Path", "time", "constr")
LISTS = (
    "list",
    "List",
    "Sequence",
    "Iterable",
    "Collection",
    "set",
    "Set",
    "frozenset",
    "FrozenSet",
    "conlist",
)
OBJECTS = ("dict", "Dict", "Mapping", "MutableMapping")
SAME = ("Annotated", "Required", "NotRequired", "Final", "ClassVar")
BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "regex": "pattern",
}
VALIDATORS = ("validator", "field_validator", "model_validator", "root_validator")
ENUMS = ("Enum", "StrEnum", "IntEnum")
MAX_DEPTH = 12
MAX_CLASSES = 500


@dataclass
class Models:
    """The classes of some files.

    Attributes:
        left_out: what no schema says: its place, and why. Grows as types are read.
    """

    modules: Sequence[Module]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _read: int = 0

    def has(self, name: str) -> bool:
        """Whether a class of this name, dots before it aside, is there."""
        return self._class(name) is not None

    def schema(self, name: str) -> Schema:
        """A class as the schema that a contract holds; any object where it is not there.

        Raises:
            PrototypeError: it refers to itself, or is nested too deeply.
        """
        found = self._class(name)
        if found is None:
            self.left_out.append(
                (name, "the class is in none of the files read, so its fields are not known")
            )
            return {"type": "object", "additionalProperties": True}
        module, node = found
        whole, left_out = normalised(self._model(node, module, 0), where=module.where(node))
        self.left_out += [(f"{module.where(node)}: {node.name} {place}", why) for place, why in left_out]
        found_schema: Schema = _undemanding(whole)
        return found_schema

    def fields(self, name: str) -> dict[str, tuple[Schema, Any]]:
        """A class's fields: the schema of each, and its default, `UNKNOWN` where it has none."""
        found = self._class(name)
        if found is None:
            return {}
        module, node = found
        own = self._model(node, module, 0).get("properties", {})
        return {
            key: (self._clean(one, module, node), one.get("default", UNKNOWN)) for key, one in own.items()
        }

    def parameters(self, function: Function, module: Module) -> Schema:
        """A function's parameters as the schema of an object."""
        given = function.args.args + function.args.kwonlyargs
        optional = len(function.args.args) - len(function.args.defaults)
        properties, required = {}, []
        for index, one in enumerate(given):
            if one.arg in ("self", "cls"):
                continue
            properties[one.arg] = self.annotation(one.annotation, module) if one.annotation else {}
            if index < optional:
                required.append(one.arg)
        return {"type": "object", "properties": properties, "required": required}

    def annotation(self, node: ast.expr, module: Module, depth: int = 0) -> Schema:
        """The schema of an annotation."""
        if depth > MAX_DEPTH:
            self._tell(node, module, "it refers to itself or is nested too deeply, so it is any value")
            return {}
        if isinstance(node, ast.Constant):
            return self._quoted(node, module, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._union([node.left, node.right], module, depth)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, module, depth)
        if isinstance(node, ast.Call):
            return {**self.annotation(node.func, module, depth + 1), **_bounds(node, module)}
        return self._named(node, module, depth)

    def _clean(self, schema: Schema, module: Module, node: ast.AST) -> Schema:
        whole, left_out = normalised(schema, where=module.where(node))
        self.left_out += [(f"{module.where(node)} {place}", why) for place, why in left_out]
        return {key: value for key, value in whole.items() if key not in ("default", "description")}

    def _tell(self, node: ast.expr, module: Module, why: str) -> None:
        self.left_out.append((f"{module.where(node)}: {ast.unparse(node)}", why))

    def _class(self, name: str) -> tuple[Module, ast.ClassDef] | None:
        last = name.rpartition(".")[2]
        for module in self.modules:
            if last in module.classes:
                return module, module.classes[last]
        return None

    def _quoted(self, node: ast.Constant, module: Module, depth: int) -> Schema:
        if node.value is None:
            return {"type": "null"}
        if not isinstance(node.value, str):
            return {}
        try:
            inner = ast.parse(node.value, mode="eval").body
        except (SyntaxError, ValueError):
            self._tell(node, module, "this annotation does not parse, so it is any value")
            return {}
        return self.annotation(ast.copy_location(inner, node), module, depth + 1)

    def _named(self, node: ast.expr, module: Module, depth: int) -> Schema:
        last = dotted(node).rpartition(".")[2]
        found = self._class(last)
        if found is not None:
            return self._model(found[1], found[0], depth + 1)
        if last in PLAIN or last in TEXTS:
            return dict(PLAIN.get(last, PLAIN["str"]))
        for each in (module, *self.modules):
            alias = each.constants.get(last)
            if alias is not None:
                return self.annotation(alias, each, depth + 1)
        self._tell(node, module, "no JSON type is known for it, so it is any value")
        return {}

    def _subscript(self, node: ast.Subscript, module: Module, depth: int) -> Schema:
        last = dotted(node.value).rpartition(".")[2]
        given = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if last == "Literal":
            return {"enum": self._literals(given, module)}
        if last == "Optional":
            return self._union([*given, ast.Constant(None)], module, depth)
        if last == "Union":
            return self._union(given, module, depth)
        if last in LISTS:
            return {"type": "array", "items": self.annotation(given[0], module, depth + 1)}
        if last in ("tuple", "Tuple"):
            options = [self.annotation(one, module, depth + 1) for one in given if not _is_dots(one)]
            same = all(one == options[0] for one in options)
            return {"type": "array", "items": options[0] if same else {"anyOf": options}}
        if last in OBJECTS and len(given) == 2:
            return {"type": "object", "additionalProperties": self.annotation(given[1], module, depth + 1)}
        if last in SAME:
            schema = self.annotation(given[0], module, depth + 1)
            for extra in given[1:]:
                schema = {**schema, **_bounds(extra, module)}
            return schema
        return self._named(node.value, module, depth)

    def _literals(self, given: Sequence[ast.expr], module: Module) -> list[Any]:
        found = []
        for one in given:
            value = value_of(module, one)
            if isinstance(one, ast.Attribute) and value is UNKNOWN:
                value = self._member(one)
            if value is UNKNOWN:
                self._tell(one, module, "this label is known only when the program runs")
            else:
                found.append(value)
        return found

    def _member(self, node: ast.Attribute) -> Any:
        """The value of `Colour.RED`."""
        found = self._class(dotted(node.value))
        return dict(_members(*found)).get(node.attr, UNKNOWN) if found else UNKNOWN

    def _union(self, given: Sequence[ast.expr], module: Module, depth: int) -> Schema:
        return {"anyOf": [self.annotation(one, module, depth + 1) for one in given]}

    def _model(self, node: ast.ClassDef, module: Module, depth: int) -> Schema:
        self._read += 1
        if self._read > MAX_CLASSES:
            self.left_out.append((f"{module.where(node)}: {node.name}", "too many classes inside classes"))
            return {}
        if node.name in self._open:
            where = f"{module.where(node)}: {node.name}"
            self.left_out.append((where, "it holds itself; what it holds inside itself is any value"))
            return {}
        self._open.append(node.name)
        try:
            return self._opened(node, module, depth)
        finally:
            self._open.pop()

    def _opened(self, node: ast.ClassDef, module: Module, depth: int) -> Schema:
        bases = [dotted(base).rpartition(".")[2] for base in node.bases]
        if set(bases) & set(ENUMS):
            return {"enum": [value for _, value in _members(module, node)]}
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for base in bases:
            found = self._class(base)
            if found is not None and found[1] is not node:
                inherited = self._model(found[1], found[0], depth + 1)
                properties |= inherited.get("properties", {})
                required += inherited.get("required", [])
        for item in docless(node.body):
            self._take(item, module, node, depth, properties, required)
        if not properties:
            return {"type": "object"}
        return {"type": "object", "title": node.name, "properties": properties, "required": required}

    def _take(
        self,
        item: ast.stmt,
        module: Module,
        node: ast.ClassDef,
        depth: int,
        properties: dict[str, Schema],
        required: list[str],
    ) -> None:
        if isinstance(item, Function):
            names = [dotted(one.func if isinstance(one, ast.Call) else one) for one in item.decorator_list]
            if any(name.rpartition(".")[2] in VALIDATORS for name in names):
                self.left_out.append(
                    (
                        f"{module.where(item)}: {node.name}.{item.name}",
                        "a validator is code; make it a guardrail",
                    )
                )
            return
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            return
        name = item.target.id
        if name.startswith("_") or name == "model_config" or "ClassVar" in ast.unparse(item.annotation):
            return
        schema = self.annotation(item.annotation, module, depth + 1)
        schema, default = _with_field(schema, item.value, module)
        properties[name] = schema if default is UNKNOWN else {**schema, "default": default}
        if name in required:
            required.remove(name)
        if default is None and not _takes_null(schema):
            properties[name] = {"anyOf": [schema, {"type": "null"}], "default": None}
        required.append(name)


def _with_field(schema: Schema, value: ast.expr | None, module: Module) -> tuple[Schema, Any]:
    """A field's schema with what `Field(...)` says of it, and its default."""
    if value is None:
        return schema, UNKNOWN
    if not (isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in ("Field", "field")):
        return schema, value_of(module, value)
    words = keywords(value)
    default: Any = UNKNOWN
    given = value.args[0] if value.args else words.get("default")
    if given is not None and not _is_dots(given):
        default = value_of(module, given)
    made = dotted(words["default_factory"]) if "default_factory" in words else ""
    if made in ("list", "dict", "str"):
        default = {"list": [], "dict": {}, "str": ""}[made]
    about = value_of(module, words["description"]) if "description" in words else None
    described = {"description": about} if isinstance(about, str) else {}
    return {**_bounded(schema, _bounds(value, module)), **described}, default


def _bounded(schema: Schema, bounds: Schema) -> Schema:
    """Bounds put where they hold: on the one option of a union that is no null."""
    options = schema.get("anyOf")
    if not bounds or options is None:
        return {**schema, **bounds}
    return {**schema, "anyOf": [one if one.get("type") == "null" else {**one, **bounds} for one in options]}


def _bounds(node: ast.expr, module: Module) -> Schema:
    """What a call such as `Field(ge=0)` says of a value."""
    if not isinstance(node, ast.Call):
        return {}
    found = {BOUNDS[word]: value_of(module, own) for word, own in keywords(node).items() if word in BOUNDS}
    about = keywords(node).get("description")
    if about is not None and isinstance(value_of(module, about), str):
        found["description"] = value_of(module, about)
    return {key: value for key, value in found.items() if value is not UNKNOWN and value is not None}


def _members(module: Module, node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            name, value = item.targets[0].id, value_of(module, item.value)
            if (
                value is UNKNOWN
                and isinstance(item.value, ast.Call)
                and dotted(item.value.func).endswith("auto")
            ):
                value = name.lower()
            if value is not UNKNOWN and not name.startswith("_"):
                yield name, value


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _takes_null(schema: Schema) -> bool:
    if not schema or schema.get("type") == "null":
        return True
    return any(_takes_null(one) for one in schema.get("anyOf", ()))


def _undemanding(schema: Any) -> Any:
    """What has a default need not be given, as pydantic spells it."""
    if isinstance(schema, list):
        return [_undemanding(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "properties" not in schema:
        return {key: _undemanding(value) if key != "default" else value for key, value in schema.items()}
    own = {name: _undemanding(value) for name, value in schema["properties"].items()}
    needed = [name for name in schema.get("required", ()) if "default" not in own[name]]
    return {**schema, "properties": own, "required": needed}
