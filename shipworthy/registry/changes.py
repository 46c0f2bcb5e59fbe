"""What differs between two compiled programs beside their contracts: prompts, demos, what decides, LM,
code, and where they came from. What has no words of its own here is still told, by its path."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..examples import canonical_json, digest_of
from ..runtime import Code, DecisionHead, Demo, Heads, ProgramSpec, PromptSpec, StepSpec, plain_value
from .compatibility import Change, contract_changes

PROMPTS = ("decide", "extract", "generate")
WORDS = {
    "threshold": "threshold",
    "mix": "mix of readout and student",
    "cut": "cut of the cascade",
    "cascade": "cascade",
    "max_tokens": "longest answer",
    "reads": "questions read",
    "choices": "labels of the head",
    "slope": "calibration",
    "shift": "calibration",
    "longest": "longest span",
    "when": "condition",
    "names": "names in the program",
    "id": "LM",
    "name": "name of the LM",
    "lm": "LM",
    "train": "training rows",
    "dev": "dev rows",
    "test": "test rows",
    "prototype": "prototype",
    "seed": "seed",
    "git_commit": "commit",
    "gate": "gate",
    "metric": "metric",
    "target": "target",
}
"""What a value is called by the last part of its path."""
WITHIN = {
    "budget": "budget of",
    "gate": "gate:",
    "when": "condition on",
    "labels": "labels said by a function:",
}
"""And what stands before it, by an inner part of the path."""
UNTOLD = ("journal", "dev", "races", "lm")
"""Of the provenance: how a compile went is no difference, and the LM is told where the program is."""


def program_changes(
    before: tuple[ProgramSpec, Mapping[str, Heads], Mapping[str, Code]],
    after: tuple[ProgramSpec, Mapping[str, Heads], Mapping[str, Code]],
) -> Iterator[Change]:
    """Step by step, then the LM. Steps are the same by name, or where there is only one."""
    (old, old_heads, old_code), (new, new_heads, new_code) = before, after
    pairs = _paired_steps(old, new)
    told: dict[tuple[Any, Any], str] = {}
    for name in (name for name in old.steps if name not in pairs):
        yield Change("step removed", f"steps.{name}", _ways(old.steps[name]), None)
    for name in (name for name in new.steps if name not in pairs.values()):
        yield Change("step added", f"steps.{name}", None, _ways(new.steps[name]))
    for name, other in pairs.items():
        if name != other:
            yield Change("step renamed", f"steps.{name}", name, other)
        own, theirs = old.steps[name], new.steps[other]
        base = f"steps.{other}"
        yield from _step_changes(own, theirs, base, alone=len(old.steps) == len(new.steps) == 1)
        yield from _head_changes(old_heads.get(name), new_heads.get(other), f"{base}.heads")
        yield from _code_changes(old_code.get(name), new_code.get(other), f"{base}.code", told)
    flows = [pairs.get(name, name) for name in old.flow], list(new.flow)
    if flows[0] != flows[1] and sorted(flows[0]) == sorted(flows[1]):
        yield Change("steps reordered", "flow", *flows)
    if old.name != new.name:
        yield Change("program renamed", "name", old.name, new.name)
    was, now = (None if spec.lm is None else spec.lm.as_json() for spec in (old, new))
    yield from _walk(was, now, "lm")


def provenance_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Recipe, rows, prototype, libraries and whatever else is on record of where the programs come from."""
    was, now = (_by_pass(dict(side.get("recipe") or {})) for side in (before, after))
    yield from _walk(was, now, "recipe")
    yield from _walk(_origin(before), _origin(after), "")


def _origin(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Without the recipe, and without the files whose rows are on record by their content."""
    found = {key: value for key, value in provenance.items() if key not in ("recipe", *UNTOLD)}
    if isinstance(found.get("files"), Mapping):
        found["files"] = {key: value for key, value in found["files"].items() if key == "test"}
    return found


def _paired_steps(old: ProgramSpec, new: ProgramSpec) -> dict[str, str]:
    if len(old.steps) == len(new.steps) == 1:
        return dict(zip(old.steps, new.steps, strict=True))
    return {name: name for name in old.steps if name in new.steps}


def _step_changes(old: StepSpec, new: StepSpec, base: str, *, alone: bool) -> Iterator[Change]:
    told = 0
    if old.instruction != new.instruction:
        told += 1
        yield _text_change("instruction changed", f"{base}.instruction", old.instruction, new.instruction)
    for change in _demo_changes(old, new, f"{base}.demos"):
        told += 1
        yield change
    fields = contract_changes(old.contract, new.contract)
    told += len(fields)
    if not alone:  # else they are the program's own, and told there
        for one in fields:
            yield Change(f"step's {one.what}", f"{base}.{one.where}", one.before, one.after, why=one.why)
    ways = _ways(old), _ways(new)
    for name in dict.fromkeys([*ways[0], *ways[1]]):
        way = ways[0].get(name), ways[1].get(name)
        if None not in way and way[0] != way[1]:
            yield Change("way to an output changed", f"{base}.{name}", *way)
    for part in PROMPTS:
        yield from _part_changes(getattr(old, part), getattr(new, part), f"{base}.{part}", untold=not told)
    was, now = ({"when": plain.get("when"), "names": plain.get("names")} for plain in _plain(old, new))
    yield from _walk(was, now, base)


def _plain(*steps: StepSpec) -> list[dict[str, Any]]:
    return [step.as_json() for step in steps]


def _part_changes(old: Any, new: Any, base: str, *, untold: bool) -> Iterator[Change]:
    """Of how decisions are made, values found or texts generated, where both programs have such a part."""
    if old is None or new is None:
        return
    if old.prompt is not None and new.prompt is not None:
        yield from _prompt_changes(old.prompt, new.prompt, f"{base}.prompt", untold=untold)
    if base.endswith("decide"):
        yield from _token_changes(old.reads, new.reads, f"{base}.reads")
    was, now = (_without_texts(part.as_json()) for part in (old, new))
    yield from _walk(was, now, base)


def _prompt_changes(old: PromptSpec, new: PromptSpec, where: str, *, untold: bool) -> Iterator[Change]:
    """What instruction, demos and contract do not tell of a prompt already."""
    was, now = ([slot.input for slot in prompt.slots] for prompt in (old, new))
    if was != now and sorted(was) == sorted(now):
        yield Change("order of inputs in the prompt changed", where, was, now)
    before, after = _prompt_text(old), _prompt_text(new)
    if untold and was == now and before != after:
        yield _text_change("prompt changed", where, before, after)
    kept, keeps = ([value for slot in prompt.slots for value in slot.repeated] for prompt in (old, new))
    if kept != keeps:
        yield Change("values kept with the prompt changed", where, len(kept), len(keeps))


def _without_texts(part: dict[str, Any]) -> dict[str, Any]:
    """The settings alone; prompts, tokens and the size of a vocabulary are told in other words."""
    found = {key: value for key, value in part.items() if key not in ("prompt", "tfidf_words", "outputs")}
    if "reads" in found:
        names = _openings(found["reads"])
        found["reads"] = {name: read["mode"] for name, read in zip(names, found["reads"], strict=True)}
        found["heads"] = {
            output: {
                **{key: value for key, value in head.items() if key != "student"},
                "reads": [names[number] for number in head["reads"]],
            }
            for output, head in found["heads"].items()
        }
    return found


def _openings(reads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of questions: their text, with a number where one stands twice."""
    seen: Counter[str] = Counter()
    names = []
    for read in reads:
        seen[read["opening"]] += 1
        names.append(read["opening"] + ("" if seen[read["opening"]] == 1 else f" {seen[read['opening']]}"))
    return names


def _token_changes(old: Sequence[Any], new: Sequence[Any], base: str) -> Iterator[Change]:
    was, now = (
        dict(zip(_openings([read.as_json() for read in reads]), reads, strict=True)) for reads in (old, new)
    )
    for name in (name for name in was if name in now):
        own, theirs = was[name].tokens, now[name].tokens
        if own != theirs:
            come, gone = len({*theirs} - {*own}), len({*own} - {*theirs})
            why = f"{come} came, {gone} went" if come or gone else "in another order"
            yield Change("tokens read changed", f"{base}.{name}.tokens", len(own), len(theirs), why=why)


def _prompt_text(prompt: PromptSpec) -> str:
    parts = [prompt.system, *(text for turn in prompt.turns for text in turn)]
    return "\n".join([*parts, *(f"{slot.before} {{{slot.input}}}" for slot in prompt.slots)])


def _demo_changes(old: StepSpec, new: StepSpec, base: str) -> Iterator[Change]:
    """A demo is the same by the inputs that both steps have; where one stands twice, by its place."""
    inputs, outputs = (
        [name for name in own["properties"] if name in theirs["properties"]]
        for own, theirs in ((old.inputs, new.inputs), (old.outputs, new.outputs))
    )
    before, after = _numbered(old.demos, inputs), _numbered(new.demos, inputs)
    for key, (number, demo) in before.items():
        if key not in after:
            yield Change("demo removed", f"{base}.{number}", demo.as_json(), None)
    for key, (number, demo) in after.items():
        if key not in before:
            yield Change("demo added", f"{base}.{number}", None, demo.as_json())
        elif _only(demo.outputs, outputs) != _only(before[key][1].outputs, outputs):
            was = before[key][1].as_json()
            yield Change("demo changed", f"{base}.{number}", was, demo.as_json())
    kept = [before[key][0] for key in before if key in after]
    now = [before[key][0] for key in after if key in before]
    if kept != now:
        yield Change("demos reordered", base, kept, now, why="their numbers in the old order")


def _only(values: Mapping[str, Any], names: Sequence[str]) -> str:
    return canonical_json(plain_value({name: values.get(name) for name in names}))


def _numbered(demos: Sequence[Demo], inputs: Sequence[str]) -> dict[tuple[str, int], tuple[int, Demo]]:
    seen: Counter[str] = Counter()
    found = {}
    for number, demo in enumerate(demos):
        key = _only(demo.inputs, inputs)
        found[key, seen[key]] = (number, demo)
        seen[key] += 1
    return found


def _ways(step: StepSpec) -> dict[str, str]:
    """How each output comes about, in words."""
    found: dict[str, str] = {}
    if step.function is not None:
        return dict.fromkeys(step.outputs["properties"], f"the function {step.function.name}")
    if step.generate is not None:
        found.update(dict.fromkeys(step.generate.outputs, "generated"))
    if step.extract is not None:
        by = {"student": "a student", "readout": "the LM's states", "scoring": "the LM's choice of a span"}
        found.update(dict.fromkeys(step.extract.outputs, f"found by {by[step.extract.by]}"))
    if step.decide is not None:
        for name, head in step.decide.heads.items():
            parts = ["the readout"] if head.reads else []
            parts += ["the student"] if head.student else []
            found[name] = f"decided by {' and '.join(parts)}"
    return found


def _head_changes(old: Heads | None, new: Heads | None, base: str) -> Iterator[Change]:
    """Weights that were fitted anew, by their shapes and digests."""
    fitted = [_fitted(heads) for heads in (old, new)]
    for path in dict.fromkeys([*fitted[0], *fitted[1]]):
        was, now = (side.get(path) for side in fitted)
        if was is not None and now is not None and was != now:
            yield Change(f"{path.rpartition('.')[2]} fitted anew", f"{base}.{path}", was, now)


def _fitted(heads: Heads | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    if heads is None:
        return found
    for name, head in heads.by_output.items():
        found.update({f"{name}.{part}": about for part, about in _parts(head)})
    arrays: dict[str, Any]
    if heads.tfidf is not None:
        arrays = {"terms": np.frombuffer("\n".join(heads.tfidf.terms).encode(), np.uint8)}
        found["TF-IDF"] = _about({**arrays, "idf": heads.tfidf.idf}, heads.tfidf.idf.shape)
    if heads.tagger is not None:
        tagger = heads.tagger
        arrays = {"weights": tagger.weights, "transitions": tagger.transitions}
        arrays["features"] = np.frombuffer("\n".join(tagger.features).encode(), np.uint8)
        arrays.update({"states": tagger.states} if tagger.states is not None else {})
        arrays.update({"bias": tagger.bias} if tagger.bias is not None else {})
        found["tagger"] = _about(arrays, tagger.weights.shape)
    return found


def _parts(head: DecisionHead) -> Iterator[tuple[str, dict[str, Any]]]:
    if head.readout is not None:
        arrays = {key: getattr(head.readout, key) for key in ("mean", "scale", "weights", "bias")}
        yield "readout", _about(arrays, head.readout.weights.shape)
    if head.student is not None:
        arrays = {"weights": head.student.weights, "bias": head.student.bias}
        yield "student", _about(arrays, head.student.weights.shape)


def _about(arrays: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    digests = {name: digest_of(np.ascontiguousarray(array).tobytes()) for name, array in arrays.items()}
    return {"shape": list(shape), "sha256": digest_of(digests)}


def _code_changes(
    old: Code | None, new: Code | None, base: str, told: dict[tuple[Any, Any], str]
) -> Iterator[Change]:
    """File by file; `told` has what was told of other steps, which may have the same file."""
    files = [{} if code is None else code.contents for code in (old, new)]
    for path in sorted({*files[0], *files[1]}):
        was, now = (side.get(path) for side in files)
        if was == now:
            continue
        what = "code added" if was is None else "code removed" if now is None else "code changed"
        before, after = (None if data is None else digest_of(data) for data in (was, now))
        where = f"{base}.{path}"
        if (before, after) in told:
            why = f"as {told[before, after]}"
            yield Change(what, where, before, after, why=why)
            continue
        told[before, after] = where
        yield Change(what, where, before, after, lines=_lines(_text(was), _text(now)))
    if old is not None and new is not None and old.spec.name != new.spec.name:
        yield Change("function changed", base, old.spec.name, new.spec.name)


def _text(data: bytes | None) -> str | None:
    try:
        return "" if data is None else data.decode()
    except UnicodeDecodeError:
        return None


def _text_change(what: str, where: str, before: str, after: str) -> Change:
    return Change(what, where, before, after, lines=_lines(before, after))


def _lines(before: str | None, after: str | None) -> tuple[str, ...] | None:
    """As `diff -u`, without the names of files; None where one is no text."""
    if before is None or after is None:
        return None
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return tuple(line for number, line in enumerate(lines) if number > 1)


def _by_pass(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe with its passes by name, so that a parameter of one is compared with its own."""
    found = dict(recipe)
    for key, lists in (("passes", {"": recipe.get("passes")}), ("steps", recipe.get("steps"))):
        if not isinstance(lists, Mapping) or not all(isinstance(one, list) for one in lists.values()):
            continue
        named = {name: _passes(list(passes or ())) for name, passes in lists.items()}
        found[key] = named[""] if key == "passes" else named
    return found


def _passes(passes: Sequence[Any]) -> dict[str, Any]:
    seen: Counter[str] = Counter()
    found: dict[str, Any] = {}
    for one in passes:
        if not isinstance(one, Mapping):
            return {"": list(passes)}
        name = str(one.get("name"))
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} {seen[name]}"] = {
            key: value for key, value in one.items() if key != "name"
        }
    return {**found, "order": list(found)}


def _walk(before: Any, after: Any, path: str) -> Iterator[Change]:
    """The leaves that differ between two JSON values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else str(key)
            yield from _walk(before.get(key), after.get(key), inner)
        return
    if canonical_json(before) == canonical_json(after):
        return
    last = next((part for part in reversed(path.split(".")) if not part.isdigit()), path)
    verb = "added" if before is None else "removed" if after is None else "changed"
    yield Change(f"{_named(last, path)} {verb}", path, before, after)


def _named(last: str, path: str) -> str:
    root = path.partition(".")[0]
    if root == "versions":
        return f"version of {last}"
    if last == "order" and root == "recipe":
        return "order of passes"
    if ".reads." in path:
        return "question"
    for part, words in WITHIN.items():
        if f".{part}." in path:
            return f"{words} {last.replace('_', ' ')}"
    if root == "rows":
        return f"number of {WORDS.get(last, last)}"
    if root == "recipe" and ".passes" in path:
        return "pass" if path.count(".") == 2 else "parameter of a pass"
    return WORDS.get(last, last.replace("_", " "))
