"""What MLflow keeps as runs: compiles with the candidates of their races, certificates, comparisons."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..examples import digest_of, redact, redact_value
from .looks import log_rows, look_tags
from .reading import DIGEST_TAG, PROTOTYPE
from .store import KIND, Registry

if TYPE_CHECKING:
    from ..compiler import Compiled
    from ..evidence import Certificate
    from ..lift import Prototype

MODEL = "program"
DIGEST_CHARACTERS = 36
"""As much of a digest as MLflow's column for it takes; the whole one is in the dataset's profile."""
PROMPT_CHARACTERS = 90_000
PROTOTYPE_TAG = "shipworthy.prototype"
CONTEXTS = {"train": "training", "dev": "validation", "test": "evaluation"}


def log_compile(
    registry: Registry, compiled: Compiled, files: Mapping[str, str], prototype: Prototype | None = None
) -> str:
    """Keep a compile as a run: parameters, metrics, lineage, artifact and report; gives the run's id.

    Args:
        files: sha256 of the file of each split.
        prototype: what the program replaces; it is registered as a prompt, once.

    Raises:
        RegistryError: MLflow fails.
    """
    provenance = json.loads((compiled.artifact / "provenance.json").read_bytes())
    parameters = {
        "lm": compiled.lm,
        "seed": compiled.seed,
        "metric": getattr(compiled.recipe.metric, "name", compiled.recipe.metric),
        "passes": " ".join(one["name"] for one in compiled.recipe.as_json()["passes"]),
        "recipe_sha256": digest_of(redact_value(provenance["recipe"])),
        "journal_sha256": provenance["journal"],
        "git_commit": provenance.get("git_commit") or "none",
        **{f"version_{name}": found for name, found in provenance["versions"].items()},
    }
    tags = {
        KIND: "compile",
        DIGEST_TAG: compiled.digest,
        **{f"shipworthy.{split}": sha256 for split, sha256 in files.items()},
    }
    if provenance.get("kept_from"):
        tags["shipworthy.kept_from"] = provenance["kept_from"]["digest"]
    if prototype is not None:
        tags["shipworthy.prompt"] = register_prototype(registry, compiled.name, prototype)
    with registry.run(compiled.name, f"compile {compiled.digest[:8]}", tags) as run:
        for key, value in parameters.items():
            registry.client.log_param(run, key, redact(str(value)))
        for key, number in _metrics(compiled).items():
            registry.client.log_metric(run, key, float(number))
        _log_datasets(registry, run, compiled.name, files, provenance)
        registry.client.log_artifacts(run, str(compiled.artifact), MODEL)
        if compiled.report is not None:
            registry.client.log_artifacts(run, str(compiled.report.parent), "report")
        for path, text in (prototype.texts if prototype is not None else {}).items():
            registry.client.log_text(run, redact(text), f"prototype/{Path(path).name}")
        for race in compiled.races:
            if race["what"] == "optimizer":
                registry.client.log_dict(run, redact_value(dict(race)), f"{race['name']}.json")
            else:
                _log_race(registry, compiled.name, run, race)
    return run


def log_certificate(
    registry: Registry, certificate: Certificate, folder: Path, *, program: str, opponent: str
) -> str:
    """Keep a certificate as a run, with the rows that it looked at; gives the run's id.

    Args:
        folder: its files; program, opponent: digests of what met.

    Raises:
        RegistryError: MLflow fails.
    """
    data = certificate.data
    digests = [row["digest"] for row in certificate.rows]
    tags = {
        KIND: "certificate",
        "shipworthy.verdict": certificate.verdict,
        **look_tags(digests, program=program, opponent=opponent, number=int(data["look"])),
    }
    metrics = {"look": float(data["look"])}
    for side in ("compiled", "prototype"):
        if data[side]:
            metrics[f"{side}_score"] = float(data[side]["score"])
    if data["difference"]["mean"] is not None:
        metrics["difference"] = float(data["difference"]["mean"])
    with registry.run(data["name"], f"certificate {certificate.verdict}", tags) as run:
        for key, value in metrics.items():
            registry.client.log_metric(run, key, value)
        log_rows(registry, run, digests)
        registry.client.log_artifacts(run, str(folder), "certificate")
    return run


def log_comparison(
    registry: Registry,
    name: str,
    rows: Sequence[str],
    found: Mapping[str, Any],
    *,
    program: str,
    champion: str,
) -> str:
    """Keep a comparison with the champion as a run, since it is a look at these rows; gives the run's id.

    Args:
        rows: their digests.
        found: `look`, `difference` and what else is worth keeping, as JSON.
        program, champion: digests of what met.

    Raises:
        RegistryError: MLflow fails.
    """
    look = int(found["look"])
    tags = {
        KIND: "comparison",
        **look_tags(rows, program=program, opponent=champion, number=look),
    }
    with registry.run(name, f"against champion {champion[:8]}", tags) as run:
        registry.client.log_metric(run, "look", float(look))
        registry.client.log_metric(run, "difference", float(found["difference"]["mean"]))
        log_rows(registry, run, rows)
        registry.client.log_dict(run, dict(found), "comparison.json")
    return run


def register_prototype(registry: Registry, name: str, prototype: Prototype) -> str:
    """The prototype as a registered prompt, the version that holds this text already where there is one.

    Returns:
        Its address, `prompts:/NAME.prototype/1`; empty for a text that MLflow's prompts cannot hold.

    Raises:
        RegistryError: MLflow fails.
    """
    title = name + PROTOTYPE
    texts = prototype.texts or {"": prototype.text}
    text = redact(next(iter(texts.values())) if len(texts) == 1 else _joined(texts))
    if not text.strip() or len(text) > PROMPT_CHARACTERS:
        return ""
    tags = {PROTOTYPE_TAG: prototype.digest, "shipworthy.format": prototype.format}
    with registry.errors(), registry.pointed(), registry.alone():
        while True:
            for number, others in registry.reader.tail(title, 1).items():
                if others.get(PROTOTYPE_TAG) == prototype.digest:
                    return f"prompts:/{title}/{number}"
            with registry.unless_made():
                made = registry.client.register_prompt(title, text, tags={**tags})
                return f"prompts:/{title}/{made.version}"


def _joined(texts: Mapping[str, str]) -> str:
    return "\n\n".join(f"--- {Path(path).name}\n{text}" for path, text in sorted(texts.items()))


def _metrics(compiled: Compiled) -> dict[str, float]:
    metrics: dict[str, float] = {
        "lm_calls": compiled.lm_calls,
        "tokens": compiled.tokens,
        "seconds": compiled.seconds,
    }
    if compiled.dev:
        metrics["dev_score"] = compiled.dev["score"]
        metrics.update({f"dev_{name}": value for name, value in compiled.dev["by_output"].items()})
    return metrics


def _log_datasets(
    registry: Registry, run: str, name: str, files: Mapping[str, str], provenance: Mapping[str, Any]
) -> None:
    """The splits as inputs of the run, by the sha256 of their files."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    rows = provenance.get("rows", {})
    datasets = []
    for split, sha256 in files.items():
        dataset = Dataset(
            name=f"{name}/{split}",
            digest=sha256[:DIGEST_CHARACTERS],
            source_type="local",
            source=json.dumps({"uri": f"data/{name}/{split}.jsonl"}),
            profile=json.dumps({"sha256": sha256, "rows": rows.get(split)}),
        )
        context = InputTag("mlflow.data.context", CONTEXTS.get(split, split))
        datasets.append(DatasetInput(dataset, [context, InputTag("sha256", sha256)]))
    registry.client.log_inputs(run, datasets)


def _log_race(registry: Registry, name: str, parent: str, race: Mapping[str, Any]) -> None:
    """Each candidate of a race as a child run, with how its prompt differs from the first one's."""
    texts = [redact(text) for text in race["texts"]]
    first = texts[0]
    for number, (text, standing) in enumerate(zip(texts, race["standings"], strict=True)):
        tags = {
            KIND: "candidate",
            "mlflow.parentRunId": parent,
            "shipworthy.race": str(race["what"]),
            "shipworthy.state": "kept" if number == race["kept"] else str(standing["state"]),
        }
        names = ("candidate 1", f"candidate {number + 1}")
        lines = difflib.unified_diff(first.splitlines(), text.splitlines(), *names, lineterm="")
        difference = "\n".join(lines)
        with registry.run(name, f"{race['what']} {number + 1}", tags) as run:
            registry.client.log_metric(run, "rows", float(standing["rows"]))
            if standing["rows"]:
                registry.client.log_metric(run, "score", float(standing["mean"]))
            registry.client.log_text(run, text, "prompt.txt")
            registry.client.log_text(run, difference or "the first one", "prompt.diff")
