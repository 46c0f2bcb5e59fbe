"""What a version holds for MLflow, and what it needs to run elsewhere.

A version is an MLflow model: the artifact, the page and figures of its certificate, the package
that ran it as a wheel, and exact versions of all else. MLflow installs `requirements.txt` in the
model's folder (`models serve`, `spark_udf` with `virtualenv` or `uv`), so the wheel's relative
path resolves there as it does for whoever runs pip or uv in that folder.
"""

from __future__ import annotations

import email
import importlib.metadata
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..examples import storage_errors
from ..runtime import Contract, Program, packages_of, root_of
from .reading import CERTIFICATE, PAGE
from .wheels import PACKAGE, runtime_wheel

PROGRAM, CERTIFIED, RUNTIME = "program", "certificate", "runtime"
UV_DETECT = "MLFLOW_UV_AUTO_DETECT"


@contextmanager
def model_arguments(
    name: str,
    artifact: Path,
    program: Program,
    *,
    certificate: Path | None = None,
    weights: str | None = None,
) -> Iterator[dict[str, Any]]:
    """The arguments of `mlflow.pyfunc.log_model`, for the length of the block.

    Args:
        name: of the program.
        artifact: its folder, and program: the same, loaded.
        certificate: the folder with its page; rows and answers are left there.
        weights: the address of its LM's weights, as `stored_weights` gives it; None for hosted LMs.

    Raises:
        ArtifactError: a file of these is missing.
        StorageError: the disk.
    """
    root = root_of(artifact)
    wheel = runtime_wheel()
    artifacts = {PROGRAM: str(artifact), RUNTIME: str(wheel)}
    config = {"version": name, "root": root, **({"weights": weights} if weights else {})}
    needed, constraints = requirements(program, wheel)
    with tempfile.TemporaryDirectory(prefix="shipworthy-") as temporary, _no_uv_project():
        pins = Path(temporary) / "constraints.txt"
        with storage_errors(pins):
            pins.write_text("\n".join(constraints))
        if certificate is not None:
            place = Path(temporary) / CERTIFIED
            with storage_errors(place):
                place.mkdir()
                for file in (PAGE, CERTIFICATE):
                    shutil.copyfile(certificate / file, place / file)
            artifacts[CERTIFIED] = str(place)
        yield {
            "name": name,
            # Code, not a pickle: this file is copied beside the artifact.
            "python_model": str(Path(__file__).with_name("pyfunc_model.py")),
            "artifacts": artifacts,
            "model_config": config,
            "metadata": {"shipworthy.root": root, "shipworthy.digest": program.digest},
            "pip_requirements": [*needed, f"-c {pins}"],
            "signature": signature_of(program.contract),
        }


def requirements(program: Program, wheel: Path) -> tuple[list[str], list[str]]:
    """The lines of `requirements.txt`, and those of `constraints.txt`, which pin what these need in turn.

    That is what the package needs to run a program, what this one needs besides, and mlflow, each at
    the version that is here. MLflow looks at each line of the first file whenever it loads the model,
    which takes it 10 ms; so all that can stands in the second.
    """
    own = own_packages(program)
    whole = pinned(["mlflow", PACKAGE, *own])
    direct = {"mlflow", *own, *_needs(PACKAGE)[1]} & whole.keys()
    lines = [f"{name}=={whole[name]}" for name in sorted(direct)]
    rest = [f"{name}=={version}" for name, version in whole.items() if name not in {PACKAGE, *direct}]
    return [f"./artifacts/{wheel.name}", *lines], rest


def own_packages(program: Program) -> list[str]:
    """Distributions that a program needs besides the lean half: what its functions import, and hosted LMs."""
    tops = {top for code in program.code.values() for top in packages_of(code)}
    provided = importlib.metadata.packages_distributions() if tops else {}
    hosted = {"dspy"} if program.spec.lm is not None and program.spec.lm.id.startswith("hosted/") else set()
    return sorted({_normal(name) for top in tops for name in provided.get(top, ())} | hosted)


def pinned(names: Iterable[str]) -> dict[str, str]:
    """Installed distributions, and all that they need here, with their versions.

    What is needed on other systems only, or by an extra that nobody asks for, is left out.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(_normal(name), "") for name in names]
    while waiting:
        name, extra = one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        try:
            version, needed = _needs(name, extra)
        except importlib.metadata.PackageNotFoundError:
            continue  # needed by something that works here without it
        found[name] = version
        waiting += [(other, own) for other, extras in needed.items() for own in ("", *extras)]
    return dict(sorted(found.items()))


def _needs(name: str, extra: str = "") -> tuple[str, dict[str, set[str]]]:
    """A distribution's version, and what it needs here, with the extras that it asks of each."""
    from packaging.requirements import Requirement

    installed = importlib.metadata.distribution(name)
    # The headers alone: parsing the description behind them takes longer than all else.
    headers = email.message_from_string((installed.read_text("METADATA") or "").partition("\n\n")[0])
    needed: dict[str, set[str]] = {}
    for line in headers.get_all("Requires-Dist") or ():
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate({"extra": extra}):
            needed.setdefault(_normal(one.name), set()).update(one.extras)
    return headers["Version"], needed


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def signature_of(contract: Contract) -> Any:
    """MLflow's signature: the names of the inputs, each of any type, and the parameter `json`.

    Under a type of its own MLflow would make text of null ("None"), and fail a whole request for one
    row. The program itself reads each row by its contract, as `run` does, and its error is that row's.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), field.name, required=False) for field in contract.inputs]),
        params=ParamSchema([ParamSpec("json", DataType.boolean, False)]),
    )


@contextmanager
def _no_uv_project() -> Iterator[None]:
    """MLflow would add the lock file of whatever project it is called in, and install from that."""
    before: Mapping[str, str] = {UV_DETECT: os.environ[UV_DETECT]} if UV_DETECT in os.environ else {}
    os.environ[UV_DETECT] = "false"
    try:
        yield
    finally:
        del os.environ[UV_DETECT]
        os.environ.update(before)
