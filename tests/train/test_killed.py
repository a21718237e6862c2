"""Runs that are killed at random moments and resumed end with the same bits.

Three kills by default; `ADJOINT_KILLS=50` asks for as many as that.
"""

import os
import random
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import adjoint as ad

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("ADJOINT_KILLS", "3"))
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


def start(folder: Path, end: Path, how: tuple[str, str]) -> subprocess.Popen[bytes]:
    program = [sys.executable, str(ROOT / "tests" / "train" / "run_to_kill.py")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        [*program, str(folder), str(end), *how],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_start(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 120)
    assert ready
    assert process.stdout.readline() == b"started\n", process.communicate()[1].decode()


def finish(process: subprocess.Popen[bytes]) -> None:
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()


def lines(folder: Path) -> list[dict[str, object]]:
    found = ad.train.read_lines(folder / "log.jsonl")
    return [{k: v for k, v in line.items() if k != "time"} for line in found]


@pytest.mark.parametrize("how", [("compiled", "1"), ("compiled", "2")], ids="-".join)
def test_a_run_that_is_killed_ends_with_the_same_bits(tmp_path: Path, how: tuple[str, str]) -> None:
    kills = KILLS // 2 if how[1] == "2" else KILLS - KILLS // 2
    whole, end = tmp_path / "whole", tmp_path / "whole.safetensors"
    process = start(whole, end, how)
    wait_for_start(process)
    begin = time.perf_counter()
    finish(process)
    seconds = time.perf_counter() - begin
    draw = random.Random(kills)
    killed = run = 0
    while killed < kills:
        run += 1
        folder, found = tmp_path / f"killed{run}", tmp_path / f"killed{run}.safetensors"
        while not found.exists():
            process = start(folder, found, how)
            wait_for_start(process)
            if killed < kills:
                time.sleep(draw.uniform(0, seconds))
                process.kill()
                killed += process.wait() != 0
                process.communicate()
            else:
                finish(process)
        assert found.read_bytes() == end.read_bytes()
        assert lines(folder) == lines(whole)
        best = "best.safetensors"
        assert (folder / best).read_bytes() == (whole / best).read_bytes()
