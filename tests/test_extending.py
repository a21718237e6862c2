"""docs/build/extending.md keeps its word: its one card is all that the generic tests need."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "build" / "extending.md"


def first_block() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def run_generic_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(folder), *sys.path]))
    command = [sys.executable, "-m", "pytest", "tests/test_primitives.py"]
    options = ["-k", "Gudermannian", "-p", "newcomer", "-n", "0", "-p", "no:cacheprovider"]
    return subprocess.run(
        command + options, cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def test_one_card_and_nothing_else_is_picked_up_by_all_generic_tests(tmp_path: Path) -> None:
    (tmp_path / "newcomer.py").write_text(first_block())
    done = run_generic_tests(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 10, done.stdout


def test_a_wrong_derivative_on_the_card_is_caught(tmp_path: Path) -> None:
    wrong = first_block().replace("1 / COSH(x)", "1.001 / COSH(x)")
    (tmp_path / "newcomer.py").write_text(wrong)
    done = run_generic_tests(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_derivatives" in done.stdout
