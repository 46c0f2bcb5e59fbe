"""Fit the simple student: TF-IDF and logistic regression over the inputs' text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime import student_text
from ..draft import Candidate, Context, Draft
from ..heads import Matrix, cross_fit, fit_student, oof_folds, student_log_probabilities


@dataclass(frozen=True)
class Student:
    """Let a simple model share in the decisions, or make them where the LM adds nothing.

    Attributes:
        c: inverse strength of the L2 penalty.
    """

    c: float = 30.0

    def apply(self, draft: Draft, context: Context) -> None:
        """Fit a student for each decision."""
        shown = draft.demo_rows + draft.unread
        fit_rows = draft.fit_rows
        texts = [student_text(draft.contract, row) for row in (*fit_rows, *shown)]
        n = len(fit_rows)
        extra = np.arange(n, len(texts))
        context.progress.start("fitting the student", len(draft.contract.decisions))
        for done, field in enumerate(draft.contract.decisions, 1):
            choices = list(field.choices or ())
            classes = np.array([choices.index(row[field.name]) for row in (*fit_rows, *shown)], np.intp)

            def fit(
                rows: NDArray[np.intp], classes: NDArray[np.intp] = classes, size: int = len(choices)
            ) -> Callable[[NDArray[np.intp]], Matrix]:
                # The demos are no rows to select on, but a student may learn from them.
                used = np.concatenate([rows, extra]).astype(np.intp)
                tfidf, head = fit_student([texts[i] for i in used], classes[used], size, c=self.c)
                return lambda held: student_log_probabilities(tfidf, head, [texts[i] for i in held])

            folds = oof_folds([row[field.name] for row in fit_rows], n_dev=draft.n_dev, seed=context.seed)
            held_out = cross_fit(fit, folds, (n, len(choices)))
            draft.tfidf, head = fit_student(texts, classes, len(choices), c=self.c, tfidf=draft.tfidf)
            draft.students[field.name] = Candidate(head, held_out)
            context.progress.advance(done)
        context.progress.finish()
