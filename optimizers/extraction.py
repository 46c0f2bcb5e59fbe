"""How extraction is compiled, scored and gated."""

import shipworthy as sw
from shipworthy.scoring import Weighted

FIELDS = ("order_number", "product", "quantity", "deliver_by", "total")

recipe = sw.Recipe(
    passes=[sw.Demos(by="coverage", n=8, max_characters=250), sw.Spans()],
    # The share of the fields that are right: who enters an order is helped by four of five.
    metric=Weighted(dict.fromkeys(FIELDS, 1.0)),
    target=0.9,
    budget=sw.Budget(calls=900),
    # To beat the prompt is not enough: of the orders that it enters by itself, most must be right throughout.
    gate=sw.Gate(accuracy=0.8),
)
