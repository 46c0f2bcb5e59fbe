"""What of a compiled program holds on another LM, so that it need not be found again.

The order of the inputs follows from the training rows, and is found again without a call. Which
demos are shown, which instruction won its race, and in which way spans are found, was chosen with
calls; it is taken over. What looks into an LM is fitted anew: the tokens read, heads, thresholds,
calibration, and the cut of a cascade, which is proven against the new heads. So are the students,
which costs no call and gives the same ones from the same rows; but how much they count beside the
readout is a question to the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime import Program, StepSpec
from .draft import Context, Draft
from .passes import Cascade, Demos, DSPyOptimizer, FieldOrder, Instructions, Readout, Spans, Student
from .passes.demos import within_context
from .passes.span_ways import By
from .passes.spans import span_fields
from .recipe import Pass

PROMPT = (Demos, Instructions, DSPyOptimizer)
"""They choose what the prompt says besides the row, with calls or by draws."""
KNOWN = (*PROMPT, FieldOrder, Readout, Student, Spans, Cascade)


@dataclass(frozen=True)
class Keep:
    """An earlier artifact of the same source, recipe and rows.

    Attributes:
        digest: of the program; lm: the id of its LM, or None where it has none.
        steps: of the program, by name.
    """

    digest: str
    lm: str | None
    steps: Mapping[str, StepSpec]

    @classmethod
    def of(cls, program: Program) -> Keep:
        """What is in a program that was read; its LM is not asked."""
        lm = program.spec.lm
        return cls(program.digest, lm.id if lm is not None else None, program.spec.steps)

    def as_json(self) -> dict[str, Any]:
        """For provenance."""
        return {"digest": self.digest, "lm": self.lm}

    def for_step(self, draft: Draft, passes: Sequence[Pass]) -> tuple[Pass, ...]:
        """A step's passes, with those replaced whose outcome is taken over.

        A recipe with a pass of the user's own is left as it is: what that did to the prompt is
        not known, and to do it twice might be wrong.
        """
        step = self.steps.get(draft.name)
        own = [type(one).__name__ for one in passes if not isinstance(one, KNOWN)]
        if own:
            draft.notes.append(f"nothing is kept: {own[0]} is a pass of your own, so the recipe runs whole")
        if step is None or own:
            return tuple(passes)
        found: list[Pass] = []
        for one in passes:
            if isinstance(one, Spans):
                found.append(KeptSpans(one, step.extract.by if step.extract is not None else None, self.lm))
            elif not isinstance(one, PROMPT):
                found.append(one)
            elif not any(isinstance(other, KeptPrompt) for other in found):
                found.append(KeptPrompt(step))
        return tuple(found)


@dataclass(frozen=True)
class KeptPrompt:
    """Take instruction and demos over; demos for which the LM's context has no room are left out."""

    step: StepSpec

    def apply(self, draft: Draft, context: Context) -> None:
        """Set the draft's instruction and demos."""
        draft.instruction = self.step.instruction
        draft.demos = within_context(self.step.demos, context.lm.context // 2)
        draft.kept |= {"instruction": True, "demos": len(draft.demos)}
        count = f"{len(draft.demos)} demo{'s'[: len(draft.demos) != 1]}"
        if left := len(self.step.demos) - len(draft.demos):
            count += f" (the context of this LM has no room for {left} more)"
        draft.notes.append(f"kept: the instruction and {count}")


@dataclass(frozen=True)
class KeptSpans:
    """Find spans in the way that won the race before, fitted to this LM.

    Where this LM has no such way, or has ways that the earlier one had not, the ways race again.

    Attributes:
        by: the way; None where the values were generated, or none stand in the text.
        before: the id of the LM of before.
    """

    spans: Spans
    by: By | None
    before: str | None

    def apply(self, draft: Draft, context: Context) -> None:
        """Set the draft's spans, where an output stands in the text."""
        lacked = self.before is not None and not self.before.startswith("local/")
        if self.by is None and not span_fields(draft):
            return
        if lacked and context.lm.reads_logprobs:
            self.spans.apply(draft, context)
        elif self.by is None:
            draft.kept["spans"] = "generating"
            draft.notes.append("kept: values that stand in the text are generated")
        elif self.spans.fit(self.by, draft, context):
            draft.kept["spans"] = self.by
            draft.notes.append(f"kept: the way in which spans are found, by {self.by}")
        else:
            self.spans.apply(draft, context)
