"""Our errors for those of DSPy's provider layer (lm15): one sentence, never a key, and what to do."""

from __future__ import annotations

import os
import re

from ..errors import ContextLengthError, LMError, ShipworthyError

ERRORS: dict[str, tuple[type[ShipworthyError], str]] = {
    "LM15Error": (LMError, "this may be a fault of the provider's API; try again, or another LM"),
    "TransportError": (LMError, "check the connection and the base URL"),
    "LockTimeoutError": (LMError, "another process is refreshing the same credential; try again"),
    "StreamAssemblyError": (LMError, "the provider broke off its reply; try again"),
    "CollectionLimitError": (LMError, "the reply is too long; ask for fewer tokens"),
    "ConfigurationError": (LMError, "check the LM's id and its settings in the environment"),
    "NotConfiguredError": (LMError, "set the provider's API key in the environment"),
    "MissingCredentialError": (LMError, "set the provider's API key in the environment"),
    "UnknownModelError": (LMError, "write provider/model, such as openai/gpt-4o-mini, or use `local`"),
    "AmbiguousModelError": (LMError, "write provider/model, such as openai/gpt-4o-mini"),
    "CapabilityError": (LMError, "use an LM that can do this"),
    "UnsupportedFeatureError": (LMError, "use an LM that can do this"),
    "ToolDerivationError": (LMError, "use an LM that can do this"),
    "ProviderError": (LMError, "check the base URL, or what stands between here and the provider"),
    "AuthError": (LMError, "check the API key in the environment"),
    "BillingError": (LMError, "check the account's balance and quota with the provider"),
    "RateLimitError": (LMError, "use fewer workers, or ask the provider for a higher limit"),
    "InvalidRequestError": (LMError, "this LM does not take such a request; use another one"),
    "ContextLengthError": (ContextLengthError, "shorten this row's text"),
    "UnsupportedModelError": (LMError, "check the model's name, and that the key has access to it"),
    "TimeoutError": (LMError, "try again later, or ask for fewer tokens"),
    "ServerError": (LMError, "try again later"),
}
"""Ours for each of lm15's errors, with the hint; an error not named goes by its nearest base."""

TOO_LONG = re.compile(r"context (size|length|window)", re.IGNORECASE)
"""How servers that have no code of their own for it say that a request is too long."""


def translated(error: Exception, name: str) -> ShipworthyError:
    """Our error for one of lm15's: its first sentence, never a key, and what to do."""
    ours, hint = next(
        (ERRORS[base.__name__] for base in type(error).__mro__ if base.__name__ in ERRORS),
        ERRORS["LM15Error"],
    )
    said = getattr(error, "message", "") or type(error).__name__
    end = (
        ". " if type(error).__name__ == "UnknownModelError" else "\n\n"
    )  # what follows is for its own callers
    message = _without_keys(said.partition(end)[0], error)
    if type(error).__name__ == "InvalidRequestError" and TOO_LONG.search(message):
        ours, hint = ERRORS["ContextLengthError"]
    variables = " or ".join(getattr(error, "env_keys", ()))
    if variables:
        hint = f"set {variables} in the environment to a valid key"
    return ours(f"{name}: {message}", hint=hint)


def _without_keys(message: str, error: Exception) -> str:
    for variable in getattr(error, "env_keys", ()):
        key = os.environ.get(variable, "")
        if key:
            message = message.replace(key, f"${variable}")
    return message
