"""The shape of the source: small files, telling names, documented public names, no pickle."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

import adjoint as ad

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "adjoint"
FILES = sorted(SOURCE.rglob("*.py"))

MAX_LINES = 600
LONG_FILES: dict[str, str] = {  # path under src/adjoint -> why it must be long
    "__init__.py": "a line for each public name, twice: imported and listed in `__all__`",
}

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "shelve"}


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def test_the_source_is_found() -> None:
    assert len(FILES) > 5  # or every test below passes on nothing


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lines = {name_of(f): len(f.read_text(encoding="utf-8").splitlines()) for f in FILES}
    too_long = {name: n for name, n in lines.items() if n > MAX_LINES}
    unlisted = {name: n for name, n in too_long.items() if not LONG_FILES.get(name, "").strip()}
    assert not unlisted, "split these by idea, or list them in LONG_FILES with the reason"
    assert not LONG_FILES.keys() - too_long.keys(), "no longer long: take these out of LONG_FILES"


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    paths = [f.relative_to(ROOT) for f in [*FILES, *(ROOT / "tests").rglob("*.py")]]
    vague = [p.as_posix() for p in paths if VAGUE_NAMES & {*p.parent.parts, p.stem}]
    assert not vague, "name these for what they hold"


def is_constant(value: object) -> bool:
    """Whether a public name is data (`pi`, `newaxis`, a dtype), which has no docstring."""
    is_dtype = isinstance(value, np.dtype) or (
        inspect.isclass(value) and issubclass(value, np.generic)
    )
    return is_dtype or not (callable(value) or isinstance(value, ModuleType))


def test_every_public_name_says_in_a_sentence_what_it_is() -> None:
    public = {name: getattr(ad, name) for name in ad.__all__}
    first_lines = {
        name: next(iter((inspect.getdoc(value) or "").splitlines()), "")
        for name, value in public.items()
        if not is_constant(value)
    }
    assert first_lines, "adjoint.__all__ names no function, class or module"
    assert not [name for name, line in first_lines.items() if not line.endswith(".")]


def imported_modules(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def test_nothing_imports_pickle() -> None:
    # A pickle runs code when it is loaded; what is saved here must be safe to open.
    guilty = [name_of(f) for f in FILES if PICKLES & {m.split(".")[0] for m in imported_modules(f)}]
    assert not guilty
