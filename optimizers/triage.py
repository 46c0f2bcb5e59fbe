"""How triage is compiled, scored and gated."""

import shipworthy as sw

recipe = sw.Recipe(
    passes=[sw.Demos(), sw.Readout(), sw.Student()],
    metric="exact",
    target=0.9,
)
