"""Philox against the authors' known answers, and the two cards that use it."""

import numpy as np
import pytest

from adjoint.core.errors import DTypeError, ShapeError
from adjoint.ops.random_bits import (
    CHUNK,
    RandomBits,
    SkipBlocks,
    philox4x32,
    position,
    random_words,
)


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


# kat_vectors of Random123 1.14, philox4x32 with 10 rounds
KNOWN = [
    ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: str, key: str, answer: str) -> None:
    out = philox4x32([words(counter)], words(key))
    assert out.dtype == np.uint32
    assert out.tolist() == [words(answer)]


def test_words_are_blocks_in_order() -> None:
    state = np.array([7, 9, 5, 1], np.uint32)
    blocks = [[5 + i, 1, 0, 0] for i in range(3)]
    assert random_words(state, 10).tolist() == philox4x32(blocks, [7, 9]).ravel()[:10].tolist()


def test_the_counter_carries_and_wraps() -> None:
    state = np.array([7, 9, 0xFFFFFFFF, 0xFFFFFFFF], np.uint32)
    expected = philox4x32([[0xFFFFFFFF, 0xFFFFFFFF, 0, 0], [0, 0, 0, 0]], [7, 9])
    assert random_words(state, 8).tolist() == expected.ravel().tolist()
    assert SkipBlocks(1)(state).tolist() == [7, 9, 0, 0]
    assert SkipBlocks(3)(np.array([7, 9, 0xFFFFFFFE, 0], np.uint32)).tolist() == [7, 9, 1, 1]


def test_a_long_draw_is_the_same_as_short_ones() -> None:
    state = np.array([3, 0, 0, 0], np.uint32)
    n = 4 * CHUNK + 40
    whole = RandomBits((n,))(state)
    rest = RandomBits((n - 8,))(SkipBlocks(2)(state))
    np.testing.assert_array_equal(whole[8:], rest)


def test_leading_axes_of_the_state_are_streams() -> None:
    states = np.array([[[1, 0, 0, 0], [2, 0, 5, 0]]], np.uint32)
    together = RandomBits((2, 3))(states)
    assert together.shape == (1, 2, 2, 3)
    for i in range(2):
        np.testing.assert_array_equal(together[0, i], RandomBits((2, 3))(states[0, i]))
    assert position(SkipBlocks(4)(states)).tolist() == [[[4], [9]]]


@pytest.mark.parametrize("card", [RandomBits((2,)), SkipBlocks(1)])
def test_what_is_no_state_is_refused(card: RandomBits | SkipBlocks) -> None:
    with pytest.raises(ShapeError, match=r"shape \(\.\.\., 4\), got \(3,\)"):
        card(np.zeros(3, np.uint32))
    with pytest.raises(DTypeError, match="uint32, got int64"):
        card.value(np.zeros(4, np.int64))


def test_bits_are_uniform() -> None:
    bits = RandomBits((100_000,))(np.array([0, 0, 0, 0], np.uint32))
    ones = [(bits >> np.uint32(k) & np.uint32(1)).mean() for k in range(32)]
    assert np.abs(np.array(ones) - 0.5).max() < 0.008  # five standard deviations
