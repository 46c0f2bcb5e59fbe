"""Seconds to lift a prototype, after start-up: a folder of them, and large ones made for it.

    python benchmarks/lift.py FOLDER

FOLDER holds prototypes, each a file or a folder (a crew, a TensorZero project); what is no
prototype is told and left out. The large ones are generated. Reading alone is what the format's
own parser takes for the large ones, and decoding for all others.
"""

from __future__ import annotations

import argparse
import ast
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from report import write_section

from shipworthy.errors import ShipworthyError
from shipworthy.lift import lift, read_prototype

MEGABYTE = 1 << 20
RUNS = 3


def main() -> None:
    """Lift everything, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    lines = [
        "| prototype | size | lifting, s | reading alone, s | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        for path, read in [*entries(given.folder), *large(Path(scratch))]:
            try:
                seconds = best(lambda path=path: lift(read_prototype(path)))
            except ShipworthyError as error:
                print(f"{path.name}: {error}")
                continue
            alone = best(lambda path=path, read=read: read(path))
            ratio = f"{seconds / alone:.0f}" if alone > 1e-4 else "-"
            lines.append(f"| `{path.name}` | {size(path)} | {seconds:.2f} | {alone:.3f} | {ratio} |")
            print(lines[-1], flush=True)
    write_section("lift", "python benchmarks/lift.py FOLDER", "\n".join(lines))


def best(what: Callable[[], Any]) -> float:
    """Seconds of the fastest of some runs: the first one imports."""
    taken = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def entries(folder: Path) -> Iterator[tuple[Path, Callable[[Path], Any]]]:
    """The prototypes of a folder."""
    for path in sorted(folder.iterdir()):
        if path.name != "expected.json":
            yield path, as_text


def large(folder: Path) -> Iterator[tuple[Path, Callable[[Path], Any]]]:
    """Prototypes as nobody should write them."""
    prose = "Answer the guest politely, and keep to what the house rules say about it.\n"
    made: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "text_1mb.md": (prose * (MEGABYTE // len(prose)) + "\nGuest: {guest}\n", as_text),
        "text_9mb.md": (prose * (9 * MEGABYTE // len(prose)) + "\nGuest: {guest}\n", as_text),
        "slots_900.md": ("".join(f"Field {i}: {{field_{i}}}\n" for i in range(900)), as_text),
        "message_9mb.json": (
            json.dumps([message("system", prose * (9 * MEGABYTE // len(prose))), message("user", "{guest}")]),
            as_json,
        ),
        "template_1mb.j2": (prose * (MEGABYTE // len(prose)) + "\n{{ guest }}\n", as_text),
        "code_20000_lines.py": (
            "".join(f"x{i} = {i}\n" for i in range(20_000)) + 'PROMPT = """Greet {guest} in one line."""\n'
            "print(PROMPT.format(guest='Ida'))\n",
            as_python,
        ),
    }
    for name, (text, read) in made.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        yield path, read


def message(role: str, content: str) -> dict[str, str]:
    """Of a chat."""
    return {"role": role, "content": content}


def as_text(path: Path) -> Any:
    """Decoded; of a folder, all of its files."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return [one.read_text(encoding="utf-8") for one in files]


def as_json(path: Path) -> Any:
    """Parsed."""
    return json.loads(path.read_text(encoding="utf-8"))


def as_python(path: Path) -> Any:
    """Its syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def size(path: Path) -> str:
    """In kB, of all files."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return f"{sum(one.stat().st_size for one in files) / 1000:,.1f} kB"


if __name__ == "__main__":
    main()
