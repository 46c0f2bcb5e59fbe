"""The files of a prototype: read once, within bounds, and kept for its copy and its digest."""

from __future__ import annotations

from pathlib import Path

from ..errors import PrototypeError
from ..examples import decode_text, digest_of

MAX_BYTES = 10_000_000


class Files:
    """A file with what it refers to, or a folder.

    Args:
        chosen: name or line of a prompt, where one file holds several.

    Attributes:
        path: what was named.
        root: the folder that no reference may leave.
        texts: what was read, by path relative to `root`, in order.
    """

    def __init__(self, path: str | Path, *, chosen: str | None = None) -> None:
        self.path = Path(path)
        self.chosen = chosen
        self.is_folder = self.path.is_dir()
        self.root = self.path if self.is_folder else self.path.parent
        self.texts: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """sha256 (hex) of all that was read: of one file's text, that text's."""
        if len(self.texts) == 1 and not self.is_folder:
            return digest_of(next(iter(self.texts.values())))
        return digest_of(list(self.texts.items()))

    def main(self) -> str:
        """The text of the file that was named.

        Raises:
            PrototypeError: as `read`; or it is a folder.
        """
        if self.is_folder:
            raise PrototypeError("this is a folder", hint="name the prompt's file", where=str(self.path))
        return self.read(self.path.name)

    def read(self, name: str) -> str:
        """The text of a file, by its path relative to the root.

        Raises:
            PrototypeError: it is missing, outside the root, a folder, over 10 MB, empty, not UTF-8,
                or holds a NUL.
        """
        if name not in self.texts:
            self.texts[name] = _decode(_read_bytes(self._within(name)), self.root / name)
        return self.texts[name]

    def glance(self, name: str = "") -> str:
        """A file's text, by default that of the one named, not counted as read; empty where there is none."""
        name = name or self.path.name
        try:
            return self.texts[name] if name in self.texts else Files(self.root).read(name)
        except PrototypeError:
            return ""

    def find(self, pattern: str) -> list[str]:
        """Paths, relative to the root, of the files that meet a glob pattern; sorted.

        Raises:
            PrototypeError: the pattern leaves the root.
        """
        if ".." in Path(pattern).parts or Path(pattern).is_absolute():
            raise self._outside(pattern)
        try:
            found = [path for path in self.root.glob(pattern) if path.is_file()]
        except (OSError, ValueError, NotImplementedError) as error:
            raise PrototypeError(
                f"no files are found by {pattern[:80]!r}: {error}", hint="correct it", where=str(self.path)
            ) from error
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def has(self, name: str) -> bool:
        """Whether there is a file of this relative path."""
        try:
            return (self.root / name).is_file()
        except (OSError, ValueError):  # a name that no file can have
            return False

    def _within(self, name: str) -> Path:
        path = self.root / name
        try:
            inside = path.resolve().is_relative_to(self.root.resolve())
        except (OSError, ValueError) as error:
            raise PrototypeError(f"cannot be read: {error}", hint="check the path", where=name) from error
        if not inside:
            raise self._outside(name)
        return path

    def _outside(self, name: str) -> PrototypeError:
        return PrototypeError(
            f"{name!r} lies outside the prototype's folder",
            hint="copy the file into it",
            where=str(self.path),
        )


def _read_bytes(path: Path) -> bytes:
    where = str(path)
    try:
        if path.is_dir():
            raise PrototypeError("this is a folder", hint="name the prompt's file", where=where)
        if path.exists() and not path.is_file():
            raise PrototypeError("this is not a regular file", hint="name the prompt's file", where=where)
        if path.stat().st_size > MAX_BYTES:
            raise PrototypeError(
                "the file is over 10 MB", hint="a prompt is text for one LM call", where=where
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PrototypeError(f"cannot be read: {reason}", hint="check the path", where=where) from error


def _decode(data: bytes, path: Path) -> str:
    text = decode_text(data, str(path), PrototypeError)
    if not text.strip():
        raise PrototypeError("the file is empty", hint="write the prompt into it", where=str(path))
    return text
