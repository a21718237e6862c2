"""Activations as functions of one tensor, elementwise unless an axis is named."""

from __future__ import annotations

from typing import Any

import adjoint as ad

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "prelu",
    "relu6",
    "selu",
    "silu",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """`x` between two bounds, which replace what is beyond them.

    Example:
        >>> ad.nn.functional.hardtanh(ad.tensor([-2.0, 0.5, 2.0]))
        tensor([-1. ,  0.5,  1. ])

    **Gradient:** 1 strictly between the bounds, 0 at and beyond them.
    """
    x = ad.asarray(x)
    return ad.where(x > min_val, ad.where(x < max_val, x, max_val), min_val)


def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``.

    Example:
        >>> ad.nn.functional.relu6(ad.tensor([-1.0, 3.0, 8.0]))
        tensor([0., 3., 6.])

    **Gradient:** 1 strictly between 0 and 6, 0 elsewhere.
    """
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """`x` where it is positive, else ``negative_slope * x``.

    Example:
        >>> ad.nn.functional.leaky_relu(ad.tensor([-1.0, 2.0]), 0.1)
        tensor([-0.1,  2. ])

    **Gradient:** the negative slope at 0.
    """
    x = ad.asarray(x)
    return ad.where(x > 0, x, x * negative_slope)


def prelu(x: Any, weight: Any) -> Any:
    """`x` where it is positive, else `x` times a slope that is learned.

    Args:
        x: (batch, channels, ...), or any shape with a single slope.
        weight: (1,), or (channels,) with a slope for each entry of axis 1.

    Raises:
        ShapeError: if the number of slopes is neither 1 nor that of the channels.

    Example:
        >>> ad.nn.functional.prelu(ad.tensor([[-1.0, -2.0]]), ad.tensor([0.1, 0.5]))
        tensor([[-0.1, -1. ]])

    **Gradient:** the slope at 0.
    """
    x = ad.asarray(x)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.size not in (1, channels):
        raise ad.errors.ShapeError(
            f"prelu: {weight.size} slopes, but x of shape {x.shape} has {channels} channels"
        )
    after = (1,) * max(x.ndim - 2, 0)
    slope = weight.reshape(weight.size, *after) if x.ndim > 1 else weight.reshape(())
    return ad.where(x > 0, x, x * slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where it is positive, else ``alpha (exp(x) - 1)``.

    Source: Clevert, Unterthiner, Hochreiter, Fast and accurate deep network learning by exponential
    linear units (2015).

    Example:
        >>> ad.nn.functional.elu(ad.tensor([-1.0, 2.0]))
        tensor([-0.63212055,  2.        ])

    **Gradient:** `alpha` at 0.
    """
    x = ad.asarray(x)
    return ad.where(x > 0, x, alpha * ad.expm1(x))


def selu(x: Any) -> Any:
    """`elu` with the constants under which activations keep mean 0 and variance 1.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, Self-normalizing neural networks (2017).

    Example:
        >>> ad.nn.functional.selu(ad.tensor([-1.0, 2.0]))
        tensor([-1.1113307,  2.101402 ])

    **Gradient:** that of the negative side at 0.
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where it is positive, else ``alpha (exp(x / alpha) - 1)``, whose slope is continuous.

    Example:
        >>> ad.nn.functional.celu(ad.tensor([-1.0, 2.0]), 2.0)
        tensor([-0.7869387,  2.       ])

    **Gradient:** 1 at 0.
    """
    x = ad.asarray(x)
    return ad.where(x > 0, x, alpha * ad.expm1(x / alpha))


def gelu(x: Any, approximate: str = "none") -> Any:
    """``x Φ(x)``, where Φ is the normal distribution function.

    Source: Hendrycks, Gimpel, Gaussian error linear units (2016).

    Args:
        x: any shape.
        approximate: ``"none"`` for the definition, ``"tanh"`` for
            ``x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))``.

    Raises:
        ArgumentError: for another approximation.

    Example:
        >>> ad.nn.functional.gelu(ad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.15865526,  0.        ,  0.8413447 ])
    """
    return ad.gelu(x, approximate)


def silu(x: Any) -> Any:
    """``x sigmoid(x)``, also called swish.

    Example:
        >>> ad.nn.functional.silu(ad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689414,  0.       ,  0.7310586])
    """
    x = ad.asarray(x)
    return x * ad.sigmoid(x)


def mish(x: Any) -> Any:
    """``x tanh(softplus(x))``.

    Source: Misra, Mish: a self regularized non-monotonic activation function (2019).

    Example:
        >>> ad.nn.functional.mish(ad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.30340147,  0.        ,  0.8650984 ])
    """
    x = ad.asarray(x)
    return x * ad.tanh(ad.softplus(x))


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``log(1 + exp(beta x)) / beta``, and `x` itself where ``beta x`` is above a threshold.

    Example:
        >>> ad.nn.functional.softplus(ad.tensor([0.0, 30.0]))
        tensor([ 0.6931472, 30.       ])

    **Gradient:** ``sigmoid(beta x)``; 1 above the threshold.
    """
    x = ad.asarray(x)
    return ad.where(x * beta > threshold, x, ad.softplus(x * beta) / beta)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``.

    Example:
        >>> ad.nn.functional.softsign(ad.tensor([-1.0, 3.0]))
        tensor([-0.5 ,  0.75])
    """
    x = ad.asarray(x)
    return x / (1.0 + ad.abs(x))


def logsigmoid(x: Any) -> Any:
    """The logarithm of the sigmoid, exact also where the sigmoid is too small for a float.

    Example:
        >>> ad.nn.functional.logsigmoid(ad.tensor([-1000.0, 0.0]))
        tensor([-1.000000e+03, -6.931472e-01])
    """
    return ad.log_sigmoid(x)


def hardsigmoid(x: Any) -> Any:
    """``x / 6 + 1/2``, kept from 0 to 1.

    Example:
        >>> ad.nn.functional.hardsigmoid(ad.tensor([-4.0, 0.0, 3.0]))
        tensor([0. , 0.5, 1. ])

    **Gradient:** 1/6 strictly between -3 and 3, 0 elsewhere.
    """
    x = ad.asarray(x)
    return ad.where(x > -3.0, ad.where(x < 3.0, x / 6.0 + 0.5, 1.0), 0.0)


def hardswish(x: Any) -> Any:
    """``x`` times `hardsigmoid` of it.

    Source: Howard et al., Searching for MobileNetV3 (2019).

    Example:
        >>> ad.nn.functional.hardswish(ad.tensor([-4.0, 1.0, 4.0]))
        tensor([-0.        ,  0.6666667,  4.        ])

    **Gradient:** ``x / 3 + 1/2`` strictly between -3 and 3, 0 up to -3 and 1 from 3 on.
    """
    x = ad.asarray(x)
    return x * hardsigmoid(x)


def threshold(x: Any, threshold: float, value: float) -> Any:
    """`x` where it is above a threshold, else a fixed value.

    Example:
        >>> ad.nn.functional.threshold(ad.tensor([0.0, 2.0]), 1.0, -5.0)
        tensor([-5.,  2.])

    **Gradient:** 0 at the threshold.
    """
    x = ad.asarray(x)
    return ad.where(x > threshold, x, value)


def tanhshrink(x: Any) -> Any:
    """``x - tanh(x)``.

    Example:
        >>> ad.nn.functional.tanhshrink(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.2384058])
    """
    x = ad.asarray(x)
    return x - ad.tanh(x)


def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """`x` moved towards zero by `lambd`, and zero where it is nearer.

    Raises:
        ArgumentError: if `lambd` is negative.

    Example:
        >>> ad.nn.functional.softshrink(ad.tensor([-2.0, 0.2, 1.0]))
        tensor([-1.5,  0. ,  0.5])

    **Gradient:** 0 at the two kinks.
    """
    if lambd < 0:
        raise ad.errors.ArgumentError(f"softshrink: lambd must not be negative, got {lambd}")
    x = ad.asarray(x)
    return ad.where(x > lambd, x - lambd, ad.where(x < -lambd, x + lambd, 0.0))


def hardshrink(x: Any, lambd: float = 0.5) -> Any:
    """`x` where it is further from zero than `lambd`, else zero.

    Example:
        >>> ad.nn.functional.hardshrink(ad.tensor([-2.0, 0.2, 1.0]))
        tensor([-2.,  0.,  1.])

    **Gradient:** 0 at the two jumps.
    """
    x = ad.asarray(x)
    return ad.where(ad.abs(x) > lambd, x, 0.0)


def softmin(x: Any, dim: int = -1) -> Any:
    """The softmax of ``-x`` along an axis.

    Example:
        >>> ad.nn.functional.softmin(ad.tensor([0.0, 0.0, 1000.0]))
        tensor([0.5, 0.5, 0. ])
    """
    return ad.softmax(-ad.asarray(x), axis=dim)


def glu(x: Any, dim: int = -1) -> Any:
    """The first half along an axis, times the sigmoid of the second half.

    Raises:
        ShapeError: if the axis has an odd size.

    Example:
        >>> ad.nn.functional.glu(ad.tensor([1.0, 2.0, 0.0, 1000.0]))
        tensor([0.5, 2. ])
    """
    x = ad.asarray(x)
    if x.shape[dim] % 2:
        raise ad.errors.ShapeError(
            f"glu: axis {dim} of the shape {x.shape} cannot be halved: its size is odd"
        )
    first, second = ad.split(x, 2, axis=dim)
    return first * ad.sigmoid(second)


def gumbel_softmax(
    logits: Any,
    tau: float = 1.0,
    hard: bool = False,
    dim: int = -1,
    *,
    generator: ad.random.Generator | None = None,
) -> Any:
    """A sample from a categorical distribution that a gradient can pass through.

    Source: Jang, Gu, Poole, Categorical reparameterization with Gumbel-softmax (2016).

    Args:
        logits: unnormalised log-probabilities.
        tau: temperature: the smaller, the nearer to one-hot.
        hard: return the one-hot sample, with the gradient of the soft one.
        dim: the axis of the classes.
        generator: where the bits come from.

    Example:
        >>> sample = ad.nn.functional.gumbel_softmax(ad.zeros((2, 3)), hard=True)
        >>> ad.sum(sample, axis=-1)
        tensor([1., 1.])

    **Gradient:** that of the soft sample, also with `hard`.
    """
    logits = ad.asarray(logits)
    noise = ad.random.gumbel(size=logits.shape, dtype=logits.dtype, generator=generator)
    soft = ad.softmax((logits + noise) / tau, axis=dim)
    if not hard:
        return soft
    winner = ad.argmax(soft, axis=dim, keepdims=True)
    sharp = ad.put_along_axis(ad.zeros_like(soft), winner, 1.0, axis=dim)
    return soft + ad.stop_gradient(sharp - soft)
