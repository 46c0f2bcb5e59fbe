"""Instructions that an LM proposes, by the proposer of DSPy's MIPROv2 over the training rows."""

from __future__ import annotations

import contextlib
import io
import random

from ...examples import digest_of, holds_secret
from ...lms import LM
from ...runtime import plain_value
from ..draft import Context, Draft

ROWS = 30
"""Training rows that the proposer may look at."""


def propose(draft: Draft, context: Context, reflect: LM, n: int) -> list[str]:
    """Up to n instructions; rows with what looks like a secret are not shown.

    The proposer is the grounded one of MIPROv2 (Opsahl-Ong et al. 2024): it sees a summary
    of the rows, the program and some demos, and gets another tip for each proposal.

    Raises:
        LMError: the LM fails.
    """
    import dspy
    from dspy.propose import GroundedProposer

    from ...lms.dspy_engine import dspy_lm

    inputs = [field.name for field in draft.contract.inputs]
    usable = [row for row in draft.train if not holds_secret(row)]
    chosen = sorted(usable, key=lambda row: digest_of([context.seed, plain_value(row)]))[:ROWS]
    trainset = [dspy.Example(**row).with_inputs(*inputs) for row in chosen]
    context.progress.say(f"{reflect.id} proposes {n} instructions")
    program = draft.module.deepcopy()
    demos = {0: [[dspy.Example(**row).with_inputs(*inputs) for row in draft.demo_rows[:3]]] * n}
    # It prints what goes wrong on stdout, which belongs to whoever reads our JSON.
    with dspy.context(lm=dspy_lm(reflect)), contextlib.redirect_stdout(io.StringIO()):
        proposer = GroundedProposer(
            prompt_model=dspy_lm(reflect),
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
    return [text for text in found.get(0, []) if isinstance(text, str) and text.strip()]
