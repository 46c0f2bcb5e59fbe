"""Every error that shipworthy raises on purpose, in one tree.

    ShipworthyError
    ├── InputError                 what was given is wrong           exit 2
    │   ├── ExamplesError          a file of examples, or its rows
    │   ├── PrototypeError         a prompt that cannot be lifted
    │   ├── ContractError          inputs, outputs or types do not fit
    │   ├── SourceError            a project's own Python cannot be used
    │   ├── ScoringError           scores, margins or levels that no figure can be computed from
    │   ├── NameTakenError         the name exists with another contract
    │   ├── NotFoundError          no such program, version or file
    │   ├── ArtifactError          an artifact is damaged or unknown
    │   └── MissingExtraError      a part of shipworthy is not installed
    ├── RowError                   one row only; the others go on
    │   ├── RowInputError          an input is missing or of another type
    │   ├── ContextLengthError     the row is longer than the LM can read
    │   ├── DeadlineError          the row's time is over
    │   ├── OverloadedError        more rows wait than can be answered in time
    │   ├── OutputError            an answer does not fit the contract
    │   └── StepError              a function of the program fails
    ├── ConflictError              another was faster, and won       exit 1
    └── OutsideError               something outside failed          exit 3
        ├── LMError                the LM is down or refuses
        ├── WeightsError           weights missing, cut short or altered
        ├── RegistryError          MLflow or its database
        │   └── IntegrityError     what it holds was altered or deleted
        └── StorageError           the disk

Each carries a message, a hint that says what to do, and where it happened.
The command line prints them as `{"error": {"type", "message", "hint", "where"}}`.
"""

from __future__ import annotations

__all__ = [
    "ArtifactError",
    "ConflictError",
    "ContextLengthError",
    "ContractError",
    "DeadlineError",
    "ExamplesError",
    "InputError",
    "IntegrityError",
    "LMError",
    "MissingExtraError",
    "NameTakenError",
    "NotFoundError",
    "OutputError",
    "OutsideError",
    "OverloadedError",
    "PrototypeError",
    "RegistryError",
    "RowError",
    "RowInputError",
    "ScoringError",
    "ShipworthyError",
    "SourceError",
    "StepError",
    "StorageError",
    "WeightsError",
]


class ShipworthyError(Exception):
    """The root of the tree.

    Args:
        message: what is wrong, in one sentence.
        hint: what to do about it, or empty.
        where: file, row, column or field, or empty.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{advice}"

    def as_dict(self) -> dict[str, str]:
        """The form in which the command line and `run` report it."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "hint": self.hint,
            "where": self.where,
        }


class InputError(ShipworthyError):
    """What the user gave is wrong or incomplete."""


class ExamplesError(InputError):
    """A file of examples cannot be read, or its rows cannot be used."""


class PrototypeError(InputError):
    """A prototype cannot be lifted."""


class ContractError(InputError):
    """Inputs, outputs or types do not fit together."""


class SourceError(InputError):
    """A project's own Python source cannot be used."""


class ScoringError(InputError):
    """Scores, margins or levels that no figure can be computed from."""


class NameTakenError(InputError):
    """The name exists with another contract."""


class NotFoundError(InputError):
    """No such program, version, alias or file."""


class ArtifactError(InputError):
    """An artifact is damaged, altered, or of a format that this version does not know."""


class MissingExtraError(InputError):
    """A part of shipworthy is needed that is not installed."""

    def __init__(self, extra: str, missing: str) -> None:
        super().__init__(
            f"this needs {missing}, which is not installed",
            hint=f'pip install "shipworthy[{extra}]"',
        )


class RowError(ShipworthyError):
    """One row cannot be answered; the others go on."""

    exit_code = 1


class RowInputError(RowError):
    """An input of this row is missing or has another type."""


class ContextLengthError(RowError):
    """This row is longer than the LM can read."""


class DeadlineError(RowError):
    """This row was not answered before its deadline."""


class OverloadedError(RowError):
    """This row was turned away at once, since it could not be answered in time."""


class OutputError(RowError):
    """What the LM, or a function, answers to this row does not fit the contract."""


class StepError(RowError):
    """A step that is a Python function raises an exception of its own on this row."""


class ConflictError(ShipworthyError):
    """Another promotion or rollback was faster: it won, and this one changed nothing."""

    exit_code = 1


class OutsideError(ShipworthyError):
    """Something outside shipworthy failed."""

    exit_code = 3


class LMError(OutsideError):
    """The LM is down, refuses, or fails."""


class WeightsError(OutsideError):
    """Weights are missing, cut short or altered."""


class RegistryError(OutsideError):
    """MLflow or its database fails."""


class IntegrityError(RegistryError):
    """What the registry holds was altered or deleted behind its back."""


class StorageError(OutsideError):
    """The disk is full, or a file cannot be written."""
