"""The registry: MLflow holds every version; names are resolved without importing it."""

from .local import Resolved, parse_name, resolve, tracking_uri
from .versions import Registry

__all__ = ["Registry", "Resolved", "parse_name", "resolve", "tracking_uri"]
