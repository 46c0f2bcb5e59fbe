"""Secrets made at random in the formats of their providers, and harmless texts that resemble them.

Nothing here is a real key, and none is stored: a benchmark makes them when it runs.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ANY = LOWER + UPPER + DIGITS
HEX = DIGITS + "abcdef"
URL_SAFE = ANY + "-_"


def secret(rng: random.Random) -> str:
    """A secret with the words around it."""
    return rng.choice(SECRETS)(rng)


def harmless(rng: random.Random) -> str:
    """A text that a careless search would take for a secret."""
    return rng.choice(HARMLESS)(rng)


def unknown_secret(rng: random.Random) -> str:
    """A secret of a format that shipworthy's table does not name."""
    return rng.choice(UNKNOWN)(rng)


def _some(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _web_token(rng: random.Random) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": _some(rng, DIGITS, 10), "exp": rng.randrange(10**9)}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, _some(rng, URL_SAFE, 43)])


def _private_key(rng: random.Random) -> str:
    kind = rng.choice(["RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", ""])
    body = "\n".join(_some(rng, ANY + "+/", 64) for _ in range(6))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


def _password(rng: random.Random) -> str:
    """As people make them: a word, digits and a sign."""
    word = _some(rng, UPPER, 1) + _some(rng, LOWER, rng.randint(5, 9))
    return f"{word}{rng.randrange(10, 9999)}{rng.choice('!?#$')}"


def _assigned(rng: random.Random) -> str:
    name = rng.choice(
        ["api_key", "API-KEY", "client_secret", "DB_PASSWORD", "auth_token", "aws_secret_access_key"]
    )
    value = _some(rng, ANY + "/+", 40) if name.startswith("aws") else _some(rng, ANY, rng.randint(16, 40))
    return rng.choice(['{} = "{}"', "{}={}", "{}: {}", '"{}": "{}"']).format(name, value)


SECRETS: list[Callable[[random.Random], str]] = [
    lambda r: rf"{r.choice(['AKIA', 'ASIA'])}{_some(r, UPPER + '234567', 16)}",
    lambda r: f"gh{r.choice('pousr')}_{_some(r, ANY, 36)}",
    lambda r: f"github_pat_{_some(r, ANY, 22)}_{_some(r, ANY, 59)}",
    lambda r: f"glpat-{_some(r, URL_SAFE, 20)}",
    lambda r: f"xoxb-{_some(r, DIGITS, 12)}-{_some(r, DIGITS, 13)}-{_some(r, ANY, 24)}",
    lambda r: (
        f"https://hooks.slack.com/services/T{_some(r, UPPER, 8)}/B{_some(r, UPPER, 8)}/{_some(r, ANY, 24)}"
    ),
    lambda r: f"sk-{_some(r, ANY, 48)}",
    lambda r: f"sk-proj-{_some(r, URL_SAFE, 120)}",
    lambda r: f"sk-ant-api03-{_some(r, URL_SAFE, 93)}AA",
    lambda r: f"gsk_{_some(r, ANY, 52)}",
    lambda r: f"hf_{_some(r, LOWER + UPPER, 34)}",
    lambda r: f"AIza{_some(r, URL_SAFE, 35)}",
    lambda r: f"GOCSPX-{_some(r, URL_SAFE, 28)}",
    lambda r: f"{r.choice('sr')}k_{r.choice(['live', 'test'])}_{_some(r, ANY, 24)}",
    lambda r: f"SG.{_some(r, URL_SAFE, 22)}.{_some(r, URL_SAFE, 43)}",
    lambda r: f"SK{_some(r, HEX, 32)}",
    lambda r: f"key-{_some(r, HEX, 32)}",
    lambda r: f"npm_{_some(r, ANY, 36)}",
    lambda r: f"pypi-AgEIcHlwaS5vcmc{_some(r, URL_SAFE, 150)}",
    lambda r: f"dop_v1_{_some(r, HEX, 64)}",
    lambda r: f"dapi{_some(r, HEX, 32)}",
    lambda r: f"{_some(r, '123456789', 10)}:AA{_some(r, URL_SAFE, 33)}",
    lambda r: f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={_some(r, ANY + '+/', 86)}==",
    _web_token,
    _private_key,
    lambda r: f"postgres://{_some(r, LOWER, 6)}:{_password(r)}@db.{_some(r, LOWER, 8)}.com:5432/shop",
    lambda r: f"https://admin:{_some(r, ANY, 12)}@{_some(r, LOWER, 8)}.org/path",
    lambda r: f"Authorization: Bearer {_some(r, ANY, 40)}",
    lambda r: f"Authorization: Basic {base64.b64encode(f'bob:{_password(r)}'.encode()).decode()}",
    _assigned,
    _assigned,
    lambda r: f"password: {_password(r)}",
    lambda r: f"my password is {_password(r)}",
]

HARMLESS: list[Callable[[random.Random], str]] = [
    lambda r: f"order {_some(r, DIGITS, 14)}",
    lambda r: f"reference {uuid.UUID(int=r.getrandbits(128))}",
    lambda r: f"commit {_some(r, HEX, 40)}",
    lambda r: f"md5 {_some(r, HEX, 32)}",
    lambda r: f"tracking 1Z{_some(r, UPPER + DIGITS, 16)}",
    lambda r: f"see https://example.com/{_some(r, LOWER, 9)}/{_some(r, ANY, 30)}?id={_some(r, DIGITS, 9)}",
    lambda r: f"DE{_some(r, DIGITS, 20)}",
    lambda r: f"card {_some(r, DIGITS, 16)}",
    lambda r: f"mail {_some(r, LOWER, 12)}.{_some(r, LOWER, 9)}{_some(r, DIGITS, 3)}@example.com",
    lambda r: f"my password is {r.choice(['incorrect', 'forgotten', 'no longer accepted'])}",
    lambda r: f"password: {r.choice(['please', 'forgotten', 'where can i change it'])}",
    lambda r: f"the access token is {r.choice(['expired', 'refused', 'not valid any more'])}",
    lambda r: f"at 2026-0{r.randint(1, 9)}-1{r.randint(0, 9)}T10:{r.randint(10, 59)}:00Z",
    lambda r: f"version {r.randint(1, 9)}.{r.randint(0, 99)}.{r.randint(0, 9)}-beta{r.randint(1, 9)}",
    lambda r: "api_key = YOUR_API_KEY",
    lambda r: "https://user:<password>@example.com",
]

UNKNOWN: list[Callable[[random.Random], str]] = [
    lambda r: f"glsa_{_some(r, ANY, 32)}_{_some(r, HEX, 8)}",
    lambda r: f"PMAK-{_some(r, HEX, 24)}-{_some(r, HEX, 34)}",
    lambda r: f"NRAK-{_some(r, UPPER + DIGITS, 27)}",
    lambda r: f"pat{_some(r, ANY, 14)}.{_some(r, HEX, 64)}",
    lambda r: f"sntrys_{_some(r, ANY, 60)}",
    lambda r: f"nfp_{_some(r, ANY, 36)}",
    lambda r: f"sl.{_some(r, URL_SAFE, 130)}",
    lambda r: f"the cloud key is {_some(r, URL_SAFE, 40)}",
    lambda r: f"the secret {_some(r, ANY + '/+', 40)}",
    lambda r: f"log in with {_password(r)}",
    lambda r: f"the passphrase is {' '.join(_some(r, LOWER, r.randint(4, 8)) for _ in range(4))}",
    lambda r: f"pin {_some(r, DIGITS, 6)}",
]
