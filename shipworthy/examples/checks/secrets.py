"""Find keys, tokens and passwords in rows, since rows are sent to LMs and kept in artifacts.

What is found is named by kind and place, never by its text. The table below is our own: each
pattern is a provider's published format, or a word such as `password` before something random.
Each quantifier is bounded, so that a hostile text cannot make the search slow.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Check = Callable[[str], bool]


@dataclass(frozen=True)
class Secret:
    """Where a secret stands in a text.

    Attributes:
        what: its kind, such as `GitHub token`.
        start: of the first character of the secret itself.
        end: behind its last character.
        hint: up to four leading characters where these are the format's own and give nothing
            away, else empty.
    """

    what: str
    start: int
    end: int
    hint: str


def find_secrets(text: str) -> tuple[Secret, ...]:
    """The secrets in a text, in order, no two overlapping.

    Known formats are recognised by their prefix and length; what follows `password:`, `api_key=`,
    `Bearer` and the like counts if it looks random. A password that is made of plain
    words is not found, and a random identifier that follows such a word is a false alarm.
    """
    if not _MAYBE.search(text):
        return ()
    found: list[Secret] = []
    for pattern in PATTERNS:
        if pattern.needs and not any(word in text for word in pattern.needs):
            continue
        for match in pattern.regex.finditer(text):
            start, end = match.span(match.lastindex or 0)
            if pattern.bounded and match.start() and text[match.start() - 1].isalnum():
                continue
            if any(start < other.end and other.start < end for other in found):
                continue
            if pattern.check(match.group(match.lastindex or 0)):
                hint = text[start : start + 4] if pattern.shown else ""
                found.append(Secret(pattern.what, start, end, hint))
    return tuple(sorted(found, key=lambda secret: secret.start))


def redact(text: str) -> str:
    """The text with each secret in it replaced by `…`."""
    for secret in reversed(find_secrets(text)):
        text = f"{text[: secret.start]}…{text[secret.end :]}"
    return text


def redact_value(value: Any, *, key: str = "") -> Any:
    """A JSON value with each secret in its texts replaced by `…`; a key may say what its text is."""
    if isinstance(value, str):
        lead = f"{key}: " if key else ""
        found = redact(lead + value)
        return found.removeprefix(lead) if found.startswith(lead) else redact(value)
    if isinstance(value, Mapping):
        return {name: redact_value(inner, key=str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(inner, key=key) for inner in value]
    return value


def holds_secret(row: Mapping[str, Any]) -> bool:
    """Whether any column of a row holds what looks like a secret."""
    return any(find_secrets(text) for value in row.values() for text in texts_in(value))


def texts_in(value: Any) -> Iterator[str]:
    """The texts of a value, those inside lists and mappings included.

    What stands under a key is given as `key: text`, since the key says what it is.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from (f"{key}: {text}" for text in texts_in(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def _any(_: str) -> bool:
    return True


def _entropy(text: str) -> float:
    """Bits a character of the text's own character frequencies (Shannon 1948)."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


def _looks_random(text: str) -> bool:
    """Whether it is more like a key than like a word: letters and digits, and little repetition."""
    if _PLACEHOLDER.search(text):
        return False
    digits = any(c.isdigit() for c in text)
    letters = any(c.isalpha() for c in text)
    return digits and letters and _entropy(text) >= 2.75


def _looks_encoded(text: str) -> bool:
    """As above, for long tokens that stand alone: both cases too, since hexadecimal is mostly a checksum."""
    cases = any(c.islower() for c in text) and any(c.isupper() for c in text)
    return cases and _looks_random(text) and _entropy(text) >= 3.5


def _not_placeholder(text: str) -> bool:
    return not _PLACEHOLDER.search(text)


_PLACEHOLDER = re.compile(
    r"^[<{$%\[(*]|\*{3}|x{5}|\.{3}|…|^(?:your|my|the|some|example|changeme|placeholder|redacted|password"
    r"|passwd|pass|pwd|secret|token|none|null)(?:[^0-9A-Za-z].*)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pattern:
    """One line of the table.

    Attributes:
        what: the kind that is reported.
        regex: what it looks like; the secret itself is its last group, if it has one.
        shown: whether the first four characters are the format's own.
        needs: texts of which one must occur, which is quicker than the search.
        check: what else the secret must fulfil.
        bounded: no letter or digit may stand before it.
    """

    what: str
    regex: re.Pattern[str]
    shown: bool = True
    needs: tuple[str, ...] = ()
    check: Check = _any
    bounded: bool = True


def _format(what: str, regex: str, *needs: str, check: Check = _any) -> Pattern:
    return Pattern(what, re.compile(regex), needs=needs, check=check)


_NAMES = (
    r"(?:api[ _-]?key|access[ _-]?key|secret[ _-]?key|private[ _-]?key|auth[ _-]?key|account[ _-]?key"
    r"|encryption[ _-]?key|signing[ _-]?key|client[ _-]?secret|secret|token|passw(?:or)?d|passwort|passphrase"
    r"|passcode|pwd|credentials?)"
)
_NOT_NAMES = r"(?![\w-]{0,30}(?:_id|_name|_count|_type|_url|_path|_file|_hint|_length|_policy|_at)\b)"

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "private key",
        # What follows belongs to it, up to the next dash: the closing line, or the next header.
        re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----[^-]{0,8000}"),
        shown=False,
        needs=("PRIVATE KEY",),
        bounded=False,
    ),
    _format("age secret key", r"AGE-SECRET-KEY-1[A-Z0-9]{50,70}", "AGE-SECRET"),
    _format(
        "AWS access key",
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
        "AKIA",
        "ASIA",
        "ABIA",
        "ACCA",
    ),
    _format("GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,255}", "gh"),
    _format("GitHub token", r"github_pat_[A-Za-z0-9_]{22,255}", "github_pat_"),
    _format("GitLab token", r"gl(?:pat|ptt|dt|rt|soat|ft|agent|cbt|imt)-[A-Za-z0-9_-]{20,255}", "gl"),
    _format("Slack token", r"xox[abceoprs]-[A-Za-z0-9-]{10,255}", "xox", check=_looks_random),
    _format("Slack token", r"xapp-\d-[A-Za-z0-9-]{10,255}", "xapp-"),
    _format(
        "Slack webhook",
        r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,200}",
        "hooks.slack",
    ),
    _format(
        "Discord webhook", r"https://discord(?:app)?\.com/api/webhooks/\d{5,30}/[\w-]{20,200}", "/webhooks/"
    ),
    _format("Anthropic key", r"sk-ant-[A-Za-z0-9_-]{20,255}", "sk-ant-"),
    _format("LM provider key", r"sk-or-v1-[0-9a-f]{40,80}", "sk-or-"),
    _format("LM provider key", r"sk-[A-Za-z0-9_-]{20,255}", "sk-", check=_looks_random),
    _format("LM provider key", r"gsk_[A-Za-z0-9]{40,80}", "gsk_"),
    _format("LM provider key", r"xai-[A-Za-z0-9]{60,100}", "xai-"),
    _format("LM provider key", r"pplx-[A-Za-z0-9]{32,80}", "pplx-"),
    _format("LM provider key", r"r8_[A-Za-z0-9]{37}(?![A-Za-z0-9])", "r8_"),
    _format("Hugging Face token", r"hf_[A-Za-z0-9]{30,80}", "hf_"),
    _format("Google API key", r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])", "AIza"),
    _format("Google OAuth secret", r"GOCSPX-[A-Za-z0-9_-]{20,60}", "GOCSPX-"),
    _format("Google OAuth token", r"ya29\.[0-9A-Za-z_-]{20,500}", "ya29."),
    _format("Stripe key", r"[rs]k_(?:live|test)_[0-9A-Za-z]{16,255}", "k_live_", "k_test_"),
    _format("Stripe webhook secret", r"whsec_[0-9A-Za-z+/]{24,100}", "whsec_"),
    _format("SendGrid key", r"SG\.[\w-]{16,32}\.[\w-]{32,64}", "SG."),
    _format("Twilio key", r"SK[0-9a-f]{32}(?![0-9A-Za-z])", "SK"),
    _format("Mailgun key", r"key-[0-9a-f]{32}(?![0-9A-Za-z])", "key-"),
    _format("npm token", r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])", "npm_"),
    _format("PyPI token", r"pypi-[A-Za-z0-9_-]{50,255}", "pypi-"),
    _format("DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}", "_v1_"),
    _format("Databricks token", r"dapi[0-9a-f]{32}(?![0-9A-Za-z])", "dapi"),
    _format("Shopify token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", "shp"),
    _format("Square token", r"(?:sq0(?:atp|csp)-[\w-]{22,60}|EAAA[\w-]{60})", "sq0", "EAAA"),
    _format("Telegram bot token", r"\d{8,10}:AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])", ":AA"),
    _format("Atlassian token", r"ATATT3[A-Za-z0-9_=-]{50,255}", "ATATT3"),
    _format("Linear key", r"lin_api_[A-Za-z0-9]{30,60}", "lin_api_"),
    _format("Notion token", r"ntn_[A-Za-z0-9]{40,60}", "ntn_"),
    _format("Vault token", r"hv[bsr]\.[A-Za-z0-9_-]{20,300}", "hvs.", "hvb.", "hvr."),
    _format("Doppler token", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,80}", "dp."),
    _format("JSON web token", r"eyJ[\w-]{8,600}\.eyJ[\w-]{8,3000}\.[\w-]{8,1500}", "eyJ"),
    Pattern(
        "Azure storage key",
        re.compile(r"AccountKey=([A-Za-z0-9+/]{40,90}={0,2})"),
        shown=False,
        needs=("AccountKey=",),
    ),
    Pattern(
        "Azure shared access signature",
        re.compile(r"[?&]sig=([A-Za-z0-9%+/]{30,120}={0,2})"),
        shown=False,
        needs=("sig=",),
        bounded=False,
    ),
    Pattern(
        "password in a URL",
        re.compile(r"://[^\s/:@]{0,100}:([^\s/@]{3,200})@[^\s@]"),
        shown=False,
        needs=("://",),
        check=_not_placeholder,
        bounded=False,
    ),
    Pattern(
        "bearer token",
        re.compile(r"(?i:bearer|basic)\s{1,3}([A-Za-z0-9._~+/-]{16,2000}={0,2})"),
        shown=False,
        check=_looks_random,
    ),
    Pattern(
        "assigned secret",
        re.compile(
            rf"(?i:{_NOT_NAMES}{_NAMES}[\w-]{{0,30}}[\"'`]?\s{{0,3}}(?:=>|:=|=|:)\s{{0,3}})[\"'`]?([^\s\"'`,;]{{8,500}})"
        ),
        shown=False,
        check=_looks_random,
        bounded=False,
    ),
    Pattern(
        "password in prose",
        re.compile(
            r"(?i:(?:passw(?:or)?d|passphrase|passcode|pwd|(?:api|access|secret|auth)[ _-]?(?:key|token))"
            r"\s{1,3}(?:is|was|to)\s{1,3})[\"'`]?([^\s\"'`,;]{8,500})"
        ),
        shown=False,
        check=_looks_random,
    ),
    Pattern(
        "random token",
        re.compile(r"(?<![\w+/=.:@-])([A-Za-z0-9+_-]{32,500}={0,2})(?![\w+/=.:@-])"),
        shown=False,
        check=_looks_encoded,
        bounded=False,
    ),
)
"""What is looked for, in this order; of overlapping finds the earlier one counts."""

# Nothing above is found in a text without a long word, a URL or one of these words.
_MAYBE = re.compile(r"\S{16}|://|PRIVATE KEY|(?i:passw|passphrase|passcode|pwd|secret|token|key|credential)")
