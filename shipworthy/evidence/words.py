"""Figures and texts as people read them, for the pages of this room; personal data masked."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from ..examples import redact_value

CUT = 600
"""Longer texts are cut visibly after so many characters."""
SPACE = "\u00a0"
UNKNOWN = "not known"

_GAP = r"[ \u00a0\u202f\u2010-\u2013-]?"
_SEPARATED = r"(?:[\s.()/\u2010-\u2013-]{0,3}\d)"
_START = r"(?<!\w)(?<!\d[.,/:\-])"
_NO_DATE = r"(?!\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?![./-]?\d))"
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@(?:[\w-]+(?:\.[\w-]+)+|[\w-]*\Z)")
_IBAN = re.compile(rf"(?i)\b[a-z]{{2}}\d{{2}}(?:{_GAP}[a-z0-9]{{4}}){{2,7}}(?:{_GAP}[a-z0-9]{{1,4}})?\b")
_CARD = re.compile(rf"{_START}(?:\d{_GAP}){{12,18}}\d(?!\w)")
_PHONE = re.compile(
    rf"{_START}(?:\+\s?\(?\d{_SEPARATED}{{6,13}}"
    rf"|{_NO_DATE}\(?0\d{_SEPARATED}{{5,13}}"
    rf"|{_NO_DATE}(?:\d{_GAP}){{8,11}}\d"
    r"|\(?\d{3}\)?[\s.-]?\d{3}[.-]\d{4}|\(\d{3}\)\s?\d{3}\s?\d{4}|\d{3}-\d{4})(?!\w)"
)


def mask(text: str) -> str:
    """Replace what looks like an e-mail address, an IBAN, a card number or a phone number.

    Rather too much than too little: a long order number may be masked as well. Dates,
    times and decimal fractions stay. Names and postal addresses are not recognised.
    """
    text = _EMAIL.sub("[e-mail]", text)
    text = _IBAN.sub(lambda m: "[IBAN]" if sum(map(str.isdigit, m.group())) >= 10 else m.group(), text)
    text = _CARD.sub("[card number]", text)
    return _PHONE.sub("[phone]", text)


def shown(value: Any) -> dict[str, Any]:
    """A value as masked text, cut where it is long: `text`, and `cut`, the number of characters left out."""
    value = redact_value(value)
    text = mask(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return {"text": text[:CUT], "cut": max(0, len(text) - CUT)}


def percent(share: float | None) -> str:
    """0.8531 as `85.3 %`."""
    return UNKNOWN if share is None else f"{100 * share:.1f}{SPACE}%"


def at_least(share: float | None) -> str:
    """A guaranteed share as a percentage, rounded down."""
    return UNKNOWN if share is None else f"{math.floor(1000 * share + 1e-9) / 10:.1f}{SPACE}%"


def points(difference: float | None) -> str:
    """A difference of shares in signed points; never rounded to a bare zero."""
    if difference is None:
        return UNKNOWN
    number = 100 * difference
    text = f"{number:+.1f}" if abs(number) >= 0.05 else f"{number:+.2g}" if number else "0.0"
    return text.replace("-", "−")


def interval(bounds: Sequence[float]) -> str:
    """Bounds of a share: `85.2 to 95.2 %`."""
    low, high = bounds
    return f"{100 * low:.1f} to {percent(high)}"


def count(number: float | None) -> str:
    """A whole number with thousands separators."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def milliseconds(number: float | None) -> str:
    """Rounded, and `< 1` rather than 0."""
    return UNKNOWN if number is None else f"{number:,.0f}" if number >= 1 or number == 0 else f"<{SPACE}1"


def rate(number: float | None) -> str:
    """Requests a second to three digits, without exponent."""
    if number is None:
        return UNKNOWN
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def dollars(number: float | None) -> str:
    """US dollars a call to two significant digits, without exponent."""
    if number is None:
        return UNKNOWN
    digits = 2 if number == 0 or number >= 1 else 1 - math.floor(math.log10(abs(number)))
    return f"{number:,.{digits}f}"


def level(share: float) -> str:
    """A confidence level: 0.975 as `97.5 %`."""
    return f"{100 * share:.4g}{SPACE}%"


def probability(p: float) -> str:
    """A p-value to four decimals."""
    return f"{p:.4f}" if p >= 0.0001 else "below 0.0001"


def sentence(text: str, end: str = ".") -> str:
    """With a capital letter, and an end."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + end


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: `Attacks, faults and load`."""
    small = [*names[:1], *(name[:1].lower() + name[1:] for name in names[1:])]
    return " and ".join([", ".join(small[:-1]), small[-1]] if len(small) > 1 else small)


def moment(made: str) -> str:
    """An ISO time as `2 March 2026, 10:04 UTC`."""
    try:
        found = datetime.datetime.fromisoformat(made)
    except ValueError:
        return made
    zone = " UTC" if found.utcoffset() == datetime.timedelta(0) else found.strftime(" %z").rstrip()
    return f"{found.day} {found:%B %Y, %H:%M}{zone}"
