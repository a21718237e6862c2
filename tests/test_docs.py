"""The code blocks of the README and of the documentation run, and print what they should.

The blocks of one file share one namespace, in order, as if a reader typed them one after the other.
A `python` block that is followed, after blank lines at most, by a `text` block prints exactly that.
`<!-- no-run -->` above a block leaves it out.
"""

import contextlib
import difflib
import io
import re
import textwrap
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pytest

import adjoint as ad

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
NO_RUN = "<!-- no-run -->"


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file."""

    language: str
    text: str
    line: int  # where the text begins
    above: str  # the last line before the fence that is not blank
    adjoining: bool  # whether nothing but blank lines stands between it and the block before


def fenced_blocks(markdown: str) -> list[Block]:
    blocks: list[Block] = []
    lines = iter(enumerate(markdown.splitlines(), start=1))
    above, adjoining = "", False
    for number, line in lines:
        fence = FENCE.match(line)
        if fence is None:
            if line.strip():
                above, adjoining = line.strip(), False
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip().startswith(fence["ticks"]):
                break
            body.append(inner)
        else:
            raise ValueError(f"the block that opens at line {number} is not closed")
        text = textwrap.dedent("\n".join(body)) + "\n"
        blocks.append(Block(fence["language"], text, number + 1, above, adjoining))
        above, adjoining = "", True
    return blocks


def last_line_in(file: Path, trace: TracebackType | None) -> int | None:
    lines = [
        number
        for frame, number in traceback.walk_tb(trace)
        if frame.f_code.co_filename == str(file)
    ]
    return lines[-1] if lines else None


def run_block(block: Block, file: Path, name: str, namespace: dict[str, object]) -> str:
    """What the block prints. It is compiled at its place in the file, so errors name that place."""
    printed = io.StringIO()
    try:
        code = compile("\n" * (block.line - 1) + block.text, file, "exec", dont_inherit=True)
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        return printed.getvalue()
    except SyntaxError as error:
        line, trace = error.lineno, traceback.format_exception_only(error)
    except Exception as error:
        line, trace = last_line_in(file, error.__traceback__), traceback.format_exception(error)
    pytest.fail(f"{name}:{line or block.line}: {''.join(trace)}", pytrace=False)


def compare_output(printed: str, expected: Block, name: str) -> None:
    got, want = ([s.rstrip() for s in t.strip().splitlines()] for t in (printed, expected.text))
    if got != want:
        diff = "\n".join(difflib.ndiff(want, got))
        pytest.fail(f"{name}:{expected.line}: the code above prints\n{diff}", pytrace=False)


def run_file(file: Path, name: str) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed: str | None = None  # of the block before, if it was one that ran
    for block in fenced_blocks(file.read_text(encoding="utf-8")):
        if block.language == "python" and block.above != NO_RUN:
            printed = run_block(block, file, name, namespace)
            continue
        if block.language == "text" and block.adjoining and printed is not None:
            compare_output(printed, block, name)
        printed = None


def files_with_code() -> list[str]:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        file.relative_to(ROOT).as_posix()
        for file in files
        if any(b.language == "python" for b in fenced_blocks(file.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize("name", files_with_code())
def test_code_blocks_run_and_print_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a block may write files
    ad.random.seed(0)  # every page begins as a new program does
    with np.printoptions():
        run_file(ROOT / name, name)


# The runner itself: what must fail does fail, and says where.

PAGE = """\
# Page

```python
x = 1
```

```python
print(x + 1)
```

```text
2
```
"""


def page(folder: Path, text: str) -> Path:
    file = folder / "page.md"
    file.write_text(text, encoding="utf-8")
    return file


def test_blocks_share_a_namespace_and_output_is_compared(tmp_path: Path) -> None:
    run_file(page(tmp_path, PAGE), "page.md")


def test_wrong_output_fails_with_file_and_line(tmp_path: Path) -> None:
    file = page(tmp_path, PAGE.replace("\n2\n", "\n3\n"))
    with pytest.raises(pytest.fail.Exception, match=r"page\.md:12: .*\n- 3\n\+ 2"):
        run_file(file, "page.md")


@pytest.mark.parametrize("code", ["print(y)", "def f(:", "raise SystemError"])
def test_failing_code_fails_with_file_and_line(tmp_path: Path, code: str) -> None:
    file = page(tmp_path, PAGE.replace("print(x + 1)", code))
    with pytest.raises(pytest.fail.Exception, match=r"^page\.md:8: "):
        run_file(file, "page.md")


def test_an_unclosed_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 11 is not closed"):
        run_file(page(tmp_path, PAGE.removesuffix("```\n")), "page.md")


def test_a_block_marked_no_run_is_left_out(tmp_path: Path) -> None:
    marked = PAGE.replace("```python\nprint(x + 1)", f"{NO_RUN}\n```python\nprint(y)")
    run_file(page(tmp_path, marked), "page.md")


def test_text_after_prose_is_not_an_output(tmp_path: Path) -> None:
    run_file(page(tmp_path, PAGE.replace("```text\n2", "A drawing:\n\n```text\no--o")), "page.md")
