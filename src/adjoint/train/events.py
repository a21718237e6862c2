"""TensorBoard's event files, written without TensorFlow: scalars, with the checksums it expects.

A file is a row of records: length (8 bytes, little-endian), masked CRC-32C of the length, the data,
masked CRC-32C of the data. The data are messages of Protocol Buffers; the few fields that scalars
take are written here by hand.

Source: `tensorflow/core/lib/io/record_writer.h` and `tensorflow/core/util/event.proto`.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from pathlib import Path
from typing import IO, Any

_POLYNOMIAL = 0x82F63B78  # of CRC-32C (Castagnoli), bits reversed
_counter = itertools.count()


def _table() -> list[int]:
    out: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        out.append(crc)
    return out


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The checksum CRC-32C of some bytes.

    Example:
        >>> from adjoint.train.events import crc32c
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    rotated = ((crc >> 15) | (crc << 17)) + 0xA282EAD8
    return struct.pack("<I", rotated & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """One record of a file."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _varint(n: int) -> bytes:
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number: int, value: Any) -> bytes:
    """A field of a message: a varint, a double, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _float(value: float) -> bytes:
    largest = 3.4028234e38  # of single precision
    return struct.pack("<f", value if value != value else max(-largest, min(largest, value)))


def _event(step: int, number: int, value: bytes) -> bytes:
    return _field(1, time.time()) + _field(2, step) + _field(number, value)


class EventWriter:
    """Writes scalars to an event file that TensorBoard shows.

    Args:
        folder: where the file is made; several in one folder are one run.
        resume_step: the step at which a run is resumed: what earlier files say of later steps is
            left out by TensorBoard.

    Example:
        >>> import tempfile
        >>> with ad.train.EventWriter(tempfile.mkdtemp()) as writer:
        ...     writer.scalars(1, {"train/loss": 0.5})
    """

    def __init__(self, folder: str | os.PathLike[str], resume_step: int | None = None) -> None:
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        host = socket.gethostname() or "localhost"
        name = f"events.out.tfevents.{time.time():.6f}.{host}.{os.getpid()}.{next(_counter)}"
        self.path = place / name
        self._file: IO[bytes] = self.path.open("ab")
        self._write(_event(0, 3, b"brain.Event:2"))
        if resume_step is not None:
            self._write(_event(resume_step + 1, 7, _field(1, 1)))  # a session that starts
        self._file.flush()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Note numbers by name, such as ``{"train/loss": 0.5}``, at a step."""
        parts: list[bytes] = []
        for name, value in values.items():
            single = _varint(2 << 3 | 5) + _float(value)  # simple_value
            parts.append(_field(1, _field(1, name.encode()) + single))
        self._write(_event(step, 5, b"".join(parts)))

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        self._file.write(record(data))
