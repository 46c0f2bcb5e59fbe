"""Read a registry through MLflow's own client: slow to import, and at home in every store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .reading import Facts, Tags, versions_of
from .store import Registry, paged

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
        for page in self._pages(name, PAGE if since <= 1 else FEW):
            found.update({int(one.version): one.tags for one in page if int(one.version) >= since})
            if any(int(one.version) < since for one in page):
                break
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
        by_number = {int(one.version): one for page in self._pages(name, PAGE) for one in page}
        return [_facts(by_number[number], "") for number in sorted(by_number)]

    def newest(self, name: str) -> Facts | None:
        """See `Reader`."""
        page = next(self._pages(name, 1))
        return self.version(name, int(page[0].version)) if page else None

    def aliases(self, name: str) -> dict[str, int]:
        """See `Reader`."""
        found: dict[str, Any] = {}
        with self._registry.errors(missing=True):
            found = self._registry.client.get_registered_model(name).aliases
        return {alias: int(version) for alias, version in found.items()}

    def names(self) -> list[str]:
        """See `Reader`."""
        client = self._registry.client
        with self._registry.errors():
            pages = paged(lambda token: client.search_registered_models(max_results=PAGE, page_token=token))
            return sorted(one.name for page in pages for one in page)

    def _pages(self, name: str, most: int) -> Iterator[Any]:
        """The versions of a model, the newest first, so many at once."""
        client = self._registry.client
        with self._registry.errors():
            yield from paged(
                lambda token: client.search_model_versions(
                    versions_of(name),
                    max_results=most,
                    order_by=["version_number DESC"],
                    page_token=token,
                )
            )


def _facts(found: Any, location: str) -> Facts:
    made, run = int(found.creation_timestamp or 0), str(found.run_id or "")
    return Facts(found.name, int(found.version), dict(found.tags), location, made, run)
