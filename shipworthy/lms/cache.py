"""Where this machine keeps what all projects of a user share."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder shared by all projects of this user; `SHIPWORTHY_CACHE` overrides it."""
    override = os.environ.get("SHIPWORTHY_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("shipworthy", appauthor=False))
