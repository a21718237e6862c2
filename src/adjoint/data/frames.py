"""Parquet and large CSV files, by polars or pyarrow: the one place that imports them."""

# Both are extras, imported where they are needed, and pyarrow comes without types.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportMissingModuleSource=false

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.data.errors import DataError, missing_extra
from adjoint.data.table import Table

Array = np.ndarray[Any, Any]
EXTRA = "parquet"


def read_parquet(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Table:
    """The table in a Parquet file, read by polars, or by pyarrow where only that is installed.

    Args:
        path: the file.
        columns: names of those to read; by default all.
        kinds: the kinds of some columns (see `Column`), where they shall not be found out.

    Raises:
        DataError: if the file is missing, or is no Parquet file.
        MissingExtra: if neither package is installed.

    Example:
        >>> try:
        ...     ad.data.read_parquet("no such file.parquet")
        ... except ad.data.DataError as error:
        ...     print(error)
        There is no file no such file.parquet.
    """
    place = Path(path)
    if not place.is_file():
        folder = place.is_dir()
        raise DataError(f"{place} is a folder." if folder else f"There is no file {place}.")
    with place.open("rb") as file:
        start = file.read(4)
        file.seek(-min(4, place.stat().st_size), os.SEEK_END)
        end = file.read(4)
    if start != b"PAR1" or end != b"PAR1":
        cut = start == b"PAR1"
        found = "is cut off: its end is missing" if cut else "is not a Parquet file"
        way_out = "copy or download it again." if cut else "read_csv, if it is CSV."
        raise DataError(f"{place} {found}.\n  Try: {way_out}")
    names = None if columns is None else list(columns)
    return Table.of(_frame(place, names), kinds=kinds, source=str(place))


def _frame(place: Path, columns: list[str] | None) -> Any:
    """The file as a frame of polars, or as one of pyarrow in the shape that `Table.of` takes."""
    try:
        import polars  # noqa: PLC0415
    except ImportError:
        return _arrow_frame(place, columns)
    try:
        return polars.read_parquet(place, columns=columns)
    except polars.exceptions.PolarsError as error:
        raise DataError(f"{place} cannot be read: {error}") from None


def _arrow_frame(place: Path, columns: list[str] | None) -> dict[str, list[Any]]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415
    except ImportError:
        raise missing_extra("Reading Parquet", "polars (or pyarrow)", EXTRA) from None
    try:
        found: Any = parquet.read_table(place, columns=columns)
    except (ArrowException, OSError) as error:
        raise DataError(f"{place} cannot be read: {error}") from None
    cells: dict[str, list[Any]] = found.to_pydict()
    return {
        name: [x.isoformat() if hasattr(x, "isoformat") else x for x in column]
        for name, column in cells.items()
    }


def csv_by_polars(
    text: str, path: Path, separator: str, header: bool
) -> tuple[list[str], list[Any], Array | None]:
    """Names and cells of the columns of a CSV file, as `read_csv` wants them."""
    try:
        import polars  # noqa: PLC0415
    except ImportError:
        raise missing_extra("read_csv(engine='polars')", "polars", EXTRA) from None
    try:
        frame = polars.read_csv(
            io.BytesIO(text.removeprefix("\ufeff").encode()),
            separator=separator,
            has_header=header,
            infer_schema_length=None,
        )
    except polars.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    names = list(frame.columns) if header else [f"column {k + 1}" for k in range(frame.width)]
    cells: list[Any] = []
    for series in frame:
        plain = series.dtype.is_numeric() and not series.is_null().any()
        cells.append(series.to_numpy() if plain else series.to_list())
    return names, cells, None
