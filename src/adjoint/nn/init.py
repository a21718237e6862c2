"""Initialisers: they give a tensor values in place and return it.

What they draw comes from `ad.random`, from the generator that is given or the default one, so that
a seed decides the weights.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

import adjoint as ad

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Generator = ad.random.Generator

_GAINS: Final = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps a signal's variance through an activation.

    Args:
        nonlinearity: name of the activation, such as ``"relu"``; ``"linear"`` for none.
        param: slope of ``"leaky_relu"``, 0.01 by default.

    Raises:
        ArgumentError: if the activation is not known.

    Example:
        >>> round(ad.nn.init.calculate_gain("relu"), 4)
        1.4142
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join((*_GAINS, "leaky_relu"))
        raise ad.errors.ArgumentError(
            f"calculate_gain: {nonlinearity!r} has no known gain; these have: {known}"
        )
    return _GAINS[nonlinearity]


def _set(tensor: Any, value: Any) -> Any:
    with ad.no_grad():
        return tensor.assign(value)


def fans(tensor: Any, name: str) -> tuple[int, int]:
    """How many inputs reach an output of a layer with this weight, and outputs an input.

    Raises:
        ShapeError: if the weight has fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ad.errors.ShapeError(
            f"{name}: a weight of shape {tensor.shape} has no inputs and outputs; "
            "it needs at least two axes"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def uniform_(
    tensor: Any, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Any:
    """The tensor, now with values that are uniformly distributed from `a` to `b`.

    Example:
        >>> x = ad.nn.init.uniform_(ad.zeros(100), 2.0, 3.0)
        >>> 2.0 <= float(x.min()) <= float(x.max()) <= 3.0
        True
    """
    drawn = ad.random.uniform(a, b, tensor.shape, dtype=tensor.dtype, generator=generator)
    return _set(tensor, drawn)


def normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Any:
    """The tensor, now with values that are normally distributed.

    Example:
        >>> x = ad.nn.init.normal_(ad.zeros(10000), 5.0, 2.0)
        >>> round(float(x.mean())), round(float(x.std()))
        (5, 2)
    """
    drawn = ad.random.normal(mean, std, tensor.shape, dtype=tensor.dtype, generator=generator)
    return _set(tensor, drawn)


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Any:
    """The tensor, now with normally distributed values that lie from `a` to `b`.

    Example:
        >>> x = ad.nn.init.trunc_normal_(ad.zeros(1000), std=0.02, a=-0.04, b=0.04)
        >>> float(abs(x).max()) <= 0.04
        True
    """
    drawn = ad.random.truncated_normal(
        mean, std, a, b, tensor.shape, dtype=tensor.dtype, generator=generator
    )
    return _set(tensor, drawn)


def constant_(tensor: Any, val: float) -> Any:
    """The tensor, now with one value everywhere.

    Example:
        >>> ad.nn.init.constant_(ad.zeros(2), 3.0)
        tensor([3., 3.])
    """
    return _set(tensor, ad.full(tensor.shape, val, dtype=tensor.dtype))


def zeros_(tensor: Any) -> Any:
    """The tensor, now with zeros.

    Example:
        >>> ad.nn.init.zeros_(ad.ones(2))
        tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


def ones_(tensor: Any) -> Any:
    """The tensor, now with ones.

    Example:
        >>> ad.nn.init.ones_(ad.zeros(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def eye_(tensor: Any) -> Any:
    """The matrix, now with ones on the diagonal and zeros elsewhere.

    Raises:
        ShapeError: if it is not a matrix.

    Example:
        >>> ad.nn.init.eye_(ad.zeros((2, 3)))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    _needs_axes("eye_", tensor, (2,))
    return _set(tensor, ad.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """The weight of a convolution, now such that the convolution passes its input on.

    Args:
        tensor: (out, in, *kernel), with one to three axes of the kernel.
        groups: how many groups of channels the convolution has.

    Raises:
        ShapeError: if it is not the weight of a convolution, or the groups do not divide it.

    Example:
        >>> weight = ad.nn.init.dirac_(ad.zeros((2, 2, 3)))
        >>> ad.conv1d(ad.tensor([[[1.0, 2.0], [3.0, 4.0]]]), weight, padding=1)
        tensor([[[1., 2.],
                 [3., 4.]]])
    """
    _needs_axes("dirac_", tensor, (3, 4, 5))
    outputs, inputs, *kernel = tensor.shape
    if outputs % groups:
        raise ad.errors.ShapeError(f"dirac_: {groups} groups do not divide {outputs} outputs")
    value = np.zeros(tensor.shape)
    middle = tuple(n // 2 for n in kernel)
    each = outputs // groups
    for g in range(groups):
        for d in range(min(each, inputs)):
            value[(g * each + d, d, *middle)] = 1
    return _set(tensor, ad.tensor(value, dtype=tensor.dtype))


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """The weight, now uniform up to ``gain sqrt(6 / (inputs + outputs))``.

    Source: Glorot, Bengio, Understanding the difficulty of training deep feedforward neural
    networks (2010).

    Raises:
        ShapeError: if the weight has fewer than two axes.

    Example:
        >>> w = ad.nn.init.xavier_uniform_(ad.zeros((100, 200)))
        >>> float(abs(w).max()) <= (6 / 300) ** 0.5
        True
    """
    bound = gain * math.sqrt(6.0 / sum(fans(tensor, "xavier_uniform_")))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """The weight, now normal with standard deviation ``gain sqrt(2 / (inputs + outputs))``.

    Source: as of `xavier_uniform_`.

    Raises:
        ShapeError: if the weight has fewer than two axes.

    Example:
        >>> w = ad.nn.init.xavier_normal_(ad.zeros((100, 100)))
        >>> round(float(w.std()), 2)
        0.1
    """
    std = gain * math.sqrt(2.0 / sum(fans(tensor, "xavier_normal_")))
    return normal_(tensor, 0.0, std, generator)


def _kaiming(tensor: Any, a: float, mode: str, nonlinearity: str, name: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ad.errors.ArgumentError(f"{name}: mode is 'fan_in' or 'fan_out', got {mode!r}")
    fan = fans(tensor, name)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """The weight, now uniform up to ``gain sqrt(3 / fan)``.

    Source: He, Zhang, Ren, Sun, Delving deep into rectifiers (2015).

    Args:
        tensor: (out, in, ...).
        a: slope of the leaky rectifier after the layer.
        mode: ``"fan_in"`` keeps the variance of the signal, ``"fan_out"`` that of the gradient.
        nonlinearity: the activation after the layer; see `calculate_gain`.
        generator: where the bits come from.

    Raises:
        ShapeError: if the weight has fewer than two axes.

    Example:
        >>> w = ad.nn.init.kaiming_uniform_(ad.zeros((100, 50)), nonlinearity="relu")
        >>> float(abs(w).max()) <= (6 / 50) ** 0.5
        True
    """
    bound = math.sqrt(3.0) * _kaiming(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """The weight, now normal with standard deviation ``gain / sqrt(fan)``.

    Arguments and source are those of `kaiming_uniform_`.

    Raises:
        ShapeError: if the weight has fewer than two axes.

    Example:
        >>> w = ad.nn.init.kaiming_normal_(ad.zeros((200, 200)))
        >>> round(float(w.std()), 2)
        0.1
    """
    std = _kaiming(tensor, a, mode, nonlinearity, "kaiming_normal_")
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """The weight, now a random (semi-)orthogonal matrix times `gain`; trailing axes count as one.

    Uniform over such matrices: Q of the QR factors of a normal matrix, its columns signed so that
    R has a positive diagonal.

    Source: Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks (2013).

    Raises:
        ShapeError: if the weight has fewer than two axes.

    Example:
        >>> w = ad.nn.init.orthogonal_(ad.zeros((2, 3)))
        >>> ad.round(w @ w.T, decimals=3) + 0.0
        tensor([[1., 0.],
                [0., 1.]])
    """
    fans(tensor, "orthogonal_")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    tall = (max(rows, columns), min(rows, columns))
    q, r = ad.linalg.qr(ad.random.normal(size=tall, dtype=np.float64, generator=generator))
    q = q * ad.sign(ad.diagonal(r))
    q = q.T if rows < columns else q
    return _set(tensor, (gain * q).reshape(tensor.shape).astype(tensor.dtype))


def sparse_(
    tensor: Any, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Any:
    """The matrix, now normal, with the share `sparsity` of each column set to zero.

    Source: Martens, Deep learning via Hessian-free optimization (2010).

    Raises:
        ShapeError: if it is not a matrix.

    Example:
        >>> w = ad.nn.init.sparse_(ad.zeros((10, 4)), sparsity=0.3)
        >>> ad.sum(w == 0, axis=0)
        tensor([3, 3, 3, 3])
    """
    _needs_axes("sparse_", tensor, (2,))
    zeros = math.ceil(sparsity * tensor.shape[0])
    ranks = ad.argsort(
        ad.argsort(ad.random.uniform(size=tensor.shape, generator=generator), axis=0), axis=0
    )
    drawn = ad.random.normal(0.0, std, tensor.shape, dtype=tensor.dtype, generator=generator)
    return _set(tensor, ad.where(ranks < zeros, ad.zeros_like(drawn), drawn))


def _needs_axes(name: str, tensor: Any, allowed: tuple[int, ...]) -> None:
    if tensor.ndim not in allowed:
        said = " or ".join(map(str, allowed))
        raise ad.errors.ShapeError(f"{name}: needs {said} axes, got the shape {tensor.shape}")
