"""What prompts say in words of their outputs, and that prompts which say nothing state nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift.annotations import Annotations
from shipworthy.lift.describe import type_words
from shipworthy.lift.names import check_fields, word_set
from shipworthy.lift.phrases import ENTRIES, LANGUAGES, any_of
from shipworthy.lift.pieces import Slot
from shipworthy.lift.slots import split_slots
from shipworthy.lift.words import outputs_in_words


def stated(text: str) -> dict[str, str]:
    """Name and type, in words, of each output."""
    return {field.name: type_words(field.schema) for field, _ in outputs_in_words(text, inputs=slots(text))}


def slots(text: str) -> list[str]:
    return list(dict.fromkeys(piece.name for piece in split_slots(text) if isinstance(piece, Slot)))


TRIAGE = """\
You answer the phones of Oakham Water. Read what the caller says and decide who takes it.

Desks:
- bills: direct debits, meter readings, refunds
- leaks: no water, burst pipes, wet roads
- moving: new tenants, new address
- other

IMPORTANT: Reply with just the name of the desk, nothing else!!
When in doubt, other.

Also say how urgent it is from 1 (some day) to 5 (send somebody now) on a second line.

Caller:
{call}
"""
RECEIPT = """\
Extract the following from the receipt below and return JSON ONLY, no fences:

shop - the name at the top
receipt_no - exactly as printed
paid - number, a dot before the cents
currency - ISO 4217 code (EUR, GBP or CHF)
warranty_until - YYYY-MM-DD or null if there is none
articles - list of {name, count (integer), price (number)}

<receipt>
<scan>
</receipt>

JSON:
"""
ARTICLES = "list of {name: text, count: integer, price: number}"

PROMPTS: list[tuple[str, dict[str, str]]] = [
    # Labels
    (TRIAGE, {"desk": 'one of "bills", "leaks", "moving", "other"', "urgency": "integer 1 to 5"}),
    ("Answer with one of: yes, no, maybe.\n\n{q}", {"answer": 'one of "yes", "no", "maybe"'}),
    (
        "Classify the ticket into one of the following categories: billing, technical, sales.\n\n{ticket}",
        {"category": 'one of "billing", "technical", "sales"'},
    ),
    (
        "Classify the sentiment of this review as positive, negative or neutral.\n\n{review}",
        {"sentiment": 'one of "positive", "negative", "neutral"'},
    ),
    (
        "Classify the text as spam or ham:\n{text}",
        {"answer": 'one of "spam", "ham"'},
    ),
    (
        'Is this toxic? Respond with only "TOXIC" or "SAFE".\n\n{comment}',
        {"answer": 'one of "TOXIC", "SAFE"'},
    ),
    ("Reply only with POSITIVE or NEGATIVE.\n{t}", {"answer": 'one of "POSITIVE", "NEGATIVE"'}),
    (
        "Sort this mail.\nAnswer with one word: order, complaint or spam.\n\n{mail}",
        {"answer": 'one of "order", "complaint", "spam"'},
    ),
    (
        "Pick the team from the list.\n\nTeams:\n* Payments - cards and banks\n* Growth - ads\n* "
        "Core\n\n{issue}",
        {"team": 'one of "Payments", "Growth", "Core"'},
    ),
    (
        "You are a router. Choose one of these intents:\n\n1. **book_flight**: wants to fly\n2. "
        "**cancel**: wants out\n3. **other**\n\nUser: {utterance}\nIntent:",
        {"intent": 'one of "book_flight", "cancel", "other"'},
    ),
    (
        "Classify the question.\n\n## Categories\n\n- History\n- Science & Nature\n- Sport\n\nQuestion: "
        "{question}\nCategory:",
        {"category": 'one of "History", "Science & Nature", "Sport"'},
    ),
    (
        "Assign a priority (low, medium or high) to the bug.\n{bug}",
        {"priority": 'one of "low", "medium", "high"'},
    ),
    (
        "Tell us how urgent it is: low, normal or high.\n{mail}",
        {"urgency": 'one of "low", "normal", "high"'},
    ),
    (
        "Categories: news, opinion, advert\nOutput only the category.\n\n{article}",
        {"category": 'one of "news", "opinion", "advert"'},
    ),
    (
        "Decide which department handles it. The department must be one of `hr`, `it`, `legal`.\n{m}",
        {"department": 'one of "hr", "it", "legal"'},
    ),
    ("Label the language. Return exactly one of [EN, DE, FR].\n{t}", {"language": 'one of "EN", "DE", "FR"'}),
    # Yes or no
    ("Is a refund due? Answer Yes or No.\n{order}", {"answer": 'one of "Yes", "No"'}),
    ("Does the text mention a price?\n\n{t}\n\nYes or no?", {"answer": 'one of "Yes", "No"'}),
    ("Reply with true or false only.\nIs this spam? {mail}", {"answer": "yes or no"}),
    ("Did the agent apologise? Respond with 'yes' or 'no'.\n{chat}", {"answer": 'one of "yes", "no"'}),
    # Numbers
    ("Rate the joke from 1 to 10.\n{joke}", {"rating": "integer 1 to 10"}),
    ("On a scale of 0 to 10, how likely is a repeat order?\n{mail}", {"likelihood": "integer 0 to 10"}),
    ("Give the review 1-5 stars.\n{review}", {"stars": "integer 1 to 5"}),
    ("Rate the quality of the answer on a scale of 1 to 5.\n{a}", {"quality": "integer 1 to 5"}),
    ("Return a score between 0 and 1.\n{a}\n{b}", {"score": "number"}),
    ("Output a confidence score from 0.0 to 1.0.\n{a}", {"confidence_score": "number"}),
    ("Return only the number of people in the text.\n{t}", {"people_count": "integer"}),
    ("Answer with a single integer.\n{sum}", {"answer": "integer"}),
    ("Return only the date in ISO format.\n{mail}", {"date": "date"}),
    # JSON by keys
    (
        "Return JSON with keys sentiment, score and topics.\n{t}",
        {"sentiment": "text", "score": "text", "topics": "text"},
    ),
    (
        "Return a JSON object with the following keys: `name` (string), `age` (integer), `email` (string "
        "or null).\n{t}",
        {"name": "text", "age": "integer", "email": "text or null"},
    ),
    (
        "Respond in JSON with keys label (one of spam, ham) and confidence (0 to 1).\n{t}",
        {"label": 'one of "spam", "ham"', "confidence": "number"},
    ),
    (
        "Return the result as JSON with 2 properties: `product_name`, `issue`. The issue must be one of "
        '"damaged", "late" or "wrong".\n{t}',
        {"product_name": "text", "issue": 'one of "damaged", "late", "wrong"'},
    ),
    # JSON shown
    (
        'Reply with JSON: {"sentiment": "positive|negative", "score": 0.0, "tags": ["..."]}\n\n$text',
        {"sentiment": 'one of "positive", "negative"', "score": "number", "tags": "list of text"},
    ),
    (
        'Return ONLY valid JSON in this format:\n{{\n  "label": "spam" | "ham",\n  "confidence": 0.0-1.0,\n'
        '  "reason": "<one sentence>",  // short\n}}\n\nMail: {mail}',
        {"label": 'one of "spam", "ham"', "confidence": "number", "reason": "text"},
    ),
    (
        "Output format:\n```json\n{\n  \"total\": number,\n  \"due\": \"YYYY-MM-DD\" or null,\n  "
        "\"paid\": true/false,\n"
        '  "items": [{"name": "string", "qty": 1}, ...]\n}\n```\nInvoice:\n<document>',
        {
            "total": "number",
            "due": "date or null",
            "paid": "yes or no",
            "items": "list of {name: text, qty: integer}",
        },
    ),
    (
        "Classify the ticket into one of these categories:\n\n- Billing\n- Router / ONT\n- "
        "Other\n\nRespond with JSON:\n"
        '{"ticket": "<original ticket>", "category": "<one of the categories above>"}\n\nTicket: {ticket}',
        {"category": 'one of "Billing", "Router / ONT", "Other"'},
    ),
    (
        'Input: "a"\nOutput: {"city": "Rome", "nights": 2, "pets": null}\n\nInput: "b"\nOutput: {"city": '
        '"Bonn", '
        '"nights": null, "pets": true}\n\nInput: {text}\nOutput:',
        {"city": "text", "nights": "integer or null", "pets": "yes or no or null"},
    ),
    (
        'Answer in JSON that follows this schema:\n{"type": "object", "properties": {"city": {"type": '
        '"string"}, '
        '"nights": {"type": "integer"}}, "required": ["city", "nights"]}\n\n{text}',
        {"city": "text", "nights": "integer"},
    ),
    # Lists of fields
    (
        RECEIPT,
        {
            "shop": "text",
            "receipt_no": "text",
            "paid": "number",
            "currency": 'one of "EUR", "GBP", "CHF"',
            "warranty_until": "date or null",
            "articles": ARTICLES,
        },
    ),
    (
        "Extract the following fields:\n- `name` (string)\n- `born` (ISO 8601 date or null)\n- `salary` "
        "(number)\n\n{cv}",
        {"name": "text", "born": "date or null", "salary": "number"},
    ),
    (
        "Extract three details in JSON:\n\n1. **Product Name**: the product, if any\n2. **Brief "
        "Description**: a few "
        "words\n3. **Issue Type**: one of the following:\n   - **Shipping**\n   - **Defect**\n\n{ticket}",
        {
            "product_name": "text or null",
            "brief_description": "text",
            "issue_type": 'one of "Shipping", "Defect"',
        },
    ),
    (
        "Return JSON with these keys:\n- email: the sender's e-mail address\n- phone: phone number, "
        "optional\n"
        "- guests: number of people\n- vegetarian: true or false\n- allergies: comma-separated "
        "list\n\n{mail}",
        {
            "email": "text",
            "phone": "text or null",
            "guests": "integer",
            "vegetarian": "yes or no",
            "allergies": "list of text",
        },
    ),
    # Lines and layouts
    (
        "Refund?\n{order}\nFirst line: Yes or No. Second line: the reason, in at most 25 words.",
        {"answer": 'one of "Yes", "No"', "reason": "text"},
    ),
    (
        "Answer exactly like this:\n\nQueue: <queue>\nPriority: <low/normal/high>\nNeeds human: "
        "<yes/no>\n\nTicket:\n{t}",
        {"queue": "text", "priority": 'one of "low", "normal", "high"', "needs_human": "yes or no"},
    ),
    (
        "Sort into ONE of these queues:\n\n* parcels - late or lost\n* returns\n\nUse this "
        "format:\nQueue: <queue>\n"
        "Score: <1-5>\n\n{t}",
        {"queue": 'one of "parcels", "returns"', "score": "integer 1 to 5"},
    ),
    # Text
    ("Write a polite reply to this complaint, at most 80 words.\n{complaint}", {"reply": "text"}),
    ("Summarise the article in at most 25 words.\n{article}", {"summary": "text"}),
    ("Give the opposite.\nWord: {word}\nOpposite:", {"opposite": "text"}),
    ("Return a comma-separated list of keywords.\n{t}", {"keywords": "list of text"}),
    ("Translate to French.\n{t}", {"translation": "text"}),
    # Other languages
    (
        "Ordne die Anfrage einer der folgenden Kategorien zu: Rechnung, Technik, Sonstiges.\n{anfrage}",
        {"kategorie": 'one of "Rechnung", "Technik", "Sonstiges"'},
    ),
    ("Ist das Spam? Antworte nur mit Ja oder Nein.\n{mail}", {"answer": 'one of "Ja", "Nein"'}),
    ("Bewerte den Text auf einer Skala von 1 bis 10.\n{t}", {"bewertung": "integer 1 to 10"}),
    ("Wie dringend ist das, von 1 bis 5? Antworte mit der Zahl.\n{t}", {"dringlichkeit": "integer 1 to 5"}),
    ("Gib JSON mit den Schlüsseln name, betrag (Zahl) und datum (JJJJ-MM-TT) zurück.\n{t}",
     {"name": "text", "betrag": "number", "datum": "date"}),
    (
        "Classe le message dans une des catégories suivantes : facture, panne, autre.\n{m}",
        {"catégorie": 'one of "facture", "panne", "autre"'},
    ),
    ("Est-ce urgent ? Réponds par oui ou non.\n{m}", {"answer": 'one of "oui", "non"'}),
    ("Note le texte sur une échelle de 1 à 5.\n{t}", {"note": "integer 1 to 5"}),
    (
        "Clasifica el mensaje en una de las siguientes categorías: factura, avería, otro.\n{m}",
        {"categoría": 'one of "factura", "avería", "otro"'},
    ),
    ("¿Es urgente? Responde sí o no.\n{m}", {"answer": 'one of "sí", "no"'}),
    ("Puntúa la reseña en una escala de 1 a 5.\n{r}", {"puntuación": "integer 1 to 5"}),
    ("Devuelve JSON con las claves nombre, edad (entero) y correo (texto o null).\n{t}",
     {"nombre": "text", "edad": "integer", "correo": "text or null"}),
    # As people write them
    (
        "Classify the ticket into a category (billing, bug, support) and a priority (low, medium, "
        "high).\n{ticket}",
        {"category": 'one of "billing", "bug", "support"', "priority": 'one of "low", "medium", "high"'},
    ),
    (
        "SEVERITY LEVELS: critical, high, low\n\nRespond with JSON:\n{\n  \"severity\": "
        "\"severity_level\",\n  "
        "\"severity_confidence\": 0.0-1.0\n}\n{{text}}",
        {"severity": 'one of "critical", "high", "low"', "severity_confidence": "number"},
    ),
    (
        "Output a JSON object with fields:\n  rating: integer from 1 to 5\n  pros: array of strings\n  "
        "buy: boolean\n\n"
        "Review: {review}",
        {"rating": "integer 1 to 5", "pros": "list of text", "buy": "yes or no"},
    ),
    (
        "Extract the name, email and phone number from the text as JSON.\n{t}",
        {"name": "text", "email": "text", "phone_number": "text"},
    ),
    (
        "Decide if the claim is SUPPORTED, REFUTED, or NOT ENOUGH INFO.\nClaim: {claim}\nVerdict:",
        {"verdict": 'one of "SUPPORTED", "REFUTED", "NOT ENOUGH INFO"'},
    ),
    (
        "What is the sentiment of the tweet? Options: positive, negative\n\nTweet: {tweet}\nSentiment:",
        {"sentiment": 'one of "positive", "negative"'},
    ),
    ("Review: {review}\nSentiment (good/bad):", {"sentiment": 'one of "good", "bad"'}),
    ("Choose between refund, replace and reject. Reply with the action only.\n{c}",
     {"action": 'one of "refund", "replace", "reject"'}),
    ("Is a refund due? Answer Yes or No, then one sentence.\n{o}",
     {"answer": 'one of "Yes", "No"', "reason": "text"}),
    ("Return a JSON array of objects with keys name and age. {t}", {"answer": "list of {name: text, age: "
     "text}"}),
    ('Output:\n[{"who": "PERSON|ORG", "text": "..."}]\n\n{text}',
     {"answer": 'list of {who: one of "PERSON", "ORG", text: text}'}),
    ("Extract:\n* Company name\n* Founded (YYYY-MM-DD)\n* Staff (integer)\n\nReturn JSON only. {doc}",
     {"company_name": "text", "founded": "date", "staff": "integer"}),
    ("Your output must be one of [\"approve\", \"reject\"]. {c}", {"answer": 'one of "approve", "reject"'}),
    ("Provide a title and a summary for the article.\n{a}", {"title": "text", "summary": "text"}),
]  # fmt: skip

SILENT = [
    "You are a helpful assistant. Be kind.\n{question}",
    'Answer from the context only. If it is not there, say "I don\'t know".\n\n{context}\n\n{question}',
    "You decide about refunds for a shop.\nPolicy: {policy}\nOrder: {order}",
    "Do not answer yes or no; explain in full.\n{q}",
    "If the customer says yes or no, thank them.\n{m}",
    "Answer between 10 and 20 words.\n{q}",
    "Answer in at most 25 words.\n{q}",
    "The shop is open from 9 to 5. Answer the customer.\n{q}",
    "Answer with facts, figures or examples.\n{q}",
    "You have one of the best jobs: helping people.\n{q}",
    "Rules:\n- Be polite: always.\n- Be brief: two sentences.\n\nReply to {mail}",
    "Use the following information to reply:\n- Name: {name}\n- Order: {order}\n",
    'Here is the order: {"id": 4, "total": 3.5}\nTalk to the customer {x}.',
    "Extract what matters from {text}.",
    "Steps:\n1. Read the text.\n2. Think about it.\n3. Answer.\n{t}",
    "Never return JSON with keys a, b.\n{t}",
    "Ask one of our agents, or one from sales, for help. {t}",
    "Customers from 18 to 25 years. Rate plans apply. Say hello to {name}.",
    "Read pages 1-5 and score goals. {x}",
    "Antworte freundlich auf {mail}.",
    "Réponds au client avec politesse : {mail}",
    "Responde al cliente con amabilidad: {mail}",
]


@pytest.mark.parametrize("text", SILENT)
def test_words_that_are_not_clear_state_nothing(text: str) -> None:
    assert stated(text) == {}


@pytest.mark.parametrize(("text", "outputs"), PROMPTS, ids=[text[:40] for text, _ in PROMPTS])
def test_what_a_prompt_states_of_its_outputs(text: str, outputs: dict[str, str]) -> None:
    assert stated(text) == outputs


def test_each_output_has_the_words_that_state_it() -> None:
    reasons = {field.name: why for field, why in outputs_in_words(TRIAGE, inputs=["call"])}
    assert reasons == {
        "desk": 'the prompt says "IMPORTANT: Reply with just the name of the desk, nothing else!!"',
        "urgency": 'the prompt says "from 1 (some day) to 5 (send somebody now)"',
    }
    listed = outputs_in_words(RECEIPT, inputs=["scan"])
    found = {field.name: (field.description, why) for field, why in listed}
    about = "ISO 4217 code (EUR, GBP or CHF)"
    assert found["currency"] == (about, f'the prompt lists it: "{about}"')
    (field, why), *_ = outputs_in_words('Reply with JSON: {"a": 1.5}', inputs=[])
    assert (field.name, why) == ("a", "the JSON that the prompt shows")
    (_, why), *_ = outputs_in_words("Use this format:\nQueue: <queue>\nWhy: <reason>", inputs=[])
    assert why == 'the layout of the answer: "Queue: <queue>"'


@pytest.mark.parametrize(("text", "outputs"), PROMPTS, ids=[text[:40] for text, _ in PROMPTS])
def test_reasons_quote_the_prompt(text: str, outputs: dict[str, str]) -> None:
    plain = " ".join(text.split())
    for field, why in outputs_in_words(text, inputs=slots(text)):
        assert field.name in outputs
        words = re.search(r'"(.*)"$', why)
        start = words[1].split(": ")[0][:20].rstrip("…") if words else ""
        assert start in plain or "JSON" in why or "Extract" in why


def test_an_input_is_no_output() -> None:
    text = 'Return JSON: {"ticket": "<the ticket>", "queue": "a|b"}\n{ticket}'
    assert [field.name for field, _ in outputs_in_words(text, inputs=["ticket"])] == ["queue"]


def test_every_language_fills_every_entry_with_patterns() -> None:
    for entry in ENTRIES:
        assert all(getattr(language, entry).strip() for language in LANGUAGES)
        if entry != "lines":
            assert re.compile(any_of(entry)).fullmatch("") is None


# Whatever people write

PLAIN = st.sampled_from(
    sorted(
        word_set(
            "the shop customer is kind and old bicycles stand near water while rain falls on green hills a "
            "friend of ours reads long books about trains her garden has red flowers"
        )
    )
)
SENTENCES = st.lists(PLAIN, min_size=2, max_size=9).map(lambda words: " ".join(words).capitalize() + ".")


@given(st.lists(SENTENCES, max_size=8), st.sampled_from(["{ticket}", "{{mail}}", "$note", ""]))
def test_text_without_words_for_outputs_states_nothing(lines: list[str], slot: str) -> None:
    assert stated("\n".join([*lines, slot])) == {}


FRAGMENTS = st.sampled_from(
    [
        "Return JSON with keys",
        "Answer with one of",
        "from 1 to 5",
        "Yes or No",
        "- a: b",
        '{"a": ',
        "}",
        "[",
        ",",
        ":",
        "\n",
        "\n\n",
        "`x`",
        "or null",
        "list of {a,",
        "First line:",
        "Second line:",
        "Queues:",
        "(x/y)",
        '"a" or "b"',
        "Rate it",
        "{x}",
        "{{",
        "<y>",
        "Format:",
        "the category",
        "one of the following",
        " ",
    ]
)


@given(st.lists(FRAGMENTS | st.text(max_size=8), max_size=25).map(" ".join))
def test_any_text_gives_names_and_types_that_a_contract_can_hold(text: str) -> None:
    found = outputs_in_words(text, inputs=["x"])
    names = [field.name for field, _ in found]
    check_fields(names, PrototypeError, "p.md")
    assert len(set(names)) == len(names)
    for field, why in found:
        assert why
        assert field.schema
        Annotations(names).of(field.schema, field.name)
