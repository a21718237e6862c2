"""Positions as functions: tables of waves, and rotations by the angle of a position."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.nn.misfit import misfit

__all__ = ["rotary", "rotary_angles", "sinusoidal"]


def sinusoidal(length: int, width: int, base: float = 10000.0, dtype: Any = None) -> Any:
    """A table of waves: one row for each position, whose columns turn ever more slowly.

    ``out[t, 2k] = sin(t / base**(2k / width))``, and the cosine of the same beside it.

    Args:
        length: number of positions.
        width: number of columns, even.
        base: the slowest wave has this period, times 2 pi.
        dtype: of the result; by default the default dtype.

    Returns:
        Shape (length, width).

    Raises:
        ArgumentError: if the width is odd.

    Example:
        >>> ad.nn.functional.sinusoidal(2, 2)
        tensor([[0.        , 1.        ],
                [0.84147096, 0.5403023 ]])

    Source: Vaswani et al., Attention is all you need (2017), arXiv:1706.03762, section 3.5.
    """
    angles = _angles(np.arange(length), width, base)
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return ad.tensor(waves.reshape(length, width), dtype=dtype or ad.default_dtype())


def rotary_angles(length: int, width: int, base: float = 10000.0, dtype: Any = None) -> Any:
    """The cosines and sines that `rotary` turns pairs of features by.

    Args:
        length: number of positions.
        width: number of features that are turned, even.
        base: the slowest wave has this period, times 2 pi.
        dtype: of the result; by default the default dtype.

    Returns:
        Two tensors of shape (length, width / 2).

    Raises:
        ArgumentError: if the width is odd.

    Example:
        >>> cos, sin = ad.nn.functional.rotary_angles(3, 4)
        >>> cos.shape
        (3, 2)
    """
    angles = _angles(np.arange(length), width, base)
    kind = dtype or ad.default_dtype()
    return ad.tensor(np.cos(angles), dtype=kind), ad.tensor(np.sin(angles), dtype=kind)


def rotary(x: Any, cos: Any, sin: Any, interleaved: bool = False) -> Any:
    """The features of each position, turned pair by pair by the angles of the position.

    The product of a query and a key that are turned so depends on the distance of their positions
    only.

    Args:
        x: shape (..., L, E), with L positions; of the features the first 2 W are turned.
        cos: shape (L, W), or any that broadcasts to (..., L, W).
        sin: as `cos`.
        interleaved: whether features 2k and 2k + 1 form a pair, as in the paper; otherwise k and
            k + W do, as in Llama and GPT-NeoX.

    Raises:
        ShapeError: if there are fewer features than angles ask for.

    Example:
        >>> cos, sin = ad.nn.functional.rotary_angles(2, 2)
        >>> ad.nn.functional.rotary(ad.tensor([[1.0, 0.0], [1.0, 0.0]]), cos, sin)
        tensor([[1.        , 0.        ],
                [0.5403023 , 0.84147096]])

    Source: Su et al., RoFormer: Enhanced transformer with rotary position embedding (2021),
    arXiv:2104.09864.
    """
    x = ad.asarray(x)
    w = cos.shape[-1]
    if x.shape[-1] < 2 * w:
        raise misfit("rotary", f"{w} angles turn {2 * w} features, x has fewer", x=x, cos=cos)
    turned, rest = x[..., : 2 * w], x[..., 2 * w :]
    if interleaved:
        pairs = turned.reshape((*x.shape[:-1], w, 2))
        a, b = pairs[..., 0], pairs[..., 1]
        out = ad.stack([a * cos - b * sin, a * sin + b * cos], axis=-1).reshape(turned.shape)
    else:
        a, b = turned[..., :w], turned[..., w:]
        out = ad.concat([a * cos - b * sin, a * sin + b * cos], axis=-1)
    out = out.astype(x.dtype)
    return ad.concat([out, rest], axis=-1) if rest.shape[-1] else out


def _angles(positions: Any, width: int, base: float) -> Any:
    """Positions times frequencies, shape (positions, width / 2), in double precision."""
    if width < 2 or width % 2:
        raise ad.errors.ArgumentError(f"positions need an even number of features, got {width}")
    return positions[:, None] * np.exp(np.arange(0, width, 2) * (-math.log(base) / width))
