"""The benchmark of training steps runs, and what it writes is a table."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import adjoint

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "steps.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the benchmarks are not here")


def run(*args: object) -> str:
    env = dict(os.environ, PYTHONPATH=str(Path(adjoint.__file__).parents[1]))
    command = [sys.executable, str(SCRIPT), *map(str, args)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_workload_is_measured_and_written_into_a_page(tmp_path: Path) -> None:
    found, page = tmp_path / "found.json", tmp_path / "page.md"
    page.write_text("# Benchmarks\n\nBefore.\n")
    said = run(
        *("--systems", "adjoint", "--workloads", "tiny", "--rounds", 1, "--seconds", 0.05),
        *("--no-peak", "--dispatch", "", "--scaling", "", "--json", found, "--write", page),
    )
    doc = json.loads(found.read_text())
    cell = doc["steps"]["tiny"]["adjoint"]
    assert cell["loss_ok"]
    assert len(cell["losses"]) == 10
    assert cell["losses"][0] == pytest.approx(0.2575557, rel=1e-5)
    assert 0 < cell["step_s"] < 0.1
    assert "| tiny | " in said
    assert page.read_text().startswith("# Benchmarks\n\nBefore.\n\n## Training steps\n")
    assert said.strip() in page.read_text()


def test_a_section_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from peers.report import write_section

    page = tmp_path / "page.md"
    page.write_text("# Title\n")
    write_section(page, "steps", "Steps", "command one", "| old |\n")
    before, after = page.read_text(), "\n\n## Next\n"
    page.write_text(before.rstrip() + after)
    write_section(page, "steps", "Steps", "command two", "| new |\n")
    text = page.read_text()
    assert "old" not in text
    assert text.count("## Steps") == 1
    assert "| new |" in text
    assert text.endswith(after)
