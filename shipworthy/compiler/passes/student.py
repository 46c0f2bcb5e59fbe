"""Fit the simple student: TF-IDF and logistic regression over the inputs' text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime import Field, label_text, student_text
from ..draft import Candidate, Context, Draft
from ..heads import Matrix, cross_fit, fit_student, oof_folds, student_log_probabilities, vocabulary


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
        decisions = draft.contract.decisions
        texts = [student_text(draft.contract, row) for row in (*fit_rows, *shown)]
        names = {field.name: _names(field) for field in decisions}
        draft.tfidf = vocabulary(texts + [text for own in names.values() for text in own.values()])
        n = len(fit_rows)
        context.progress.start("fitting the student", len(decisions))
        for done, field in enumerate(decisions, 1):
            choices = list(field.choices or ())
            own = texts + list(names[field.name].values())
            rows = [choices.index(row[field.name]) for row in (*fit_rows, *shown)]
            classes = np.array(rows + list(names[field.name]), np.intp)
            # The demos and the names are no rows to select on, but a student may learn from them.
            extra = np.arange(n, len(own))

            def fit(
                rows: NDArray[np.intp],
                own: list[str] = own,
                classes: NDArray[np.intp] = classes,
                extra: NDArray[np.intp] = extra,
                size: int = len(choices),
            ) -> Callable[[NDArray[np.intp]], Matrix]:
                used = np.concatenate([rows, extra]).astype(np.intp)
                tfidf, head = fit_student([own[i] for i in used], classes[used], size, c=self.c)
                return lambda held: student_log_probabilities(tfidf, head, [own[i] for i in held])

            folds = oof_folds([row[field.name] for row in fit_rows], n_dev=draft.n_dev, seed=context.seed)
            held_out = cross_fit(fit, folds, (n, len(choices)))
            _, head = fit_student(own, classes, len(choices), c=self.c, tfidf=draft.tfidf)
            draft.students[field.name] = Candidate(head, held_out)
            context.progress.advance(done)
        context.progress.finish()


def _names(field: Field) -> dict[int, str]:
    """The labels' own words by class, each an example of it; yes, no and numbers say nothing."""
    texts = {i: label_text(choice) for i, choice in enumerate(field.choices or ()) if isinstance(choice, str)}
    return {i: text for i, text in texts.items() if any(character.isalpha() for character in text)}
