"""CSV: kinds of columns, odd files, and complaints that name the line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from adjoint.data import Column, DataError, Table, read_csv, write_csv


def read(tmp_path: Path, content: str | bytes, **options: Any) -> Table:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_csv(path, **options)


def fault(tmp_path: Path, content: str | bytes, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, **options)
    return str(caught.value).replace(str(tmp_path / "t.csv"), "FILE")


def kinds(table: Table) -> dict[str, str]:
    return {c.name: c.kind for c in table.columns}


def test_kinds_are_found_out(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "n,b,d,c,t,empty\n"
        "1,true,2024-02-29,x,alpha,\n"
        "-2.5e3,FALSE,2024-03-01,y,beta,NA\n"
        ",?,null,x,gamma,?\n"
        "nan,True,2024-03-01T10:30,,delta,\n",
    )
    assert kinds(table) == {
        "n": "number",
        "b": "bool",
        "d": "date",
        "c": "category",
        "t": "text",
        "empty": "number",
    }
    np.testing.assert_array_equal(table["n"].values, [1, -2500, np.nan, np.nan])
    np.testing.assert_array_equal(table["b"].values, [1, 0, np.nan, 1])
    assert table["d"].values.tolist()[2] is None
    assert table["c"].categories == ("x", "y")
    assert table["c"].values.tolist() == [0, 1, 0, -1]
    assert [c.missing.sum() for c in table.columns] == [2, 1, 1, 1, 0, 4]


def test_quotes_blank_lines_and_line_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, '\na,"b, c"\r\n1,"x\ny"\r\n\r\n2," ""q"" "\r\n')
    assert table.names == ("a", "b, c")
    assert table["b, c"].texts() == ["x\ny", '"q"']
    assert table.where(1, "a").endswith("t.csv, line 6, column 'a'")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    table = read(tmp_path, separator.join(["a", '"b,,,;;;"', "c"]) + "\n" + separator.join("123"))
    assert table.names == ("a", "b,,,;;;", "c")
    assert read(tmp_path, "a:b\n1:2\n", separator=":").names == ("a", "b")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", ("column 1", "column 2", "column 3")),
        ("1,2\n3,4\n", ("column 1", "column 2")),
        ("year,2019,2020\n1,2,3\n4,5,6\n", ("year", "2019", "2020")),
        ("a,b\nc,d\n", ("a", "b")),
        (",x\n0,1\n1,2\n", ("column 1", "x")),
    ],
)
def test_a_header_is_told_from_a_row(tmp_path: Path, content: str, names: Any) -> None:
    assert read(tmp_path, content).names == names


def test_a_header_on_request(tmp_path: Path) -> None:
    assert len(read(tmp_path, "a,b\nc,d\n", header=False)) == 2
    assert read(tmp_path, "1,2\n3,4\n", header=True).names == ("1", "2")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, "größe,x\n1,2\n".encode(encoding)).names == ("größe", "x")


def test_encodings(tmp_path: Path) -> None:
    content = "name,x\nok,1\ncafé,2\n".encode("cp1252")
    assert fault(tmp_path, content) == (
        "FILE, line 3: byte 0xe9 is no UTF-8.\n"
        "  Try: encoding='cp1252' (Windows) or encoding='latin-1', or save the file as UTF-8."
    )
    assert read(tmp_path, content, encoding="cp1252")["name"].texts() == ["ok", "café"]
    assert "no encoding 'klingon'" in fault(tmp_path, content, encoding="klingon")


FAULTS = {
    "too many": ("a,b\n1,2\n1,2,3\n", "FILE, line 3: 3 values, but the first line has 2."),
    "too few": ("a,b\n\n1\n", "FILE, line 3: 1 value, but the first line has 2."),
    "open quote": (
        'a,b\n1,2\n"3,4\n5,6\n',
        "FILE, line 3: a quote that opens here is never closed.",
    ),
    "stray quote": ('a,b\n"1"x,2\n', "FILE, line 2: ',' expected after '\"'."),
    "long value": ("a\n" + "x" * 200_000, "FILE, line 2: a value of more than 131,072 characters."),
    "empty": ("", "FILE is empty."),
    "blank": ("\n \n\n", "FILE is empty."),
    "header only": ("a,b\n", "FILE names columns, and has no rows below them."),
    "twice": ("a,b,a\n1,2,3\n", "FILE has more than one column named 'a'."),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_file(tmp_path: Path, name: str) -> None:
    content, fact = FAULTS[name]
    assert fault(tmp_path, content).splitlines()[0] == fact


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"no file .*house\.csv\.\nDid you mean .*houses\.csv"):
        read_csv(tmp_path / "house.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_csv(tmp_path)


def test_kinds_and_missing_words_on_request(tmp_path: Path) -> None:
    content = "zip,x\n01234,-\n04567,2\n"
    assert kinds(read(tmp_path, content)) == {"zip": "number", "x": "category"}
    table = read(tmp_path, content, kinds={"zip": "category"}, missing=frozenset({"-"}))
    assert kinds(table) == {"zip": "category", "x": "number"}
    assert table["zip"].categories == ("01234", "04567")
    assert "column 'x': ['-'] is no number" in fault(tmp_path, content, kinds={"x": "number"})
    assert "no column 'y'" in fault(tmp_path, content, kinds={"y": "number"})
    assert "kinds are number, bool" in fault(tmp_path, content, kinds={"x": "colour"})


def test_a_date_that_is_none_is_text(tmp_path: Path) -> None:
    assert kinds(read(tmp_path, "d\n2024-13-01\n2024-01-02\n2024-01-03\n"))["d"] == "text"


words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n",;|\t'), max_size=6
).map(str.strip)
numbers = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53).map(float)


@given(
    st.integers(1, 12).flatmap(
        lambda rows: st.lists(
            st.one_of(
                st.lists(numbers | st.none(), min_size=rows, max_size=rows),
                st.lists(words | st.none(), min_size=rows, max_size=rows),
                st.lists(st.booleans() | st.none(), min_size=rows, max_size=rows),
            ),
            min_size=1,
            max_size=4,
        )
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[Any]], separator: str
) -> None:
    table = Table([Column.of(f"c{k}", column) for k, column in enumerate(cells)])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    write_csv(path, table, separator=separator)
    if len(cells) == 1 and None in table.columns[0].texts():
        return  # a row of one missing value is a blank line
    back = read_csv(path, header=True, separator=separator)
    assert back.names == table.names
    for x, y in zip(table.columns, back.columns, strict=True):
        assert x.kind == y.kind
        assert x.texts() == y.texts()


ODD = ["", "1,2,3", "1,x", "1,", "1,1_0", '"1",2', "NA,2", "1,2024-01-01", " 7 , 8 ", "nan,inf"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("header", ["a,b", "1,2"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_large_files_are_read_as_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str, header: str, end: str
) -> None:
    lines = [header, *(f"{k / 7},{-k}" for k in range(1500)), odd, "5,6"]
    content = end.join(lines)

    def result() -> Any:
        try:
            table = read(tmp_path, content)
        except DataError as error:
            return str(error)
        places = None if table.lines is None else table.lines.tolist()
        return table.names, places, [(c.kind, c.texts()) for c in table.columns]

    fast = result()
    monkeypatch.setattr("adjoint.data.csv_file.LARGE", 10**9)
    assert fast == result()


def test_polars_reads_the_same(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    content = 'n;w;b;m\n1.5;x;true;\n-2;"y;z";false;3\n;x;true;NA\n'
    plain = read(tmp_path, content)
    fast = read(tmp_path, content, engine="polars")
    assert kinds(fast) == kinds(plain)
    assert [c.texts() for c in fast.columns] == [c.texts() for c in plain.columns]
    assert "engine must be" in fault(tmp_path, content, engine="pandas")
    assert "cannot be read" in fault(tmp_path, "a,b\n1,2,3\n", engine="polars")
