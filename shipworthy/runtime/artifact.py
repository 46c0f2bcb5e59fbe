"""The artifact: a compiled program as a folder of files that need no code of its maker.

    program.json        what the program does; its sha256 is the program's digest
    heads.safetensors   arrays of the decision heads
    probes.json         rows with the log-probabilities expected
    provenance.json     where it came from
    manifest.json       sha256 of every other file
    code/DIGEST/        of each step that is a function: its source file, and those that it reads

Everything is verified before it is parsed. What is unknown or altered is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArtifactError, ContractError
from ..examples import atomic_folder, canonical_json, digest_of, write_files
from .contract import Contract
from .data import read_as
from .readout import DecisionHead, Heads, ReadoutHead, StudentHead
from .spec import FORMAT, Code, Extract, HeadSpec, Probe, ProgramSpec, is_inside
from .tagger import Tagger, tags_for
from .tfidf import SEPARATOR, Tfidf

PROGRAM = "program.json"
ARRAYS = "heads.safetensors"
PROBES = "probes.json"
PROVENANCE = "provenance.json"
MANIFEST = "manifest.json"
FILES = (PROGRAM, ARRAYS, PROBES, PROVENANCE)

Arrays = dict[str, np.ndarray[Any, Any]]


def write_artifact(
    folder: Path,
    spec: ProgramSpec,
    heads: Mapping[str, Heads],
    *,
    probes: list[Probe],
    provenance: Mapping[str, Any],
    code: Mapping[str, Code] | None = None,
) -> str:
    """Write an artifact whole or not at all, and return the program's digest.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    from safetensors.numpy import save

    arrays = _arrays(heads)
    files: dict[str, bytes] = {}
    if arrays:
        files[ARRAYS] = save(arrays)
        spec = spec.replace(arrays_sha256=digest_of(files[ARRAYS]))
    files[PROGRAM] = canonical_json(spec.as_json()).encode()
    files[PROBES] = canonical_json([probe.as_json() for probe in probes]).encode()
    for own in (code or {}).values():
        files.update({f"{own.spec.folder}/{path}": data for path, data in own.contents.items()})
    files[PROVENANCE] = json.dumps(provenance, indent=2, sort_keys=True, ensure_ascii=False).encode()
    manifest = {"format": FORMAT, "files": {name: digest_of(data) for name, data in sorted(files.items())}}
    files[MANIFEST] = canonical_json(manifest).encode()
    with atomic_folder(folder) as temporary:
        write_files(temporary, files)
    return digest_of(files[PROGRAM])


def read_artifact(
    folder: Path, *, root: str | None = None
) -> tuple[ProgramSpec, dict[str, Heads], list[Probe], str]:
    """Verify and read an artifact: program, heads by step, probes, and the program's digest.

    Args:
        root: sha256 of its manifest, where that is known from elsewhere.

    Raises:
        ArtifactError: a file is missing, altered, unknown, or of a newer format; it says which.
    """
    files = check_manifest(folder, root=root)
    program = _json(files, PROGRAM, folder)
    if isinstance(program, dict) and program.get("format") != FORMAT:
        raise ArtifactError(
            "this artifact has a format that this version of shipworthy does not know",
            hint="upgrade shipworthy",
            where=str(folder / PROGRAM),
        )
    spec: ProgramSpec = _valid(ProgramSpec, program, folder / PROGRAM)
    _check_whole(spec, files, folder / PROGRAM)
    probes: tuple[Probe, ...] = _valid(tuple[Probe, ...], _json(files, PROBES, folder), folder / PROBES)
    arrays = files.get(ARRAYS)
    if spec.arrays_sha256 != (None if arrays is None else digest_of(arrays)):
        raise ArtifactError(
            "the arrays are not those of the program", hint=_RESTORE, where=str(folder / ARRAYS)
        )
    from safetensors import SafetensorError

    try:
        heads = _heads(spec, arrays)
    except (KeyError, ValueError, IndexError, SafetensorError) as error:
        raise ArtifactError(
            f"the arrays do not fit the program: {error}", hint="compile again", where=str(folder / ARRAYS)
        ) from error
    return spec, heads, list(probes), digest_of(files[PROGRAM])


def read_code_of(folder: Path, spec: ProgramSpec) -> dict[str, Code]:
    """The files of the steps that are functions, each as its digest in the program says.

    Raises:
        ArtifactError: one is missing or altered.
    """
    found = {}
    for name, step in spec.steps.items():
        if (function := step.function) is not None:
            place = folder / function.folder
            found[name] = Code(
                function,
                place.resolve(),
                {path: _verified(place / path, sha256) for path, sha256 in function.files.items()},
            )
    return found


def root_of(folder: Path) -> str:
    """The root hash of an artifact: sha256 of its manifest, which holds those of all other files.

    Raises:
        ArtifactError: there is no manifest.
    """
    return digest_of(_manifest(folder))


def check_manifest(folder: Path, *, root: str | None = None) -> dict[str, bytes]:
    """The files of an artifact, each verified against the manifest.

    Args:
        root: sha256 of the manifest, where that is known from elsewhere.

    Raises:
        ArtifactError: a file is missing or altered, or the manifest names others than those known.
    """
    wanted = read_manifest(_manifest(folder), folder / MANIFEST, root=root)
    return {name: _verified(folder / name, sha256) for name, sha256 in wanted.items()}


def read_manifest(data: bytes, path: Path, *, root: str | None = None) -> dict[str, str]:
    """The files that a manifest names, each a known one or below `code/`, and the sha256 of each.

    Args:
        path: where it stands, for messages; root: its sha256, where that is known from elsewhere.

    Raises:
        ArtifactError: it is damaged, another one, or names files that no artifact has.
    """
    if root is not None and digest_of(data) != root:
        raise ArtifactError(
            "the artifact is not the one that was registered",
            hint="`shipworthy doctor --repair` restores what it has a copy of; else ship the program again",
            where=str(path),
        )
    try:
        manifest = json.loads(data)
        wanted = dict(manifest["files"])
        known = (
            manifest["format"] == FORMAT
            and all(name in FILES or _is_code(name) for name in wanted)
            and {PROGRAM, PROBES} <= set(wanted)
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError("the manifest is damaged", hint=_RESTORE, where=str(path)) from error
    if not known:
        raise ArtifactError(
            "the manifest has a format that this version of shipworthy does not know",
            hint="upgrade shipworthy",
            where=str(path),
        )
    return wanted


def _manifest(folder: Path) -> bytes:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"this is no artifact: {MANIFEST} cannot be read",
            hint="name a folder that `shipworthy compile` or `export` wrote",
            where=str(folder),
        ) from error


def _verified(path: Path, sha256: str) -> bytes:
    try:
        if not path.is_file():  # a pipe or a device would be read for ever
            raise ArtifactError("a file is missing", hint=_RESTORE, where=str(path))
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # a name that no file can have is a ValueError
        raise ArtifactError("a file is missing", hint=_RESTORE, where=repr(str(path))) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ArtifactError("the file was altered", hint=_RESTORE, where=str(path))
    return data


def _is_code(name: str) -> bool:
    return name.startswith("code/") and is_inside(name)


_RESTORE = "restore it from the registry, or compile again"


def _valid(kind: Any, data: Any, path: Path) -> Any:
    try:
        return read_as(kind, data, "")
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"not what this version knows: {error}",
            hint="upgrade shipworthy, or compile again",
            where=str(path),
        ) from error


def _check_whole(spec: ProgramSpec, files: Mapping[str, bytes], path: Path) -> None:
    """Refuse a program whose parts do not hold together."""
    try:
        digest = Contract.from_json(spec.contract).digest
        problem = "" if digest == spec.contract_sha256 else "its contract was altered"
        for step in spec.steps.values():
            _ = step.contract
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, ContractError) as error:
        problem = f"a contract cannot be read: {error}"
    unknown = sorted(set(spec.flow) - spec.steps.keys())
    if unknown:
        problem = f"its flow has no step {unknown[0]!r}"
    named = {
        f"{step.function.folder}/{own}": sha256
        for step in spec.steps.values()
        if step.function is not None
        for own, sha256 in step.function.files.items()
    }
    if named != {name: digest_of(data) for name, data in files.items() if _is_code(name)}:
        problem = "its code is not the one that lies beside it"
    if problem:
        raise ArtifactError(f"not a whole program: {problem}", hint=_RESTORE, where=str(path))


def _json(files: Mapping[str, bytes], name: str, folder: Path) -> Any:
    try:
        return json.loads(files[name])
    except (ValueError, RecursionError) as error:
        raise ArtifactError("not JSON", hint=_RESTORE, where=str(folder / name)) from error


def _arrays(heads: Mapping[str, Heads]) -> Arrays:
    arrays: Arrays = {}
    for step, own in sorted(heads.items()):
        if own.tfidf is not None:
            terms = SEPARATOR.join(own.tfidf.terms).encode()
            arrays[f"{step}/tfidf/terms"] = np.frombuffer(terms, np.uint8)
            arrays[f"{step}/tfidf/idf"] = own.tfidf.idf
        if own.tagger is not None:
            features = SEPARATOR.join(own.tagger.features).encode()
            arrays[f"{step}/tagger/features"] = np.frombuffer(features, np.uint8)
            arrays[f"{step}/tagger/weights"] = own.tagger.weights
            arrays[f"{step}/tagger/transitions"] = own.tagger.transitions
            if own.tagger.states is not None and own.tagger.bias is not None:
                arrays[f"{step}/tagger/states"] = own.tagger.states
                arrays[f"{step}/tagger/bias"] = own.tagger.bias
        for output, head in sorted(own.by_output.items()):
            base = f"{step}/{output}"
            if head.readout is not None:
                for name in ("mean", "scale", "weights", "bias"):
                    arrays[f"{base}/readout/{name}"] = getattr(head.readout, name)
            if head.student is not None:
                arrays[f"{base}/student/weights"] = head.student.weights
                arrays[f"{base}/student/bias"] = head.student.bias
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _heads(spec: ProgramSpec, data: bytes | None) -> dict[str, Heads]:
    from safetensors.numpy import load

    arrays: Arrays = load(data) if data is not None else {}
    found = {}
    for name, step in spec.steps.items():
        tfidf, by_output = None, {}
        if step.decide is not None:
            if f"{name}/tfidf/terms" in arrays:
                terms = arrays[f"{name}/tfidf/terms"].tobytes().decode().split(SEPARATOR)
                tfidf = Tfidf(tuple(terms), step.decide.tfidf_words, arrays[f"{name}/tfidf/idf"])
            by_output = {
                output: _head(head, f"{name}/{output}", arrays) for output, head in step.decide.heads.items()
            }
        found[name] = Heads(by_output, tfidf, _tagger(step.extract, f"{name}/tagger", arrays))
    return found


def _tagger(extract: Extract | None, base: str, arrays: Arrays) -> Tagger | None:
    if extract is None or extract.by == "scoring":
        return None
    features = tuple(arrays[f"{base}/features"].tobytes().decode().split(SEPARATOR))
    weights, transitions = arrays[f"{base}/weights"], arrays[f"{base}/transitions"]
    reads = (arrays[f"{base}/states"], arrays[f"{base}/bias"]) if extract.by == "readout" else (None, None)
    return Tagger(features, tags_for(extract.outputs), weights, transitions, extract.longest, *reads)


def _head(spec: HeadSpec, base: str, arrays: Arrays) -> DecisionHead:
    readout = student = None
    if spec.reads:
        parts = (arrays[f"{base}/readout/{name}"] for name in ("mean", "scale", "weights", "bias"))
        readout = ReadoutHead(*parts)
    if spec.student:
        student = StudentHead(arrays[f"{base}/student/weights"], arrays[f"{base}/student/bias"])
    return DecisionHead(readout, student, spec.mix, spec.threshold)
