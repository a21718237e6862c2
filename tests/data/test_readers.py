"""Arrays, Parquet, images and text from files."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.data import (
    ByteVocabulary,
    CharVocabulary,
    DataError,
    DataLoader,
    ImageFolder,
    MissingExtra,
    TextDataset,
    Tokenizer,
    digits,
    read_csv,
    read_image,
    read_npy,
    read_npz,
    read_parquet,
    read_text,
)

# -- NumPy ---------------------------------------------------------------------------------------


def test_npy_and_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(6).reshape(3, 2))
    for mmap in (True, False):
        assert read_npy(tmp_path / "x.npy", mmap=mmap).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert not read_npy(tmp_path / "x.npy").flags.writeable
    np.savez(tmp_path / "x.npz", a=np.ones(2), b=np.zeros(1))
    assert {k: v.tolist() for k, v in read_npz(tmp_path / "x.npz").items()} == {
        "a": [1, 1],
        "b": [0],
    }


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_faulty_numpy_files(tmp_path: Path, ending: str) -> None:
    read: Any = read_npy if ending == "npy" else read_npz
    path = tmp_path / f"x.{ending}"
    with pytest.raises(DataError, match="There is no file"):
        read(path)
    objects = np.array([{}], object)
    np.save(path, objects) if ending == "npy" else np.savez(path, x=objects)
    with pytest.raises(DataError, match="a pickle runs code"):
        read(path)
    np.save(path, np.ones(99)) if ending == "npy" else np.savez(path, x=np.ones(99))
    data = path.read_bytes()
    for length in (20, len(data) - 30):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match="truncated or damaged"):
            read(path)
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match=f"is not an .{ending} file: it begins with"):
        read(path)


# -- Parquet -------------------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    polars = pytest.importorskip("polars")
    import datetime

    frame = polars.DataFrame(
        {
            "n": [1.5, None, 3.0],
            "w": ["a", "b", "a"],
            "d": [datetime.date(2024, 2, 29), None, datetime.date(2024, 3, 1)],
        }
    )
    frame.write_parquet(tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_parquet(parquet: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    if library == "pyarrow":
        pytest.importorskip("pyarrow")
        monkeypatch.setitem(sys.modules, "polars", None)
    table = read_parquet(parquet)
    assert [(c.name, c.kind) for c in table.columns] == [
        ("n", "number"),
        ("w", "category"),
        ("d", "date"),
    ]
    assert table["d"].texts() == ["2024-02-29", None, "2024-03-01"]
    assert read_parquet(parquet, columns=["w"]).names == ("w",)
    with pytest.raises(DataError, match="cannot be read"):
        read_parquet(parquet, columns=["none"])


def test_faulty_parquet(parquet: Path) -> None:
    parquet.write_bytes(parquet.read_bytes()[:-20])
    with pytest.raises(DataError, match="is cut off: its end is missing"):
        read_parquet(parquet)
    parquet.write_bytes(b"a,b\n")
    with pytest.raises(DataError, match="is not a Parquet file"):
        read_parquet(parquet)
    parquet.write_bytes(b"")
    with pytest.raises(DataError, match="is not a Parquet file"):
        read_parquet(parquet)


# -- images --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image")
    for name, level in (("dark", 0), ("light", 255)):
        (tmp_path / name).mkdir()
        for k in range(3):
            pixels = np.full((4, 6, 3), level, np.uint8)
            pixels[0, 0] = 51 * k
            image.fromarray(pixels).save(tmp_path / name / f"{k}.png")
    (tmp_path / "dark" / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_of_images(folder: Path) -> None:
    data = ImageFolder(folder)
    assert data.classes == ("dark", "light")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    x, label = data[5]
    assert (x.shape, x.dtype, label) == ((3, 4, 6), np.float32, 1)
    assert (x.max(), x[0, 0, 0]) == (np.float32(1), np.float32(0.4))
    assert ImageFolder(folder, size=8, grayscale=True)[0][0].shape == (1, 8, 8)
    assert ImageFolder(folder, size=(2, 5))[0][0].shape == (3, 2, 5)
    batches = list(DataLoader(data, 4, num_workers=2))
    assert [tuple(x.shape) for x, _ in batches] == [(4, 3, 4, 6), (2, 3, 4, 6)]
    whole = next(iter(DataLoader(data.arrays(), 6)))
    np.testing.assert_array_equal(whole[0].numpy()[:4], batches[0][0].numpy())


def test_faulty_images(folder: Path) -> None:
    from PIL import Image

    Image.new("RGB", (2, 2)).save(folder / "dark" / "3.png")
    with pytest.raises(DataError, match=r"3.png has the shape .*\n  Try: .*size="):
        ImageFolder(folder).arrays()
    data = (folder / "light" / "0.png").read_bytes()
    (folder / "light" / "0.png").write_bytes(data[:50])
    with pytest.raises(DataError, match=r"0\.png is not an image, or is damaged"):
        ImageFolder(folder)[4]
    with pytest.raises(DataError, match="There is no file"):
        read_image(folder / "none.png")
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="the class 'empty' has none"):
        ImageFolder(folder)
    with pytest.raises(DataError, match="has no folders"):
        ImageFolder(folder / "empty")


def test_sixteen_bits_and_cameras_that_were_turned(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.array([[0, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png", grayscale=True).tolist() == [[[0, 1]]]
    turned = image.new("RGB", (4, 2))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (3, 4, 2)


# -- text ----------------------------------------------------------------------------------------


@given(st.text(min_size=1))
def test_text_comes_back_from_its_tokens(text: str) -> None:
    vocabulary = CharVocabulary(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert len(vocabulary) == len(set(text))
    assert CharVocabulary(vocabulary.characters).encode(text).tolist() == (
        vocabulary.encode(text).tolist()
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_comes_back_from_its_bytes(text: str) -> None:
    tokens = ByteVocabulary().encode(text)
    assert tokens.tolist() == list(text.encode())
    assert ByteVocabulary().decode(ad.asarray(tokens)) == text


def test_what_is_not_in_a_vocabulary() -> None:
    with pytest.raises(DataError, match="character 2 of the text, 'z', is not one of the 2"):
        CharVocabulary("ab").encode("abz")
    with pytest.raises(DataError, match="2 is no token: there are 2"):
        CharVocabulary("ab").decode([0, 2])
    with pytest.raises(DataError, match="-1 is no token"):
        ByteVocabulary().decode([-1])
    with pytest.raises(DataError, match="text is empty"):
        CharVocabulary("")


@given(st.integers(2, 40), st.integers(1, 8), st.none() | st.integers(1, 9))
def test_windows_cover_the_text(count: int, block: int, stride: int | None) -> None:
    if count <= block:
        with pytest.raises(DataError, match="too few for a window"):
            TextDataset(np.arange(count), block, stride)
        return
    data = TextDataset(np.arange(count, dtype=np.uint8), block, stride)
    starts = list(range(0, count - block, stride or block))
    assert len(data) == len(starts)
    assert [x[0] for x, _ in (data[k] for k in range(len(data)))] == starts
    x, y = data.take(np.arange(len(data)))
    assert x.dtype == y.dtype == np.int64
    assert (y - x == 1).all()
    assert x.shape == (len(starts), block)


def test_windows_of_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", ByteVocabulary().encode("hello world").astype(np.uint8))
    data = TextDataset(read_npy(tmp_path / "tokens.npy"), 5)
    ((x, y),) = DataLoader(data, 8)
    assert [ByteVocabulary().decode(t) for t in x] == ["hello", " worl"]
    assert [ByteVocabulary().decode(t) for t in y] == ["ello ", "world"]


@pytest.mark.parametrize("tokens", [np.ones(9), np.ones((3, 3), int)])
def test_tokens_must_be_a_row_of_whole_numbers(tokens: Any) -> None:
    with pytest.raises(DataError, match="whole numbers in an array of one axis"):
        TextDataset(tokens, 2)


def test_text_files(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes("\ufeffa\r\nb".encode())
    assert read_text(path) == "a\nb"
    path.write_bytes(b"a\nb\n\xff")
    with pytest.raises(DataError, match="line 3: byte 0xff is no UTF-8"):
        read_text(path)
    with pytest.raises(DataError, match="There is no file"):
        read_text(tmp_path / "none.txt")


def test_word_pieces(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    text = "the cat sat on the mat, the cat sat on the hat. Größe!"
    pieces = Tokenizer.train([text] * 3, 280)
    assert 256 < len(pieces) <= 280
    tokens = pieces.encode(text)
    assert len(tokens) < len(text)
    assert pieces.decode(tokens) == text
    (tmp_path / "tokenizer.json").write_text(pieces.description, encoding="utf-8")
    again = Tokenizer.from_file(tmp_path / "tokenizer.json")
    assert again.encode(text).tolist() == tokens.tolist()
    with pytest.raises(DataError, match="not the description"):
        Tokenizer("{}")
    with pytest.raises(DataError, match="at least the 256 bytes"):
        Tokenizer.train([text], 10)


# -- what is not installed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "call", "extra"),
    [
        (["polars", "pyarrow"], lambda p: read_parquet(p / "x.parquet"), "parquet"),
        (["polars"], lambda p: read_csv(p / "x.csv", engine="polars"), "parquet"),
        (["PIL"], lambda p: read_image(p / "x.png"), "images"),
        (["tokenizers"], lambda p: Tokenizer("{}"), "text"),
        (["tokenizers"], lambda p: Tokenizer.train([], 300), "text"),
        (["sklearn.datasets"], lambda p: digits(), "digits"),
    ],
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: list[str], call: Any, extra: str
) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1PAR1")
    (tmp_path / "x.csv").write_text("a\n1\n")
    for name in hidden:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'adjoint\[{extra}\]'"):
        call(tmp_path)
