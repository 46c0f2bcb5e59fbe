"""Export: a version, or an artifact, as a folder or as a wheel to install and import.

The folder is the artifact with its certificate beside it; `run` and `load_artifact` take it. The
wheel is a package that holds the same, and a typed function; it needs the lean half of shipworthy,
what the program's own functions import, and DSPy where its LM is a hosted one.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ArtifactError, InputError, NotFoundError
from ..examples import atomic_folder, write_files
from ..lift import find_project, module_source, package_name
from ..registry import (
    CERTIFICATE,
    PAGE,
    Registry,
    Resolved,
    certificate_folder,
    facts_of,
    own_packages,
    tracking_uri,
    wheel_name,
    write_wheel,
)
from ..runtime import MANIFEST, Program, check_manifest, load_artifact, root_of
from .loading import resolve_program

REASON = 300
"""Characters of a reason that a docstring shows."""


@dataclass(frozen=True)
class _Exported:
    """What is exported: the files by their place, the program, and what its certificate says."""

    program: Program
    version: str
    number: int | None
    root: str
    files: dict[str, bytes]
    page: dict[str, bytes]

    @property
    def summary(self) -> list[str]:
        """A line each."""
        data = json.loads(self.page[CERTIFICATE]) if self.page else None
        return summary_of(self.program, self.version, data)


def export(
    program: str | Path,
    out: str | Path,
    *,
    wheel: bool = False,
    package: str | None = None,
    force: bool = False,
    project: str | Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write a version, or an artifact, as a folder or as a wheel; see `shipworthy export --help`.

    Args:
        program: `triage`, `triage@champion`, `triage/3`, or an artifact's folder.
        out: the folder to be; with `wheel` the folder that the wheel is put into, or its file.
        wheel: as it is where `out` ends in `.whl`.
        package: name of the package in the wheel; by default the program's.
        force: whether an export that is there already is replaced.

    Returns:
        The folder, or the wheel, whose file name says its version.

    Raises:
        NotFoundError: there is no such program, alias, version or folder.
        InputError: something is there already, or the program's name cannot be a package's.
        ArtifactError: it is damaged, or not what the registry says it is.
        RegistryError: the registry cannot be read.
        StorageError: the disk; nothing is half-written.
    """
    place = Path(out)
    if package is not None and not (wheel or place.suffix == ".whl"):
        raise InputError("only a wheel has a package", hint="add --wheel")
    found = _found(program, project, say)
    if wheel or place.suffix == ".whl":
        return _as_wheel(found, place, package or found.program.name, force=force, say=say)
    return _as_folder(found, place, force=force)


def summary_of(program: Program, version: str, certificate: Mapping[str, Any] | None) -> list[str]:
    """What a certificate says of a program, a line each, for people who only see a docstring.

    Args:
        certificate: its JSON; None for a program that has none.
    """
    lm = program.spec.lm
    lines = [f"Program {version}, digest {program.digest[:12]}, on {lm.name if lm else 'no LM'}."]
    if certificate is None:
        return [*lines, "It has no certificate."]
    kind = "quick certificate" if certificate.get("quick") else "full certificate"
    lines.append(f"Verdict of its {kind}: {certificate['verdict']}.")
    figures = certificate.get("compiled")
    if figures:
        low, high = figures["ci"]
        lines.append(
            f"Score {100 * figures['score']:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}) "
            f"on {figures['n']} test rows."
        )
    else:
        lines.append("Nothing of it could be scored.")
    return [*lines, *(f"- {_line(str(reason))[:REASON]}" for reason in certificate.get("reasons", ()))]


def _found(program: str | Path, project: str | Path | None, say: Callable[[str], None]) -> _Exported:
    found = resolve_program(program, project=project)
    if isinstance(found, Path):
        folder, number, loaded = found, None, load_artifact(found)
        version = loaded.name
        certificate = _beside(found, loaded.digest)
    else:
        for line in found.said:
            say(line)
        folder, number, version = found.artifact, found.version, f"{found.name}/{found.version}"
        loaded = load_artifact(folder, version=version, root=found.root)
        certificate = _registered(found, project)
    root = root_of(folder)
    files = {**check_manifest(folder, root=root), MANIFEST: (folder / MANIFEST).read_bytes()}
    page = {}
    if certificate is None:
        say(f"{version} has no certificate: the export is without its page")
    else:
        page = {name: (certificate / name).read_bytes() for name in (PAGE, CERTIFICATE)}
        if json.loads(page[CERTIFICATE]).get("digest") != loaded.digest:
            raise ArtifactError("this certificate is of another program", where=str(certificate))
    return _Exported(loaded, version, number, root, files, page)


def _registered(found: Resolved, project: str | Path | None) -> Path | None:
    home = Path(project) if project else find_project(Path.cwd())
    try:
        registry = Registry(tracking_uri(home))
        return certificate_folder(registry, facts_of(registry.reader, found.name, found.version))
    except NotFoundError:
        return None


def _beside(artifact: Path, digest: str) -> Path | None:
    """The certificate of an artifact's folder: in it, where it was exported; or among its project's."""
    places = [artifact]
    if artifact.parent.parent.name == "compiled":
        places.append(artifact.parents[2] / "certificates" / artifact.parent.name / artifact.name)
    for place in places:
        try:
            whole = all((place / name).is_file() for name in (PAGE, CERTIFICATE))
            if whole and json.loads((place / CERTIFICATE).read_bytes()).get("digest") == digest:
                return place
        except (OSError, ValueError, AttributeError):  # what is no certificate is none of this program
            continue
    return None


def _as_folder(found: _Exported, out: Path, *, force: bool) -> Path:
    _check_free(out, force=force)
    with atomic_folder(out.absolute()) as temporary:
        write_files(temporary, {**found.files, **found.page})
    return out.absolute()


def _as_wheel(found: _Exported, out: Path, name: str, *, force: bool, say: Callable[[str], None]) -> Path:
    package = package_name(name)
    number = found.number
    version = str(number) if number is not None else f"0+{found.program.digest[:8]}"
    file = wheel_name(package, version)
    folder = out.parent if out.suffix == ".whl" else out
    path = (folder / file).absolute()
    if out.suffix == ".whl" and out.name != file:
        say(f"the wheel is {file}: installers take no other name for it")
    if folder.exists() and not folder.is_dir():
        raise InputError("this is a file", hint="name a folder for the wheel", where=str(folder))
    if path.exists() and not force:
        raise InputError("this wheel exists", hint="add --force to replace it", where=str(path))
    source = module_source(
        package, found.program.contract, version=found.version, root=found.root, summary=found.summary
    )
    files = {
        f"{package}/__init__.py": source.encode(),
        f"{package}/py.typed": b"",
        **{f"{package}/{name}": data for name, data in found.page.items()},
        **{f"{package}/artifact/{name}": data for name, data in found.files.items()},
    }
    about = {"METADATA": _metadata(found, package, version).encode()}
    return write_wheel(path.parent, package, version, files, about)


def _metadata(found: _Exported, package: str, version: str) -> str:
    own = own_packages(found.program)
    requires = [_lean(), *(f"{name}=={importlib.metadata.version(name)}" for name in own)]
    head = [
        "Metadata-Version: 2.1",
        f"Name: {package}",
        f"Version: {version}",
        f"Summary: {_line(found.version)}, a program compiled and certified by shipworthy",
        "Requires-Python: >=3.11",
        "Classifier: Typing :: Typed",
        *(f"Requires-Dist: {one}" for one in requires),
        "Description-Content-Type: text/plain",
    ]
    return "\n".join([*head, "", *found.summary, ""])


def _lean() -> str:
    """shipworthy as it is here, or a later one of the same minor version, which renders the same prompts."""
    own = importlib.metadata.version("shipworthy").partition("+")[0]
    major, minor = (int(part) for part in re.findall(r"\d+", own)[:2])
    return f"shipworthy>={own},<{major}.{minor + 1}"


def _check_free(out: Path, *, force: bool) -> None:
    """Refuse to replace anything but an earlier export, and that only if it is asked for."""
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError("this is a file", hint="name another folder", where=str(out))
    if not any(out.iterdir()):
        return
    if not (out / MANIFEST).is_file():
        raise InputError("this folder holds something else", hint="name another folder", where=str(out))
    if not force:
        raise InputError("this export exists", hint="add --force to replace it", where=str(out))


def _line(text: str) -> str:
    return " ".join(text.split())
