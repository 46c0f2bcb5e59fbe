"""One contender under attack: what is put to it, and what came of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import OutsideError, ScoringError, ShipworthyError
from ..examples import digest_of, harmless_text
from ..runtime import Contract, Progress, label_text, plain_value
from ..scoring import Evaluation, Many, Row, same_value
from .attack_forms import Attack
from .battery import label_words, shown
from .figures import row_digest

CONTROL_STEP = 100
"""Harmless text is as long as the attack, rounded up to so many characters: attacks share it."""
LONG_CHARACTERS = 6
"""A token of the context for so many characters: more words than the context has tokens."""
EDGES = {
    "long_behind": "the row's text, then more harmless text than the LM can read",
    "long_before": "more harmless text than the LM can read, then the row's text",
    "empty": "no text at all",
    "blank": "white space only",
    "invisible": "zero-width characters only",
}
EMPTY = {"empty": "", "blank": " \n\t ", "invisible": "\u200b\u200c\u2060"}


@dataclass(frozen=True)
class Said:
    """What came of a row: outputs, or an error by type; untyped where shipworthy did not raise it."""

    outputs: Mapping[str, Any] | None
    answered: bool = False
    error: str | None = None
    untyped: bool = False


@dataclass(frozen=True)
class Attempt:
    """One attack on one row, beside harmless text of the same length."""

    place: int
    form: str
    language: str
    success: bool
    control: bool
    moved: bool
    said: Said
    example: Mapping[str, Any]


@dataclass(frozen=True)
class _Drawn:
    """An attack as it is asked: the harmless text beside it has `length` characters."""

    place: int
    form: str
    language: str
    target: Any
    length: int
    row: Row


@dataclass(frozen=True)
class UnderAttack:
    """One contender under attack."""

    rows: Sequence[Row]
    contract: Contract
    name: str
    forms: Sequence[Attack]
    seed: int
    title: str
    many: Many
    progress: Progress
    _digests: dict[int, str] = field(default_factory=dict)

    def own(
        self, chosen: Sequence[int], known: tuple[Sequence[int], Evaluation] | None
    ) -> dict[int, Mapping[str, Any] | None]:
        """The contender's unattacked outputs by place."""
        places, evaluation = known or ((), Evaluation(()))
        found: dict[int, Mapping[str, Any] | None] = {
            place: result.outputs for place, result in zip(places, evaluation.results, strict=True)
        }
        missing = [place for place in chosen if place not in found]
        said = self._ask("rows as they are", [self.rows[place] for place in missing])
        found.update({place: one.outputs for place, one in zip(missing, said, strict=True)})
        return {place: found[place] for place in chosen}

    def attempts(self, own: Mapping[int, Mapping[str, Any] | None], per_row: int) -> list[Attempt]:
        """Every sampled row under its forms; rows without a possible target are left out."""
        drawn: list[_Drawn] = []
        controls: dict[tuple[int, int], Row] = {}
        for place, outputs in own.items():
            target = self._target(place, outputs)
            if target is None:
                continue
            for form in sorted(self.forms, key=lambda form: self._draw(place, form.name))[:per_row]:
                language = form.languages[self._draw(place, form.name, "language") % len(form.languages)]
                text = self._attack(place, form, language, target)
                length = -(-len(text) // CONTROL_STEP) * CONTROL_STEP
                drawn.append(_Drawn(place, form.name, language, target, length, self._behind(place, text)))
                if (place, length) not in controls:
                    controls[place, length] = self._control(place, length, target)
        said = self._ask("attacks", [one.row for one in drawn])
        calm = dict(zip(controls, self._ask("harmless text", list(controls.values())), strict=True))
        found = []
        for one, attacked in zip(drawn, said, strict=True):
            before, beside = own[one.place], calm[one.place, one.length]
            success, control = self._hit(attacked, one.target), self._hit(beside, one.target)
            example = self._example(one, before, attacked) if success else {}
            moved = not self._same(before, beside.outputs)
            found.append(
                Attempt(one.place, one.form, one.language, success, control, moved, attacked, example)
            )
        return found

    def edges(self, chosen: Sequence[int], context_tokens: int) -> dict[str, Any]:
        """What comes of inputs that are too long or empty; inputs that are the same are asked once."""
        asked: dict[str, tuple[str, int, Row]] = {}
        for place in chosen:
            for kind, text in self._edge_texts(place, context_tokens).items():
                row = {**self.rows[place], self.name: text}
                inputs = {field.name: plain_value(row.get(field.name)) for field in self.contract.inputs}
                asked.setdefault(digest_of([kind, inputs]), (kind, place, row))
        said = self._ask("very long and empty inputs", [row for *_, row in asked.values()])
        outcomes = list(zip(asked.values(), said, strict=True))
        found = {}
        for kind in EDGES:
            own = [(place, one) for (kind_of, place, _), one in outcomes if kind_of == kind]
            answered = [(place, one) for place, one in own if one.outputs is not None and one.answered]
            found[kind] = {
                "n": len(own),
                "answered": len(answered),
                # An empty text has no right answer.
                "right": None if kind in EMPTY else sum(self._right(*pair) for pair in answered),
                "abstained": sum(one.outputs is not None and not one.answered for _, one in own),
                **error_counts(one for _, one in own),
            }
        return found

    def _target(self, place: int, own: Mapping[str, Any] | None) -> Any:
        """A label that is neither right nor the contender's own; a canary where nothing is decided."""
        if not self.contract.decisions:
            return f"canary-{digest_of([self.seed, self._digest(place)])[:8]}"
        field = self.contract.primary
        taken = [self.rows[place].get(field.name), *([own.get(field.name)] if own else [])]
        free = [
            choice for choice in field.choices or () if not any(_equal(choice, plain_value(t)) for t in taken)
        ]
        return min(free, key=lambda choice: self._draw(place, "target", choice), default=None)

    def _attack(self, place: int, form: Attack, language: str, target: Any) -> str:
        field = self.contract.primary if self.contract.decisions else self.contract.outputs[0]
        harmless = self._harmless(place, 80)
        output = field.name.replace("_", " ")
        return form.text(language=language, output=output, target=label_text(target), harmless=harmless)

    def _control(self, place: int, length: int, target: Any) -> Row:
        """Harmless text in the attack's place. It may hold the canary, which a program may copy."""
        mention = "" if self.contract.decisions else f"\n(reference {target})"
        return self._behind(place, self._harmless(place, length - len(mention)) + mention)

    def _behind(self, place: int, text: str) -> Row:
        return {**self.rows[place], self.name: f"{self._text(place)}\n\n{text}"}

    def _edge_texts(self, place: int, context_tokens: int) -> dict[str, str]:
        text, characters = self._text(place), LONG_CHARACTERS * context_tokens
        # Where every harmless phrase holds a label's word, the row's own text is long enough if repeated.
        filler = self._harmless(place, characters) or f"{text} " * (characters // (len(text) + 1) + 1)
        return {"long_behind": f"{text}\n\n{filler}", "long_before": f"{filler}\n\n{text}", **EMPTY}

    def _hit(self, said: Said, target: Any) -> bool:
        if said.outputs is None:
            return False
        if self.contract.decisions:
            return _equal(said.outputs.get(self.contract.primary.name), target)
        return str(target) in json.dumps(plain_value(dict(said.outputs)), ensure_ascii=False)

    def _right(self, place: int, said: Said) -> bool:
        names = [field.name for field in self.contract.outputs]
        row, outputs = self.rows[place], said.outputs or {}
        return all(
            name in outputs and same_value(outputs[name], plain_value(row.get(name))) for name in names
        )

    def _same(self, own: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> bool:
        if own is None or new is None:
            return own is new
        return all(_equal(own.get(field.name), new.get(field.name)) for field in self.contract.outputs)

    def _ask(self, task: str, rows: Sequence[Row]) -> list[Said]:
        if not rows:
            return []
        self.progress.start(f"{self.title}: {task}", len(rows))
        try:
            return settled(self.many, rows, self.progress.advance)
        finally:
            self.progress.finish()

    def _example(self, one: _Drawn, own: Mapping[str, Any] | None, said: Said) -> dict[str, Any]:
        return {
            "digest": self._digest(one.place),
            "attack": one.form,
            "language": one.language,
            "target": one.target,
            "before": shown(self._text(one.place)),
            "after": shown(str(one.row[self.name])),
            "said_before": own,
            "said_after": said.outputs,
            "answered": said.answered,
        }

    def _text(self, place: int) -> str:
        text = self.rows[place].get(self.name)
        return text if isinstance(text, str) else ""

    def _harmless(self, place: int, characters: int) -> str:
        avoid = label_words(self.contract.outputs)
        return harmless_text(characters, row=self._digest(place), seed=self.seed, avoid=avoid)

    def _digest(self, place: int) -> str:
        if place not in self._digests:
            self._digests[place] = row_digest(self.rows[place], self.contract)
        return self._digests[place]

    def _draw(self, place: int, *what: Any) -> int:
        return int(digest_of([self.seed, self._digest(place), *what])[:12], 16)


def settled(many: Many, rows: Sequence[Row], on_row: Callable[[int], None]) -> list[Said]:
    """What comes of each row, whatever is raised; an LM that is down is no outcome.

    An iterator that ends by an exception is asked again from the row behind.
    """
    found: list[Said] = []
    while len(found) < len(rows):
        begun = len(found)
        try:
            for outcome in many(rows[begun:]):
                if outcome.error is not None:
                    found.append(Said(None, error=type(outcome.error).__name__))
                else:
                    answer = outcome.unwrap()
                    found.append(Said(plain_value(answer.outputs), answer.answered))
                on_row(len(found))
        except OutsideError:
            raise
        except Exception as error:  # the very thing that is looked for: a row that ends in a bare exception
            untyped = not isinstance(error, ShipworthyError)
            found.append(Said(None, error=type(error).__name__, untyped=untyped))
            on_row(len(found))
        else:
            if len(found) < len(rows):
                raise ScoringError(
                    f"{len(rows) - len(found)} rows were not answered",
                    hint="give an outcome for each row, in order",
                )
    return found


def error_counts(said: Iterable[Said]) -> dict[str, dict[str, int]]:
    """Errors by type: shipworthy's own under `errors`, any other exception under `untyped`."""
    failed = [one for one in said if one.error is not None]
    return {
        "errors": dict(sorted(Counter(str(one.error) for one in failed if not one.untyped).items())),
        "untyped": dict(sorted(Counter(str(one.error) for one in failed if one.untyped).items())),
    }


def _equal(one: Any, other: Any) -> bool:
    return (one is None and other is None) or same_value(one, other)
