"""From a hand-written prompt and labelled rows to a typed contract and its source files.

`read_prototype` reads the prompt, `lift` infers the contract, `write_source` writes what
a person would have written, and `load_labelled` reads rows under that contract. Nothing
here runs a prompt or imports dspy; the text of prompts and labels is never executed.
`polish`, where somebody asks for it, has an LM write descriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy

if TYPE_CHECKING:
    from .checks import Checking, checks_of_row
    from .describe import type_words
    from .draft import Unmapped
    from .exported_source import module_source, package_name
    from .labelled import load_inputs, load_labelled, write_examples
    from .lifting import Lifted, lift
    from .polishing import Polished, polish
    from .project import find_project, make_project, project_settings
    from .prototype import REGISTERED, Prototype, plain_prototype, read_prototype
    from .source import write_source

_HOMES = {
    "Checking": "checks",
    "Lifted": "lifting",
    "Polished": "polishing",
    "Prototype": "prototype",
    "REGISTERED": "prototype",
    "Unmapped": "draft",
    "checks_of_row": "checks",
    "find_project": "project",
    "lift": "lifting",
    "load_inputs": "labelled",
    "load_labelled": "labelled",
    "make_project": "project",
    "module_source": "exported_source",
    "package_name": "exported_source",
    "plain_prototype": "prototype",
    "polish": "polishing",
    "project_settings": "project",
    "read_prototype": "prototype",
    "type_words": "describe",
    "write_examples": "labelled",
    "write_source": "source",
}

__all__ = [
    "REGISTERED",
    "Checking",
    "Lifted",
    "Polished",
    "Prototype",
    "Unmapped",
    "checks_of_row",
    "find_project",
    "lift",
    "load_inputs",
    "load_labelled",
    "make_project",
    "module_source",
    "package_name",
    "plain_prototype",
    "polish",
    "project_settings",
    "read_prototype",
    "type_words",
    "write_examples",
    "write_source",
]

__getattr__ = lazy(__name__, _HOMES)
