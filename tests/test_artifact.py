"""An artifact comes back as it was written, and is refused where it was not."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipworthy.compiler import fit_student
from shipworthy.errors import ArtifactError, StorageError
from shipworthy.runtime import (
    Contract,
    Decide,
    DecisionHead,
    Demo,
    Field,
    Heads,
    HeadSpec,
    LMSpec,
    Probe,
    ProgramSpec,
    Read,
    ReadoutHead,
    StepSpec,
    check_manifest,
    load_artifact,
    read_artifact,
    render_decide,
    write_artifact,
)

FILES = ("heads.safetensors", "manifest.json", "probes.json", "program.json", "provenance.json")
TEXTS = ["I was charged twice", "the parcel never came", "refund me — naïve café 你好", "where is my box?"]
QUEUES = ("billing", "shipping")
CONTRACT = Contract(
    (Field("ticket", {"type": "string"}, "what was written"),),
    (Field("queue", {"type": "string", "enum": list(QUEUES)}), Field("urgent", {"type": "boolean"})),
)


def program(*, mixed: bool = True) -> tuple[ProgramSpec, dict[str, Heads], list[Probe]]:
    """A program of one step: a student decides the queue; readout and student the urgency, if `mixed`."""
    tfidf, student = fit_student(TEXTS, np.array([0, 1, 0, 1]), 2, c=10.0)
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=shape).astype(np.float32) for shape in ((3,), (3,), (2, 3), (2,))]
    readout = ReadoutHead(parts[0], np.abs(parts[1]) + 1, parts[2], parts[3])
    heads = {
        "queue": DecisionHead(None, student, (0.0, 1.25), 0.5),
        "urgent": DecisionHead(readout, student, (0.75, 0.1), 0.0)
        if mixed
        else DecisionHead(None, student, (0.0, 1.0)),
    }
    demos = (Demo(inputs={"ticket": "hello"}, outputs={"queue": "billing", "urgent": False}),)
    read = Read(mode="logprobs", opening="urgent:", tokens=(3, 5, 8))
    decide = Decide(
        prompt=render_decide("Sort the ticket.", CONTRACT, demos),
        reads=(read,) if mixed else (),
        heads={
            name: HeadSpec(
                choices=QUEUES if name == "queue" else (True, False),
                mix=head.mix,
                threshold=head.threshold,
                reads=() if head.readout is None else (0,),
                student=True,
            )
            for name, head in heads.items()
        },
        tfidf_words=tfidf.n_words,
    )
    step = StepSpec(
        instruction="Sort the ticket.", **CONTRACT.as_json(), demos=demos if mixed else (), decide=decide
    )
    spec = ProgramSpec(
        name="triage",
        contract=CONTRACT.as_json(),
        contract_sha256=CONTRACT.digest,
        steps={"triage": step},
        flow=("triage",),
        lm=LMSpec(id="local/0123", name="local/small") if mixed else None,
    )
    probes = [Probe(step="triage", read=0, inputs={"ticket": "hi"}, logprobs=(-0.5, -1.25, -3.0))]
    return spec, {"triage": Heads(heads, tfidf)}, probes if mixed else []


def write(folder: Path, *, mixed: bool = True, **provenance: Any) -> str:
    spec, heads, probes = program(mixed=mixed)
    return write_artifact(folder, spec, heads, probes=probes, provenance={"seed": 0, **provenance})


def sign(folder: Path, **keys: Any) -> None:
    """Write the manifest anew, over the files as they are now."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    names = manifest["files"]
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in names
        if (folder / name).is_file()
    }
    (folder / "manifest.json").write_text(json.dumps({**manifest, **keys}))


def change(folder: Path, name: str, edit: Callable[[Any], Any]) -> None:
    """Edit a JSON file of the artifact, and sign it."""
    data = json.loads((folder / name).read_bytes())
    (folder / name).write_text(json.dumps(edit(data) or data))
    sign(folder)


def refusal(folder: Path) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        read_artifact(folder)
    assert caught.value.hint
    assert str(folder) in caught.value.where
    return caught.value


# There and back


def test_an_artifact_comes_back_as_it_was_written(tmp_path: Path) -> None:
    spec, heads, probes = program()
    digest = write(tmp_path / "a")
    assert sorted(os.listdir(tmp_path / "a")) == sorted(FILES)
    spec_again, heads_again, probes_again, digest_again = read_artifact(tmp_path / "a")
    assert spec_again.replace(arrays_sha256=None) == spec
    assert probes_again == probes
    assert (
        digest_again == digest == hashlib.sha256((tmp_path / "a" / "program.json").read_bytes()).hexdigest()
    )
    assert heads_again.keys() == heads.keys()
    own, again = heads["triage"], heads_again["triage"]
    assert own.tfidf is not None
    assert again.tfidf is not None
    assert (again.tfidf.terms, again.tfidf.n_words) == (own.tfidf.terms, own.tfidf.n_words)
    logprobs = np.array([-1.0, -2.0, -3.0])
    for name, head in own.by_output.items():
        other = again.by_output[name]
        assert (other.mix, other.threshold) == (head.mix, head.threshold)
        for text in TEXTS:
            np.testing.assert_array_equal(
                other.probabilities(logprobs, again.tfidf.transform(text)),
                head.probabilities(logprobs, own.tfidf.transform(text)),
            )


def test_a_program_without_an_lm_answers_from_its_folder_alone(tmp_path: Path) -> None:
    write(tmp_path / "a", mixed=False)
    loaded = load_artifact(tmp_path / "a")
    assert loaded(ticket="charged twice, refund").queue == "billing"
    assert loaded(ticket="my parcel, my box").queue == "shipping"


def test_a_student_of_blank_texts_comes_back_too(tmp_path: Path) -> None:
    spec, _, probes = program(mixed=False)
    tfidf, student = fit_student(["", " "], np.array([0, 1]), 2, c=1.0)
    head = DecisionHead(None, student, (0.0, 1.0))
    heads = {"triage": Heads({"queue": head, "urgent": head}, tfidf)}
    decide = spec.steps["triage"].decide
    assert decide is not None
    step = spec.steps["triage"].replace(decide=decide.replace(tfidf_words=0))
    spec = spec.replace(steps={"triage": step})
    write_artifact(tmp_path / "a", spec, heads, probes=probes, provenance={})
    assert load_artifact(tmp_path / "a")(ticket="anything").confidence == {"queue": 0.5, "urgent": 0.5}


def test_the_same_content_has_the_same_bytes_wherever_it_is_written(tmp_path: Path) -> None:
    assert write(tmp_path / "a") == write(tmp_path / "b" / "c")
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / "c" / name).read_bytes()


def test_provenance_is_no_part_of_the_digest_but_arrays_are(tmp_path: Path) -> None:
    digest = write(tmp_path / "a")
    assert write(tmp_path / "b", commit="abc") == digest
    spec, heads, probes = program()
    head = heads["triage"].by_output["urgent"]
    assert head.readout is not None
    head.readout.weights[0, 0] += 1
    assert write_artifact(tmp_path / "c", spec, heads, probes=probes, provenance={}) != digest


def test_writing_again_replaces_the_artifact_whole(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / "stray.txt").write_text("x")
    digest = write(tmp_path / "a", mixed=False)
    assert read_artifact(tmp_path / "a")[3] == digest
    assert sorted(os.listdir(tmp_path / "a")) == sorted(FILES)


def test_a_full_disk_leaves_the_old_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = write(tmp_path / "a")

    def disk_full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    for folder in (tmp_path / "a", tmp_path / "b"):
        with pytest.raises(StorageError, match="No space left"):
            write(folder, mixed=False)
    assert read_artifact(tmp_path / "a")[3] == digest
    assert os.listdir(tmp_path) == ["a"]


# Damage


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_one_byte_changed_names_the_file(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a")
    path = tmp_path / "a" / name
    whole = path.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 40)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        error = refusal(tmp_path / "a")
        assert error.where == str(path)
        assert "altered" in error.message
    path.write_bytes(whole[:-1])
    assert refusal(tmp_path / "a").where == str(path)
    path.write_bytes(whole + b"\n")
    assert refusal(tmp_path / "a").where == str(path)


def test_any_byte_of_the_manifest_changed_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a")
    path = tmp_path / "a" / "manifest.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        refusal(tmp_path / "a")


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / name).unlink()
    error = refusal(tmp_path / "a")
    assert error.where == str(tmp_path / "a" / name)
    assert "missing" in error.message


def test_a_folder_without_a_manifest_is_no_artifact(tmp_path: Path) -> None:
    assert "no artifact" in refusal(tmp_path).message
    assert "no artifact" in refusal(tmp_path / "nowhere").message
    write(tmp_path / "a")
    (tmp_path / "a" / "manifest.json").unlink()
    assert "no artifact" in refusal(tmp_path / "a").message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"format": 1}', '{"format": 1, "files": 3}'])
def test_a_manifest_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / "manifest.json").write_text(text)
    assert refusal(tmp_path / "a").where == str(tmp_path / "a" / "manifest.json")


# What this version does not know


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a")
    sign(tmp_path / "a", format=2)
    assert "upgrade" in refusal(tmp_path / "a").hint
    write(tmp_path / "b")
    change(tmp_path / "b", "program.json", lambda data: {**data, "format": 2})
    error = refusal(tmp_path / "b")
    assert "upgrade" in error.hint
    assert error.where == str(tmp_path / "b" / "program.json")


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.update(surprise=1),
        lambda data: data["steps"]["triage"].update(surprise=1),
        lambda data: data["steps"]["triage"]["decide"]["heads"]["queue"].update(surprise=1),
        lambda data: data["lm"].update(surprise=1),
    ],
)
def test_an_unknown_key_is_refused_by_name(tmp_path: Path, edit: Any) -> None:
    write(tmp_path / "a")
    change(tmp_path / "a", "program.json", edit)
    error = refusal(tmp_path / "a")
    assert "surprise" in error.message
    assert error.where == str(tmp_path / "a" / "program.json")


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data[0].update(surprise=1),
        lambda data: data[0].pop("step"),
        lambda data: {"step": 1},
        lambda data: 7,
    ],
)
def test_probes_that_are_none_are_refused(tmp_path: Path, edit: Any) -> None:
    write(tmp_path / "a")
    change(tmp_path / "a", "probes.json", edit)
    assert refusal(tmp_path / "a").where == str(tmp_path / "a" / "probes.json")


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.pop("name"),
        lambda data: data.update(steps=[]),
        lambda data: data.update(flow=["triage", "nowhere"]),
        lambda data: data["contract"]["outputs"]["properties"].pop("queue"),
        lambda data: data.update(contract={}),
        lambda data: [data],
    ],
)
def test_a_program_that_does_not_hold_together_is_refused(tmp_path: Path, edit: Any) -> None:
    write(tmp_path / "a")
    change(tmp_path / "a", "program.json", edit)
    assert refusal(tmp_path / "a").where == str(tmp_path / "a" / "program.json")


@pytest.mark.parametrize("name", ["surprise.bin", "../x", "../a/program.json", "/etc/hostname", "sub/x", "."])
def test_a_manifest_that_names_other_files_is_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write(tmp_path / "a")
    (tmp_path / "x").write_text("x")
    (tmp_path / "a" / "surprise.bin").write_text("x")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_bytes())
    manifest["files"][name] = hashlib.sha256(b"x").hexdigest()
    (tmp_path / "a" / "manifest.json").write_text(json.dumps(manifest))
    read = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: (read.append(self.name), read_bytes(self))[1])
    assert refusal(tmp_path / "a").where == str(tmp_path / "a" / "manifest.json")
    assert read == ["manifest.json"]


@pytest.mark.parametrize("name", ["program.json", "probes.json"])
def test_a_manifest_that_leaves_out_a_needed_file_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_bytes())
    del manifest["files"][name]
    (tmp_path / "a" / "manifest.json").write_text(json.dumps(manifest))
    refusal(tmp_path / "a")


# Arrays belong to their program


def test_arrays_of_another_program_are_refused_even_where_the_manifest_agrees(tmp_path: Path) -> None:
    write(tmp_path / "a")
    spec, heads, probes = program()
    head = heads["triage"].by_output["urgent"]
    assert head.readout is not None
    head.readout.weights[0, 0] += 1
    write_artifact(tmp_path / "b", spec, heads, probes=probes, provenance={})
    shutil.copy(tmp_path / "b" / "heads.safetensors", tmp_path / "a" / "heads.safetensors")
    sign(tmp_path / "a")
    assert refusal(tmp_path / "a").where == str(tmp_path / "a" / "heads.safetensors")


def test_a_program_whose_arrays_are_left_out_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / "heads.safetensors").unlink()
    sign(tmp_path / "a")
    assert "heads.safetensors" not in check_manifest(tmp_path / "a")
    assert refusal(tmp_path / "a").where == str(tmp_path / "a" / "heads.safetensors")


@pytest.mark.parametrize("data", [b"", b"not arrays", b"\xff" * 64])
def test_arrays_that_are_none_are_refused(tmp_path: Path, data: bytes) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / "heads.safetensors").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    change(tmp_path / "a", "program.json", lambda program: {**program, "arrays_sha256": sha256})
    assert refusal(tmp_path / "a").where == str(tmp_path / "a" / "heads.safetensors")
