"""Contract of extraction: an order e-mail in; order number, product, quantity, delivery day and total out."""

import dspy


class Extraction(dspy.Signature):
    """You are the order entry assistant of Wrenlow, an online shop for bicycles, e-bikes, parts and clothing.

    Take the order's data out of the message, as they are written there. What the message does not say is
    null: do not guess. Where the writer corrects something, the last word counts.
    """

    message: str = dspy.InputField(desc="an e-mail or what was written in the contact form")
    order_number: str | None = dspy.OutputField(
        desc="WR-... or the dealer's own order number; not that of an invoice or a customer"
    )
    product: str | None = dspy.OutputField(desc="what is ordered; the first one if there are several")
    quantity: int | None = dspy.OutputField(desc="how many")
    deliver_by: str | None = dspy.OutputField(desc="when it has to be there, as written")
    total: str | None = dspy.OutputField(desc="what the order costs, as written, with its currency")
