"""The registry: MLflow holds every version; names are resolved without importing it."""

from .local import NAME, Resolved, parse_name, resolve, tracking_uri
from .versions import Registry

__all__ = ["NAME", "Registry", "Resolved", "parse_name", "resolve", "tracking_uri"]
