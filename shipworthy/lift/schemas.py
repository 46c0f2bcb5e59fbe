"""JSON Schemas as people and tools write them, as the part of JSON Schema that a contract holds.

References are replaced by what they refer to, lists of types and `oneOf` become `anyOf`, parts
of `allOf` are merged, and a property that need not be there may be null. A property whose name
Python cannot have is renamed. What a contract cannot hold is left out and told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .names import Names, class_name, field_name, problem_of_attribute, problem_of_field
from .schema_words import (
    SILENT,
    UNCHECKED,
    bounded,
    distinct,
    fitting_type,
    implied_type,
    misshapen,
    why_left_out,
    words_of,
)

MAX_DEPTH = 20
NULL = {"type": "null"}
ANY_OBJECT = {"type": "object", "additionalProperties": True}
CONDITIONS = frozenset(("required", "not", "if", "then", "else", "dependentRequired", "minProperties"))
SHARED = frozenset(("type", "anyOf", "oneOf"))
MERGED = SILENT - {"type", "enum", "const", "anyOf", "oneOf"} | {
    "properties",
    "required",
    "additionalProperties",
}
"""Keys of two merged schemas that do not contradict each other where they differ."""


@dataclass
class Normalised:
    """Fields of an object schema, in order, and what of it no contract holds.

    Attributes:
        left_out: place and reason, each once.
        renamed: place of an object and the name of its property, with the name that the field has.
    """

    fields: tuple[Field, ...]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    renamed: dict[tuple[str, str], str] = field(default_factory=dict)

    def named(self, value: Any, place: str = "$") -> Any:
        """A value of the schema as it stands, with the names that the fields have."""
        if isinstance(value, Mapping):
            return {
                self.renamed.get((place, key), key): self.named(own, f"{place}.{key}")
                for key, own in value.items()
            }
        return [self.named(one, f"{place}[]") for one in value] if isinstance(value, list) else value


def fields_of(schema: Mapping[str, Any], *, where: str, taken: Collection[str] = ()) -> Normalised:
    """The properties of an object schema as fields, in order.

    Args:
        schema: of the object.
        where: its place, for messages.
        taken: names that no field may have, such as those of inputs.

    Raises:
        PrototypeError: it is no object schema, refers to nothing, is nested too deeply, or cannot be met.
    """
    reader = _Reader(schema, where, taken)
    whole = reader.read(schema, _At())
    if whole.get("type") != "object" or not whole.get("properties"):
        raise PrototypeError(
            "a JSON Schema of an object with properties is expected", hint="name its fields", where=where
        )
    found = []
    for name, own in whole["properties"].items():
        stated = {key: value for key, value in own.items() if key != "description"}
        found.append(Field(name, stated, " ".join(str(own.get("description", "")).split())))
    if whole.get("description"):
        reader.tell("$: description", f"it belongs into the prompt: {whole['description']}")
    return Normalised(tuple(found), reader.left_out, reader.renamed)


def normalised(schema: Mapping[str, Any], *, where: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A schema of any type, and what of it no contract holds.

    Raises:
        PrototypeError: it refers to nothing, is nested too deeply, or cannot be met.
    """
    reader = _Reader(schema, where)
    return reader.read(schema, _At()), reader.left_out


def optional(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, null allowed and the default where none is stated."""
    about = {"description": schema["description"]} if schema.get("description") else {}
    own = {key: value for key, value in schema.items() if key not in ("description", "default")}
    default = {"default": schema.get("default"), **about}
    if not own or own == NULL:
        return {**own, **default}
    options = list(own.get("anyOf", [own]))
    return {"anyOf": options if NULL in options or {} in options else [*options, NULL], **default}


@dataclass(frozen=True)
class _At:
    """A place within a schema, and the references that led to it."""

    place: str = "$"
    depth: int = 0
    seen: tuple[str, ...] = ()

    def down(self, step: str = "") -> _At:
        return _At(f"{self.place}{step}", self.depth + 1, self.seen)


class _Reader:
    def __init__(self, root: Mapping[str, Any], where: str, taken: Collection[str] = ()) -> None:
        self.root = root
        self.where = where
        self.taken = taken
        self.left_out: list[tuple[str, str]] = []
        self.renamed: dict[tuple[str, str], str] = {}

    def tell(self, place: str, why: str) -> None:
        if (place, why) not in self.left_out:
            self.left_out.append((place, why))

    def read(self, schema: Any, at: _At) -> dict[str, Any]:
        if at.depth > MAX_DEPTH:
            raise self._wrong(f"the schema at {at.place} is nested too deeply", "write it with fewer levels")
        if schema is True:
            return {}
        if not isinstance(schema, Mapping):
            raise self._wrong(f"no JSON Schema at {at.place}", "mend it")
        schema, at = self._whole(schema, at)
        typed = self._typed(schema, at)
        about = words_of(schema, typed.pop("description", ""))
        return {**typed, **self._default(schema, typed, at), **about}

    def _default(self, schema: Mapping[str, Any], typed: Mapping[str, Any], at: _At) -> dict[str, Any]:
        if "default" not in schema:
            return {}
        default = schema["default"]
        if default is not None:
            try:
                Field("default", typed).parse(default)
            except ValueError:
                self.tell(f"{at.place}: default", f"{default!r} does not fit the type")
                return {}
        return {"default": default}

    def _whole(
        self, schema: Mapping[str, Any], at: _At, chain: tuple[Any, ...] = ()
    ) -> tuple[Mapping[str, Any], _At]:
        """With its reference and the parts of `allOf` merged in; what stands beside them wins.

        `chain`: references that led here without a level of values between them.
        """
        found = dict(schema)
        if isinstance(found.get("required"), bool):
            found.pop("required")
            self.tell(f"{at.place}: required", "the object around it says that, in its list")
        wrong = misshapen(found)
        if wrong:
            raise self._wrong(f"{wrong!r} at {at.place} is not what JSON Schema has there", "mend it")
        parts = [(part, at.seen) for part in found.pop("allOf", ())]
        if "$ref" in found:
            reference = found.pop("$ref")
            if reference in chain:
                raise self._wrong(f"{reference!r} refers to nothing but itself", "say what it is")
            if reference in at.seen:
                why = f"the schema refers to itself here ({reference}); from here on any object is held"
                self.tell(at.place, why)
                return dict(ANY_OBJECT), at
            chain = (*chain, reference)
            at = _At(at.place, at.depth, (*at.seen, reference))
            parts.insert(0, (self._resolved(reference, at.place), at.seen))
        for part, seen in parts:
            if not isinstance(part, Mapping):
                raise self._wrong(f"no JSON Schema at {at.place}", "mend it")
            whole, inner = self._whole(part, _At(at.place, at.depth, seen), chain)
            at = _At(at.place, at.depth, tuple(dict.fromkeys((*at.seen, *inner.seen))))
            found = self._merged(whole, found, at)
        return found, at

    def _merged(self, one: Mapping[str, Any], other: Mapping[str, Any], at: _At) -> dict[str, Any]:
        for key in one:
            if key in other and key not in MERGED and one[key] != other[key]:
                self.tell(f"{at.place}: {key}", f"stands twice; {other[key]!r} is held, {one[key]!r} is not")
        found = {**one, **other}
        properties = {**one.get("properties", {}), **other.get("properties", {})}
        for name in one.get("properties", {}).keys() & other.get("properties", {}).keys():
            if one["properties"][name] != properties[name]:
                properties[name] = {"allOf": [one["properties"][name], properties[name]]}
        if properties:
            required = dict.fromkeys([*one.get("required", ()), *other.get("required", ())])
            found.update(properties=properties, required=list(required))
        return found

    def _resolved(self, reference: str, place: str) -> Any:
        at: Any = self.root
        if not reference.startswith("#"):
            raise self._wrong(
                f"the schema at {place} refers to {reference!r}, outside its file",
                "copy it into the schema's $defs",
            )
        for part in filter(None, reference.removeprefix("#").split("/")):
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(at, list) and key.isdecimal() and int(key) < len(at):
                at = at[int(key)]
            else:
                at = at.get(key) if isinstance(at, Mapping) else None
        if at is None:
            raise self._wrong(
                f"the schema at {place} refers to {reference!r}, which is not there", "correct the reference"
            )
        return at

    def _typed(self, schema: Mapping[str, Any], at: _At) -> dict[str, Any]:
        if "const" in schema:
            return self._enum([schema["const"]], schema, at)
        if "enum" in schema:
            return self._enum(schema["enum"], schema, at)
        options = self._options(schema, at)
        if options:
            return self._union([self.read(option, at.down()) for option in options])
        kind = schema.get("type") or implied_type(schema)
        for key, value in schema.items():
            why = why_left_out(kind, key, value)
            if why:
                self.tell(f"{at.place}: {key}", why)
        if kind in ("object", "array"):
            return self._object(schema, at) if kind == "object" else self._array(schema, at)
        if kind in ("string", "integer", "number"):
            return bounded(kind, schema)
        if kind in ("boolean", "null"):
            return {"type": kind}
        if kind is not None:
            self.tell(at.place, f"a type {kind!r} is none of JSON Schema's")
        return {}

    def _options(self, schema: Mapping[str, Any], at: _At) -> list[Any]:
        """What a value may be one of, however the schema says that; what stands beside holds for each."""
        rest = {key: value for key, value in schema.items() if key not in ("default", "description")}
        kinds = rest.get("type")
        nullable = rest.pop("nullable", None) is True
        if isinstance(kinds, list):
            return [_of_kind(rest, kind, kinds) for kind in kinds] + [NULL] * nullable
        if nullable:
            return [rest, NULL]
        key = next((key for key in ("anyOf", "oneOf") if rest.get(key)), "")
        options = rest.pop(key, [])
        whole = [
            one for one in options if not (isinstance(one, Mapping) and one and one.keys() <= CONDITIONS)
        ]
        if len(whole) < len(options):
            self.tell(f"{at.place}: {key}", "no type of Python's says which of them go together")
        if not whole:
            return [rest] if options else []
        return self._beside(rest, whole, at)

    def _beside(self, rest: Mapping[str, Any], options: list[Any], at: _At) -> list[Any]:
        """Options of a union, each with those keys that stand beside the union and are its type's."""
        shared = {key: value for key, value in rest.items() if key in SHARED or key not in SILENT}
        held: set[str] = set()
        found = []
        for option in options if shared else ():
            own = self._whole(option, at)[0] if isinstance(option, Mapping) else {}
            kind = own.get("type") or implied_type(own)
            mine = {
                key: value
                for key, value in shared.items()
                if kind is None
                or (key != "type" and isinstance(kind, str) and not why_left_out(kind, key, value))
            }
            held |= mine.keys() | {"type"}
            found.append(self._merged(mine, option, at) if mine and kind != "null" else option)
        for key in (key for key in shared if key not in held):
            self.tell(f"{at.place}: {key}", UNCHECKED)
        return found or options

    def _enum(self, values: list[Any], schema: Mapping[str, Any], at: _At) -> dict[str, Any]:
        if not values:
            raise self._wrong(f"the enum at {at.place} allows nothing", "list its values")
        named = [value for value in values if value is not None]
        if not named:
            return dict(NULL)
        null = len(named) < len(values) or schema.get("nullable") is True
        if all(isinstance(value, str | bool | int) for value in named):
            typed: dict[str, Any] = {"enum": distinct(named)}
        else:
            typed = self._union([fitting_type(value) for value in named])
            self.tell(
                f"{at.place}: enum", "values that are no text, whole numbers or booleans are not listed"
            )
        return {"anyOf": [*typed.get("anyOf", [typed]), NULL]} if null else typed

    def _union(self, options: Iterable[dict[str, Any]]) -> dict[str, Any]:
        flat: list[dict[str, Any]] = []
        abouts: dict[str, None] = {}
        for option in options:
            if option.get("description"):
                abouts[option["description"]] = None
            plain = {key: value for key, value in option.items() if key not in ("default", "description")}
            for one in plain.get("anyOf", [plain]):
                if one not in flat:
                    flat.append(one)
        enums = [one for one in flat if "enum" in one]
        if len(enums) > 1:
            merged = {"enum": distinct(value for one in enums for value in one["enum"])}
            flat = [merged, *(one for one in flat if one not in enums)]
        about = {"description": "; ".join(abouts)} if abouts else {}
        if {} in flat:
            return about
        return {**(flat[0] if len(flat) == 1 else {"anyOf": flat}), **about}

    def _array(self, schema: Mapping[str, Any], at: _At) -> dict[str, Any]:
        items = schema.get("items", {})
        each = schema.get("prefixItems") or (items if isinstance(items, list) else [])
        if not each:
            return {"type": "array", "items": self.read(items, at.down("[]"))}
        self.tell(f"{at.place}[]", "a list whose places differ in type: each may be of any of these types")
        further = [items] if isinstance(items, Mapping) and "items" in schema else []
        return {"type": "array", "items": self._union(self.read(o, at.down("[]")) for o in [*each, *further])}

    def _object(self, schema: Mapping[str, Any], at: _At) -> dict[str, Any]:
        properties = schema.get("properties")
        values = schema.get("additionalProperties")
        if not properties:
            inner = self.read(values, at.down(".*")) if isinstance(values, Mapping) else True
            return {"type": "object", "additionalProperties": inner or True}
        if values and values is not True:
            self.tell(f"{at.place}: additionalProperties", "properties that are not named are not held")
        required = dict.fromkeys(schema.get("required", ()))
        found: dict[str, Any] = {}
        needed = []
        names = self._names([name for name, own in properties.items() if own is not False], at)
        for name, new in names.items():
            typed = self.read(properties[name], at.down(f".{name}"))
            found[new] = typed if name in required else optional(typed)
            needed += [new] if name in required else []
        for name in (name for name in required if name not in properties):
            self.tell(f"{at.place}.{name}", "it is required, and no property says what it is")
        title = str(schema.get("title", ""))
        titled = {"title": class_name(title)} if title.isidentifier() else {}
        return {"type": "object", "properties": found, "required": needed, **titled}

    def _names(self, names: list[str], at: _At) -> dict[str, str]:
        """The name of each property's field; those that need no other keep theirs."""
        problem = problem_of_attribute if at.depth else problem_of_field
        twins: dict[str, str] = {} if at.depth else {name.casefold(): name for name in self.taken}
        whys: dict[str, str] = {}
        for name in names:
            twin = twins.setdefault(name.casefold(), name)
            if problem(name):
                whys[name] = f"{name!r} {problem(name)}"
            elif name in self.taken and not at.depth:
                whys[name] = f"{name!r} names an input"
            elif twin != name:
                whys[name] = f"{name!r} differs from {twin!r} in case only"
        taken = Names(twins)
        found = {name: name for name in names}
        for name in names:
            if name in whys:
                found[name] = taken.take(field_name(name, problem=problem, otherwise="field"))
                self.renamed[at.place, name] = found[name]
                self.tell(f"{at.place}.{name}", f"renamed to {found[name]}: {whys[name]}")
        return found

    def _wrong(self, message: str, hint: str) -> PrototypeError:
        return PrototypeError(message, hint=hint, where=self.where)


def _of_kind(schema: Mapping[str, Any], kind: Any, kinds: list[Any]) -> dict[str, Any]:
    """One of a list of types, without the keys that only the others of them have."""
    others = [other for other in kinds if other != kind]
    mine = {
        key: value
        for key, value in schema.items()
        if not why_left_out(kind, key, value) or all(why_left_out(other, key, value) for other in others)
    }
    return {**mine, "type": kind} if kind != "null" else dict(NULL)
