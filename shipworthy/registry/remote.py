"""A tracking server asked over REST: which version a name stands for, and its files.

Files are kept in the user's cache folder by digest, so that each is fetched once.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import NotFoundError, RegistryError
from ..examples import atomic_folder
from ..lms import cache_folder
from ..runtime import check_manifest
from .local import CHAMPION, Resolved

TIMEOUT_S = 30
DIGEST_TAG = "shipworthy.digest"
FOLDER_TAG = "shipworthy.folder"


def resolve_remote(name: str, alias: str | None, version: int | None, *, uri: str) -> Resolved:
    """As `resolve`, over REST.

    Raises:
        NotFoundError: there is no such program, alias or version.
        RegistryError: the server does not answer, or not as MLflow does.
    """
    api = f"{uri.rstrip('/')}/api/2.0/mlflow"
    said = ""
    if version is not None:
        found = _get(f"{api}/model-versions/get", name=name, version=str(version))["model_version"]
    else:
        try:
            found = _get(f"{api}/registered-models/alias", name=name, alias=alias or CHAMPION)[
                "model_version"
            ]
        except NotFoundError:
            if alias is not None:
                raise
            found = _newest(api, name)
            said = f"{name} has no champion; using the newest version, {found['version']}"
    tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", [])}
    if DIGEST_TAG not in tags or FOLDER_TAG not in tags:
        raise NotFoundError(f"{name}/{found['version']} was not made by shipworthy", where=uri)
    source = _get(f"{api}/model-versions/get-download-uri", name=name, version=str(found["version"]))
    artifact = _fetch(uri, str(source["artifact_uri"]), tags[FOLDER_TAG], tags[DIGEST_TAG])
    return Resolved(name, int(found["version"]), artifact, tags[DIGEST_TAG], said)


def _newest(api: str, name: str) -> dict[str, Any]:
    quoted = name.replace("'", "''")
    answer = _get(
        f"{api}/model-versions/search",
        filter=f"name = '{quoted}'",
        order_by="version_number DESC",
        max_results="1",
    )
    found = answer.get("model_versions", [])
    if not found:
        raise NotFoundError(
            f"no program {name!r} is registered", hint="`shipworthy ship` registers one", where=api
        )
    newest: dict[str, Any] = found[0]
    return newest


def _fetch(uri: str, source: str, folder: str, digest: str) -> Path:
    target = cache_folder() / "artifacts" / PurePosixPath(digest).name
    if target.exists():
        return target
    parsed = urllib.parse.urlparse(source)
    if parsed.scheme != "mlflow-artifacts":
        raise RegistryError(
            f"the server keeps its artifacts at {parsed.scheme}:, not behind itself",
            hint="start it with --serve-artifacts and --artifacts-destination",
            where=uri,
        )
    root = f"{parsed.path.strip('/')}/{folder}"
    base = f"{uri.rstrip('/')}/api/2.0/mlflow-artifacts/artifacts"
    with atomic_folder(target) as temporary:
        _fetch_folder(base, root, temporary)
        check_manifest(temporary)
    return target


def _fetch_folder(base: str, root: str, folder: Path) -> None:
    for file in _get(base, path=root).get("files", []):
        name = PurePosixPath(str(file["path"])).name
        if name in ("", ".", ".."):
            continue
        if file.get("is_dir"):
            (folder / name).mkdir()
            _fetch_folder(base, f"{root}/{name}", folder / name)
        else:
            (folder / name).write_bytes(_request(f"{base}/{urllib.parse.quote(f'{root}/{name}')}"))


def _get(url: str, **query: str) -> dict[str, Any]:
    data = _request(f"{url}?{urllib.parse.urlencode(query)}")
    try:
        answer: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise RegistryError("the tracking server does not answer in JSON", where=url) from error
    return answer


def _request(url: str) -> bytes:
    request = urllib.request.Request(url)
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    elif user and password:
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {encoded}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read()
            return data
    except urllib.error.HTTPError as error:
        if error.code in (400, 404):
            raise NotFoundError("the registry has no such program, alias or version", where=url) from error
        raise RegistryError(
            f"the tracking server says {error.code} {error.reason}",
            hint="check MLFLOW_TRACKING_URI and its user, password or token",
            where=url,
        ) from error
    except (urllib.error.URLError, OSError) as error:
        raise RegistryError(
            f"the tracking server does not answer: {error}", hint="check MLFLOW_TRACKING_URI", where=url
        ) from error
