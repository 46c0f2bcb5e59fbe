"""Read a registry through MLflow's own client: slow to import, and at home in every store."""

from __future__ import annotations

from typing import Any

from .reading import Facts, Tags
from .store import Registry

PAGE = 1000
FEW = 50


class ClientReader:
    """See `Reader`.

    Args:
        registry: opened at anything that MLflow takes.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def tail(self, name: str, since: int) -> dict[int, Tags]:
        """See `Reader`."""
        found: dict[int, Tags] = {}
        token = None
        while True:
            page = self._search(name, PAGE if since <= 1 else FEW, token)
            found.update({int(one.version): one.tags for one in page if int(one.version) >= since})
            token = page.token
            if not token or any(int(one.version) < since for one in page):
                return found

    def version(self, name: str, number: int) -> Facts | None:
        """See `Reader`."""
        client = self._registry.client
        found: Any = None
        location = ""
        with self._registry.errors(missing=True):
            found = client.get_model_version(name, str(number))
            location = str(client.get_model_version_download_uri(name, str(number)))
        return None if found is None else _facts(found, location)

    def versions(self, name: str) -> list[Facts]:
        """See `Reader`."""
        found: list[Any] = []
        token = None
        while True:
            page = self._search(name, PAGE, token)
            found += page
            token = page.token
            if not token:
                break
        by_number = {int(one.version): one for one in found}
        return [_facts(by_number[number], "") for number in sorted(by_number)]

    def newest(self, name: str) -> Facts | None:
        """See `Reader`."""
        page = self._search(name, 1, None)
        return self.version(name, int(page[0].version)) if page else None

    def aliases(self, name: str) -> dict[str, int]:
        """See `Reader`."""
        found: dict[str, Any] = {}
        with self._registry.errors(missing=True):
            found = self._registry.client.get_registered_model(name).aliases
        return {alias: int(version) for alias, version in found.items()}

    def names(self) -> list[str]:
        """See `Reader`."""
        found: list[str] = []
        token = None
        with self._registry.errors():
            while True:
                page = self._registry.client.search_registered_models(max_results=PAGE, page_token=token)
                found += [one.name for one in page]
                token = page.token
                if not token:
                    return sorted(found)

    def _search(self, name: str, most: int, token: str | None) -> Any:
        with self._registry.errors():
            return self._registry.client.search_model_versions(
                f"name = '{name}'",
                max_results=most,
                order_by=["version_number DESC"],
                page_token=token,
            )


def _facts(found: Any, location: str) -> Facts:
    made, run = int(found.creation_timestamp or 0), str(found.run_id or "")
    return Facts(found.name, int(found.version), dict(found.tags), location, made, run)
