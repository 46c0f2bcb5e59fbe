"""What an import loads, and what the package's face shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from test_artifact import write

import shipworthy


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded(statement: str, *packages: str) -> list[str]:
    code = f"import sys; {statement}; print(*[p for p in {packages!r} if p in sys.modules])"
    return run(code).split()


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("numpy", "pydantic", "dspy", "mlflow", "sklearn", "scipy", "litellm", "click", "xllamacpp")
    assert loaded("import shipworthy", *heavy) == []
    assert loaded("import shipworthy; shipworthy.ShipworthyError", *heavy) == []


@pytest.mark.parametrize("name", ["load_artifact", "Answer", "Program"])
def test_running_a_program_imports_nothing_of_the_making(name: str) -> None:
    making = ("dspy", "mlflow", "litellm", "sklearn", "scipy", "pandas", "matplotlib")
    assert loaded(f"from shipworthy.runtime import {name}", *making) == []
    assert loaded(f"import shipworthy; shipworthy.{name}", *making) == []


def test_loading_a_program_imports_neither_what_made_it_nor_what_asks_an_lm(tmp_path: Path) -> None:
    write(tmp_path / "a")
    making = ("dspy", "mlflow", "litellm", "sklearn", "scipy", "pandas", "matplotlib")
    asking = ("xllamacpp", "httpx", "ssl", "subprocess", "shipworthy.runtime.executor", "shipworthy.lms.base")
    load = f"import shipworthy; shipworthy.load_artifact({str(tmp_path / 'a')!r})"
    assert loaded(load, *making, *asking, "pydantic.main") == []


def test_serving_imports_nothing_of_the_making() -> None:
    assert loaded("import shipworthy.serving", "dspy", "mlflow", "litellm", "sklearn", "scipy") == []


def test_public_names_are_sorted_and_every_one_resolves() -> None:
    assert shipworthy.__all__ == sorted(shipworthy.__all__)
    assert set(shipworthy.__all__) < set(dir(shipworthy))
    for name in shipworthy.__all__:
        assert getattr(shipworthy, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = shipworthy.nonsense


@pytest.mark.parametrize(
    "first",
    [
        "pass",
        "from shipworthy.lift import lift",
        "import shipworthy.ship",
        "import shipworthy.lift, shipworthy.ship.pipeline",
        "from shipworthy.ship import ship, lift",
        "sw.ship, sw.lift; import shipworthy.ship, shipworthy.lift",
    ],
)
def test_lift_and_ship_are_functions_whatever_was_imported_first(first: str) -> None:
    code = (
        f"import shipworthy as sw, inspect; {first}; "
        "print(all(map(inspect.isfunction, (sw.lift, sw.ship, sw.compile, sw.certify, sw.load))), "
        "sw.lift.__module__, sw.ship.__module__)"
    )
    assert run(code) == "True shipworthy.ship.pipeline shipworthy.ship.pipeline"


def test_a_star_import_gives_the_public_names() -> None:
    assert run(
        "from shipworthy import *; print(callable(ship), callable(lift), ShipworthyError.__name__)"
    ) == ("True True ShipworthyError")
