"""Instructions that an LM proposes, by the proposer of DSPy's MIPROv2 over the training rows."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Sequence

from ...examples import digest_of, holds_secret
from ...lms import Recorded
from ...runtime import plain_value
from ..draft import Context, Draft, Row
from ..gate import Gate, Interrupted

ROWS = 30
"""Training rows that the proposer may look at."""
CALLS_BESIDE = 4
"""Calls for its summary of so many rows, beside one a proposal, where no answer must be asked for again."""


def propose(
    draft: Draft, context: Context, reflect: Recorded, n: int, rows: Sequence[Row], *, kept: int
) -> list[str]:
    """Up to n instructions; rows with what looks like a secret are not shown. What fails becomes a note.

    The proposer is the grounded one of MIPROv2 (Opsahl-Ong et al. 2024): it sees a summary
    of the rows, the program and some demos, and gets another tip for each proposal.

    Args:
        rows: that it may look at; kept: calls that the budget must leave for what comes later.

    Raises:
        LMError: the LM fails.
    """
    import dspy
    from dspy.propose import GroundedProposer
    from dspy.utils.exceptions import AdapterParseError, ContextWindowExceededError

    from ...lms.dspy_engine import dspy_lm

    inputs = [field.name for field in draft.contract.inputs]
    usable = [row for row in rows if not holds_secret(row)]
    chosen = sorted(usable, key=lambda row: digest_of([context.seed, plain_value(row)]))[:ROWS]
    if not chosen:
        return []
    trainset = [dspy.Example(**row).with_inputs(*inputs) for row in chosen]
    context.progress.say(f"{reflect.id} proposes {n} instructions")
    program = draft.module.deepcopy()
    demos = {0: [[dspy.Example(**row).with_inputs(*inputs) for row in draft.demo_rows[:3]]] * n}
    gate = Gate(lambda: context.meter.beyond(kept))
    lm = dspy_lm(gate.lm(reflect))
    found = {}
    # It prints what goes wrong on stdout, which belongs to whoever reads our JSON.
    with dspy.context(lm=lm, adapter=None), contextlib.redirect_stdout(io.StringIO()):
        try:
            proposer = GroundedProposer(
                prompt_model=lm,
                program=program,
                trainset=trainset,
                program_aware=False,
                use_instruct_history=False,
                set_history_randomly=False,
                rng=random.Random(context.seed),
            )
            found = proposer.propose_instructions_for_program(
                trainset=trainset, program=program, demo_candidates=demos, trial_logs={}, N=n
            )
        except Interrupted as stopped:
            if stopped.error is not None:
                raise stopped.error from stopped
            draft.notes.append("MIPROv2's proposer: the budget leaves it no calls")
        except (AdapterParseError, ContextWindowExceededError) as error:
            draft.notes.append(
                f"MIPROv2's proposer: no usable answer from {reflect.id} ({type(error).__name__})"
            )
        finally:
            gate.close()
    return [text for text in found.get(0, []) if isinstance(text, str) and text.strip()]
