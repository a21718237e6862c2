"""Text as numbers: vocabularies of characters and bytes, and windows to predict the next of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from adjoint.data.containers import as_array
from adjoint.data.errors import DataError

Array = np.ndarray[Any, Any]


@runtime_checkable
class Vocabulary(Protocol):
    """What turns text into token numbers and back.

    Example:
        >>> isinstance(ad.data.ByteVocabulary(), ad.data.Vocabulary)
        True
    """

    def __len__(self) -> int: ...

    def encode(self, text: str) -> Any:
        """The numbers of the tokens of a text, as an int64 array."""
        ...

    def decode(self, tokens: Any) -> str:
        """The text of these tokens."""
        ...


class CharVocabulary:
    """The characters of a text, numbered by code point.

    Args:
        text: the characters, in any order and number.

    Attributes:
        characters: the different ones, sorted: what makes the vocabulary again.

    Example:
        >>> vocabulary = ad.data.CharVocabulary("hello")
        >>> vocabulary.encode("hole")
        array([1, 3, 2, 0])
        >>> vocabulary.decode([1, 0, 2, 2, 3])
        'hello'
    """

    def __init__(self, text: str) -> None:
        self.characters = "".join(sorted(set(text)))
        if not self.characters:
            raise DataError("CharVocabulary: the text is empty")
        self._points = _points(self.characters)

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Array:
        """The numbers of the characters.

        Raises:
            DataError: if one is not in the vocabulary; it says which, and where.
        """
        points = _points(text)
        found = np.searchsorted(self._points, points)
        wrong = self._points[np.minimum(found, len(self) - 1)] != points
        if wrong.any():
            at = int(np.argmax(wrong))
            raise DataError(
                f"CharVocabulary: character {at} of the text, {text[at]!r}, is not one of the "
                f"{len(self)} characters that were learned.\n"
                "  Try: leave it out, make the vocabulary of all text, or use ByteVocabulary."
            )
        return found.astype(np.int64)

    def decode(self, tokens: Any) -> str:
        """The text of these character numbers."""
        numbers = _checked(tokens, len(self), "CharVocabulary")
        return self._points[numbers].tobytes().decode("utf-32-le", "surrogatepass")


class ByteVocabulary:
    """The 256 bytes: any text, in any language, as its UTF-8.

    Example:
        >>> ad.data.ByteVocabulary().encode("é!")
        array([195, 169,  33])
    """

    def __len__(self) -> int:
        return 256

    def encode(self, text: str) -> Array:
        """The bytes of the text in UTF-8."""
        return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int64)

    def decode(self, tokens: Any) -> str:
        """The text of these bytes; those that are no UTF-8 become the sign for that."""
        numbers = _checked(tokens, 256, "ByteVocabulary")
        return numbers.astype(np.uint8).tobytes().decode("utf-8", "replace")


def _points(text: str) -> Array:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _checked(tokens: Any, size: int, what: str) -> Array:
    numbers = as_array(tokens).reshape(-1).astype(np.int64)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < size:
        bad = numbers[(numbers < 0) | (numbers >= size)][0]
        raise DataError(f"{what}: {bad} is no token: there are {size}")
    return numbers


class TextDataset:
    """Windows of a long sequence of tokens, each with the tokens that come one place later.

    Items are pairs of int64 arrays of length `block_size`: ``tokens[i : i + n]`` to read and
    ``tokens[i + 1 : i + n + 1]`` to predict.

    Args:
        tokens: token numbers, of one axis; a memory map (see `read_npy`) is read as needed.
        block_size: tokens in a window.
        stride: from the start of a window to that of the next; by default `block_size`, so that a
            pass predicts each token once. With 1 there is a window at every place.

    Raises:
        DataError: if there are too few tokens for one window.

    Example:
        >>> data = ad.data.TextDataset(np.arange(9), block_size=4)
        >>> data.take([0, 1])
        (array([[0, 1, 2, 3],
               [4, 5, 6, 7]]), array([[1, 2, 3, 4],
               [5, 6, 7, 8]]))
    """

    def __init__(self, tokens: Any, block_size: int, stride: int | None = None) -> None:
        self.tokens = as_array(tokens)
        self.block_size = block_size
        self.stride = block_size if stride is None else stride
        if self.tokens.ndim != 1 or self.tokens.dtype.kind not in "iu":
            raise DataError("TextDataset: tokens must be whole numbers in an array of one axis")
        if min(block_size, self.stride) < 1:
            raise DataError("TextDataset: block_size and stride must be at least 1")
        if len(self.tokens) <= block_size:
            raise DataError(
                f"TextDataset: {len(self.tokens)} tokens are too few for a window of "
                f"{block_size} and the token after it"
            )
        self._span = np.arange(block_size + 1)

    def __len__(self) -> int:
        return (len(self.tokens) - self.block_size - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} windows")
        x, y = self.take([at])
        return x[0], y[0]

    def take(self, indices: Any) -> tuple[Array, Array]:
        """The windows with these numbers, as two arrays of shape (windows, block_size)."""
        starts = np.asarray(indices, np.intp) * self.stride
        both = self.tokens.take(starts[:, None] + self._span).astype(np.int64, copy=False)
        return both[:, :-1], both[:, 1:]


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """The text in a file, with line ends as newlines.

    Args:
        path: the file.
        encoding: of the file; a byte order mark of UTF-8 is left out.

    Raises:
        DataError: if the file cannot be read; for a byte of another encoding it says on which line.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "poem.txt")
        >>> with open(path, "w") as file:
        ...     _ = file.write("roses are red")
        >>> ad.data.read_text(path)
        'roses are red'
    """
    place = Path(path)
    try:
        data = place.read_bytes()
        text = data.decode(encoding)
    except FileNotFoundError:
        raise DataError(f"There is no file {place}.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{place}, line {line}: byte {error.object[error.start]:#04x} is no "
            f"{encoding.upper()}.\n  Try: encoding='latin-1', or save the file as UTF-8."
        ) from None
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror}.") from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
