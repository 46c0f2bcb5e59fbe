"""Wheels: the package that is running, for a version to take along, and any other made of bytes.

The same contents give the same bytes. A code that differs by one byte has another version, so that
neither pip nor uv nor MLflow ever takes one for the other from a cache.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import io
import re
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..errors import MissingExtraError, SourceError
from ..examples import atomic_write, digest_of
from ..lms import cache_folder

PACKAGE = __name__.partition(".")[0]
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can hold."""

WHEEL = "Wheel-Version: 1.0\nGenerator: shipworthy\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
LEFT_OUT = ("__pycache__", "tests")


def wheel_name(name: str, version: str) -> str:
    """The file name of a wheel of pure Python, by PEP 427."""
    return f"{_escaped(name)}-{version}-py3-none-any.whl"


def wheel_bytes(name: str, version: str, files: Mapping[str, bytes], about: Mapping[str, bytes]) -> bytes:
    """A wheel of pure Python, the same for the same contents.

    Args:
        files: by path in site-packages.
        about: by path in `.dist-info`: METADATA, which must state this name and version, and more;
            WHEEL and RECORD are added.
    """
    info = f"{_escaped(name)}-{version}.dist-info"
    whole = {**files, **{f"{info}/{path}": data for path, data in about.items()}}
    whole = {path: whole[path] for path in sorted(whole)} | {f"{info}/WHEEL": WHEEL.encode()}
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path, data in whole.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([path, f"sha256={digest}", len(data)])
    rows.writerow([f"{info}/RECORD", "", ""])
    whole[f"{info}/RECORD"] = record.getvalue().encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in whole.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def write_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, bytes], about: Mapping[str, bytes]
) -> Path:
    """Write a wheel into a folder, whole or not at all; see `wheel_bytes`.

    Raises:
        StorageError: the disk.
    """
    path = folder / wheel_name(name, version)
    atomic_write(path, wheel_bytes(name, version, files, about))
    return path


def runtime_wheel(folder: Path | None = None) -> Path:
    """The package that is running, as a wheel; its version ends in a digest of what is in it.

    Where it was installed from, and how (an editable one, say), makes no difference. Without
    `folder` it lies in the cache folder, and is made once.

    Raises:
        MissingExtraError: the package is imported from a folder, and was never installed.
        SourceError: it cannot be read.
        StorageError: the disk.
    """
    files = _package()
    about = _about()
    stated = importlib.metadata.version(PACKAGE).partition("+")[0]
    metadata = re.sub(rb"(?m)^Version: .*$", b"Version: @", about["METADATA"], count=1)
    content = {**files, **about, "METADATA": metadata}
    version = f"{stated}+{digest_of({path: digest_of(data) for path, data in content.items()})[:8]}"
    about["METADATA"] = metadata.replace(b"Version: @", f"Version: {version}".encode(), 1)
    folder = cache_folder() / "wheels" if folder is None else folder
    path = folder / wheel_name(PACKAGE, version)
    info = f"{_escaped(PACKAGE)}-{version}.dist-info"
    whole = {**files, **{f"{info}/{name}": data for name, data in about.items()}}
    return path if _holds(path, whole, info) else write_wheel(folder, PACKAGE, version, files, about)


def _package() -> dict[str, bytes]:
    files = {}
    for root in map(Path, sys.modules[PACKAGE].__path__):
        for path in sorted(root.rglob("*")):
            parts = path.relative_to(root).parts
            hidden = any(part in LEFT_OUT or part.startswith(".") for part in parts)
            if hidden or path.suffix in (".pyc", ".pyo") or not path.is_file():
                continue
            try:
                files[str(PurePosixPath(PACKAGE, *parts))] = path.read_bytes()
            except OSError as error:
                raise SourceError(
                    f"this file of the package cannot be read: {error.strerror}",
                    hint="install shipworthy again",
                    where=str(path),
                ) from error
    return files


def _about() -> dict[str, bytes]:
    """METADATA, entry points and licences, as they were installed."""
    try:
        installed = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtraError("compile", "the package shipworthy itself") from error
    found = {"METADATA": (installed.read_text("METADATA") or "").encode()}
    points = installed.read_text("entry_points.txt")
    if points:
        found["entry_points.txt"] = points.encode()
    for file in installed.files or ():
        if len(file.parts) == 3 and file.parts[0].endswith(".dist-info") and file.parts[1] == "licenses":
            found["/".join(file.parts[1:])] = file.read_binary()
    return found


def _holds(path: Path, files: Mapping[str, bytes], info: str) -> bool:
    """Whether this wheel is there and whole, and has exactly these files beside its own two."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, zlib.error):
        return False
    own = {f"{info}/{name}": found.pop(f"{info}/{name}", b"") for name in ("WHEEL", "RECORD")}
    return found == files and all(own.values())


def _escaped(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
