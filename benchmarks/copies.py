"""Versions to work with, registered without compiling each anew."""

from __future__ import annotations

from shipworthy.registry import Registry, facts_of
from shipworthy.registry.reading import sealed
from shipworthy.registry.registering import model_of


def copy_versions(registry: Registry, name: str, source: int, count: int) -> None:
    """More versions of the same model as `source`, each with its own number in a tag."""
    facts = facts_of(registry.reader, name, source)
    model = registry.client.get_model_version(name, str(source))
    for number in range(count):
        tags = {key: value for key, value in facts.tags.items() if key != "shipworthy.seal"}
        tags["shipworthy.copy"] = str(number)
        with registry.pointed():
            registry.client.create_model_version(
                name, model.source, run_id=facts.run, tags=sealed(tags), model_id=model_of(model)
            )
