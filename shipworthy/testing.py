"""A plugin for pytest: a test that fails where a program is not certified as it stands.

    def test_triage_is_certified(assert_certified):
        assert_certified("triage")

pytest loads it by itself where shipworthy is installed. It imports nothing of the making
until a test asks for the fixture's answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .compiler import Gate

FRESH = "--fresh-certificates"


class AssertCertified:
    """What the fixture `assert_certified` gives.

    Args:
        around: a file of the project, in which programs are looked for by default.
        fresh: what `fresh` is where a test does not say.
    """

    def __init__(self, around: Path, *, fresh: bool = False) -> None:
        self._around = around
        self._fresh = fresh

    def __call__(
        self,
        name: str,
        *,
        project: str | Path | None = None,
        gate: Gate | None = None,
        fresh: bool | None = None,
        **certifying: Any,
    ) -> dict[str, Any]:
        """Fail the test, with every reason, unless the program's newest compile is certified and passes.

        A certificate is stale where signature, program, recipe, rows or prototype changed since.

        Args:
            name: of the program.
            project: its folder; by default the project that the test lies in.
            gate: instead of the recipe's, or else that of `[tool.shipworthy.gate]`.
            fresh: certify it now, which asks the LM; by default as `--fresh-certificates` says.
            certifying: for `sw.certify`, such as `quick=True` or `prototype_answers=FILE`.

        Returns:
            The certificate's data.

        Raises:
            InputError: the project, its source, its rows or its gate cannot be read.
            OutsideError: certifying afresh, the LM, the registry or the disk fails.
        """
        __tracebackhide__ = True
        from .lift import find_project
        from .ship import certify, standing

        home = Path(project) if project is not None else find_project(self._around)
        if home is None:
            pytest.fail(f"no project around {self._around}: name it, project=...", pytrace=False)
        if self._fresh if fresh is None else fresh:
            certify(name, project=home, **certifying)
        found = standing(name, project=home, gate=gate)
        if not found.holds or found.data is None:
            lines = [f"{name} is not certified: {found.verdict}", *(f"  - {one}" for one in found.reasons)]
            if found.page is not None and found.page.is_file():
                lines.append(f"certificate: {found.page}")
            pytest.fail("\n".join(lines), pytrace=False)
        return found.data


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of the command line."""
    parser.getgroup("shipworthy").addoption(
        FRESH, action="store_true", help="assert_certified makes each certificate anew."
    )


@pytest.fixture
def assert_certified(request: pytest.FixtureRequest) -> AssertCertified:
    """Fails the test unless a program is certified as it stands: `assert_certified("triage")`."""
    return AssertCertified(request.path, fresh=bool(request.config.getoption(FRESH)))
