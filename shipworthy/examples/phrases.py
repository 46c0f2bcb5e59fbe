"""What perturbations write: phrases that mean the same, and text that says nothing to the point.

No phrase holds a digit, an address or a person's name, so that none can be taken for the
value that a program is to find.
"""

from __future__ import annotations

PRONOUN_NEXT = r"(?!\s+(?:i|you|we|they|he|she|it)\b)"
"""Behind `don't` and its kin, which in front of a pronoun ask a question that `do not` cannot."""
WORD_NEXT = r"(?=\s+\w)"
"""Behind `I am` and its kin, which cannot be shortened at the end of a clause."""

SHORT_FORMS = (
    *(("don't", "do not"), ("doesn't", "does not"), ("didn't", "did not"), ("isn't", "is not")),
    *(("aren't", "are not"), ("wasn't", "was not"), ("weren't", "were not"), ("can't", "cannot")),
    *(("won't", "will not"), ("haven't", "have not"), ("hasn't", "has not"), ("couldn't", "could not")),
    *(("wouldn't", "would not"), ("shouldn't", "should not")),
)
"""(short, long) negations; each is turned into the other."""

PRONOUN_FORMS = (
    *(("I'm", "I am"), ("we're", "we are"), ("you're", "you are"), ("they're", "they are")),
    *(("I'll", "I will"), ("we'll", "we will"), ("you'll", "you will"), ("they'll", "they will")),
)

POLITE = (("please", "kindly"),)
"""Turned into the other only in front of a word: alone, `kindly` asks for nothing."""

SAME = (
    ("as soon as possible", "as quickly as you can"),
    ("could you please", "would you kindly"),
    ("can you please", "could you kindly"),
    ("could you", "would you be able to"),
    ("can you", "are you able to"),
    ("please let me know", "kindly tell me"),
    ("let me know", "tell me"),
    ("thank you very much", "many thanks"),
    ("thanks in advance", "thank you beforehand"),
    ("many thanks", "thank you very much"),
    ("thank you", "thanks"),
    ("thanks a lot", "thank you very much"),
    ("i would like to", "I want to"),
    ("i'd like to", "I would like to"),
    ("i want to", "I would like to"),
    ("i need to", "I have to"),
    ("i have to", "I need to"),
    ("how do i", "how can I"),
    ("how can i", "in what way can I"),
    ("is it possible to", "can one"),
    ("a lot of", "lots of"),
    ("lots of", "a lot of"),
    ("at the moment", "right now"),
    ("right now", "at the moment"),
    ("in order to", "to"),
    ("because of", "owing to"),
    ("because", "since"),
    ("for example", "for instance"),
    ("for instance", "for example"),
    ("maybe", "perhaps"),
    ("perhaps", "maybe"),
    ("really", "truly"),
    ("quickly", "fast"),
    ("begin", "start"),
    ("big", "large"),
    ("large", "big"),
    ("entire", "whole"),
)
"""(found, put in its place), longest first where one begins with another."""

GREETINGS = (
    "Hello there,",
    "Good morning,",
    "Hi everyone,",
    "Dear all,",
    "Greetings,",
)

FORWARDED = (
    "---------- Forwarded message ----------\nFrom: front office\nSubject: Fwd: see below\n",
    "Begin forwarded message:\n\nTo: the shared inbox\nSubject: FW:\n",
)

SIGNATURES = (
    "Kind regards",
    "Best wishes,\nsent from my phone",
    "Yours sincerely",
    "Cheers",
)

DISCLAIMERS = (
    "This e-mail may be confidential. If it has reached you by mistake, kindly delete it.",
    "Think of the environment before you print this page.",
    "This text was typed on a small screen; kindly overlook its brevity.",
)

CHIT_CHAT = (
    "The sky has been grey all week and the garden is glad of it.",
    "My neighbour has taken up the trumpet, which we all hear.",
    "We had soup for lunch, with rather too much pepper.",
    "The cat is asleep on the keyboard as I write.",
    "It has been a long day, and the kettle is on.",
    "Somebody is mowing a lawn outside my window.",
    "The children are drawing dinosaurs on the kitchen floor.",
    "I read half a novel on the train this morning.",
    "There is a choir practising somewhere down the street.",
    "The leaves are turning yellow rather early this autumn.",
    "Our old clock stopped last night and nobody noticed.",
    "I hope that your week is going well.",
    "A robin has built its nest behind the shed.",
    "My tea has gone cold while I was typing.",
    "They say that snow is on its way to the hills.",
    "The baker round the corner has new rolls with walnuts.",
    "We watched a film about lighthouses yesterday evening.",
    "The piano next door needs tuning, badly.",
    "I have been meaning to tidy this desk since spring.",
    "The river was very calm when we walked along it.",
)

QUOTE_INTRODUCTIONS = ("See the message below:", "Here is what I was sent:", "Quoting the whole of it:")

EMOJI = ("📩", "📎", "💬", "📌", "👀", "🗒️")
"""Without a mood, so that they do not say whether somebody is pleased."""
