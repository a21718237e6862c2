"""Event files: checksums by the standard's vectors, records as TensorBoard reads them."""

import struct
from pathlib import Path

import pytest

import adjoint as ad
from adjoint.train.events import crc32c, record


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
    ],
)
def test_the_checksum(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_a_record_is_length_data_and_two_checksums() -> None:
    made = record(b"abc")
    assert struct.unpack("<Q", made[:8]) == (3,)
    assert made[12:15] == b"abc"
    assert len(made) == 19


@pytest.mark.peers
def test_tensorboard_reads_it(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with ad.train.EventWriter(tmp_path) as writer:
        for step in range(1, 6):
            writer.scalars(step, {"train/loss": 1 / step, "epoch/R²": float(step), "big": 1e300})
    with ad.train.EventWriter(tmp_path, resume_step=3) as writer:
        writer.scalars(4, {"train/loss": 40.0})
    found = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert sorted(found.Tags()["scalars"]) == ["big", "epoch/R²", "train/loss"]
    seen = [(e.step, e.value) for e in found.Scalars("train/loss")]
    assert [step for step, _ in seen] == [1, 2, 3, 4]
    assert seen[1][1] == 0.5
    assert seen[3][1] == 40.0
