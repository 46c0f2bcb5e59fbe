"""How triage is compiled, scored and gated."""

import shipworthy as sw

recipe = sw.Recipe(
    passes=[sw.Demos(max_characters=200), sw.Readout(own_questions=False), sw.Student()],
    metric="exact",
    target=0.9,
    budget=sw.Budget(calls=500),
)
