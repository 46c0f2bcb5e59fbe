"""Read a tracking server over MLflow's REST API, and fetch the files of versions from it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from ..errors import NotFoundError, RegistryError
from .local import shown_address, without_password
from .reading import Facts, Tags, versions_of

PAGE = 1000
FEW = 50
"""Entries asked for at once where only the newest are wanted."""
LATEST = ["version_number DESC"]


class RestReader:
    """See `Reader`.

    Args:
        uri: of the server; user and password, or a token, come from it or from MLflow's variables.
        timeout_s: for how long each answer is waited for.
    """

    def __init__(self, uri: str, *, timeout_s: float = 30.0) -> None:
        self._timeout_s = timeout_s
        self._uri = without_password(uri).rstrip("/")
        self._shown = shown_address(self._uri)
        self._headers = _authorization(uri)
        self._api = f"{self._uri}/api/2.0/mlflow"

    def tail(self, name: str, since: int) -> dict[int, Tags]:
        """See `Reader`."""
        found: dict[int, Tags] = {}
        token = ""
        while True:
            page, token = self._search(name, PAGE if since <= 1 else FEW, token)
            found.update({one.version: one.tags for one in page if one.version >= since})
            if not token or any(one.version < since for one in page):
                return found

    def version(self, name: str, number: int) -> Facts | None:
        """See `Reader`."""
        asked = {"name": name, "version": str(number)}
        try:
            found = self._get("model-versions/get", asked)["model_version"]
            location = self._get("model-versions/get-download-uri", asked)["artifact_uri"]
        except NotFoundError:
            return None
        return _facts(found, str(location))

    def versions(self, name: str) -> list[Facts]:
        """See `Reader`."""
        found: dict[int, Facts] = {}
        token = ""
        while True:
            page, token = self._search(name, PAGE, token)
            found.update({one.version: one for one in page})
            if not token:
                return [found[number] for number in sorted(found)]

    def newest(self, name: str) -> Facts | None:
        """See `Reader`."""
        page, _ = self._search(name, 1, "")
        return self.version(name, page[0].version) if page else None

    def aliases(self, name: str) -> dict[str, int]:
        """See `Reader`."""
        try:
            found = self._get("registered-models/get", {"name": name})["registered_model"]
        except NotFoundError:
            return {}
        return {one["alias"]: int(one["version"]) for one in found.get("aliases", [])}

    def names(self) -> list[str]:
        """See `Reader`."""
        found: list[str] = []
        token = ""
        while True:
            answer = self._get("registered-models/search", {"max_results": str(PAGE), "page_token": token})
            found += [one["name"] for one in answer.get("registered_models", [])]
            token = str(answer.get("next_page_token") or "")
            if not token:
                return sorted(found)

    def fetch(self, facts: Facts, inside: str) -> bytes:
        """A file of a version; which files there are is never asked of the server.

        Raises:
            NotFoundError: it is not there.
            RegistryError: the server does not hold its artifacts itself, or does not answer.
        """
        parsed = urllib.parse.urlparse(facts.location)
        if parsed.scheme != "mlflow-artifacts":
            raise RegistryError(
                f"the server keeps its artifacts at {parsed.scheme}:, not behind itself",
                hint="start it with --serve-artifacts and --artifacts-destination",
                where=self._shown,
            )
        path = urllib.parse.quote(f"{parsed.path.strip('/')}/{inside}")
        return self._request(f"{self._uri}/api/2.0/mlflow-artifacts/artifacts/{path}")

    def _search(self, name: str, most: int, token: str) -> tuple[list[Facts], str]:
        asked = {"filter": versions_of(name), "order_by": LATEST[0], "max_results": str(most)}
        answer = self._get("model-versions/search", {**asked, "page_token": token} if token else asked)
        found = [_facts(one, "") for one in answer.get("model_versions", [])]
        return found, str(answer.get("next_page_token") or "")

    def _get(self, what: str, query: dict[str, str]) -> dict[str, Any]:
        url = f"{self._api}/{what}?{urllib.parse.urlencode(query)}"
        return _parsed(self._request(url), shown_address(url.partition("?")[0]))

    def _request(self, url: str) -> bytes:
        request = urllib.request.Request(url)
        for key, value in self._headers.items():
            request.add_unredirected_header(key, value)
        where = shown_address(url.partition("?")[0])
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                data: bytes = answer.read()
                return data
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise NotFoundError(
                    "the registry has no such program, alias or version", where=where
                ) from error
            raise RegistryError(
                f"the tracking server says {error.code} {error.reason}",
                hint="check MLFLOW_TRACKING_URI and its user, password or token",
                where=where,
            ) from error
        except http.client.InvalidURL as error:  # whose message holds what may be half a password
            raise RegistryError(
                "this is no address of a tracking server",
                hint="check MLFLOW_TRACKING_URI; in a password, write / as %2F, # as %23, ? as %3F, @ as %40",
                where=where,
            ) from error
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            raise RegistryError(
                f"the tracking server does not answer: {error}", hint="check MLFLOW_TRACKING_URI", where=where
            ) from error


def _facts(found: dict[str, Any], location: str) -> Facts:
    tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", [])}
    made, run = int(found.get("creation_timestamp", 0)), str(found.get("run_id", ""))
    return Facts(str(found["name"]), int(found["version"]), tags, location, made, run)


def _parsed(data: bytes, url: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegistryError("the tracking server does not answer in JSON", where=url) from error
    if not isinstance(answer, dict):
        raise RegistryError("the tracking server answers something else than it was asked", where=url)
    return answer


def _authorization(uri: str) -> dict[str, str]:
    """From the address or, as MLflow's clients do, from the environment."""
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if token:
        return {"Authorization": f"Bearer {token}"}
    stated = urllib.parse.urlsplit(uri)
    user = stated.username or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = stated.password or os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if not user or not password:
        return {}
    pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
