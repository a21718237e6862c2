"""Normalisation with running statistics as functions: over a batch, or over each instance."""

from __future__ import annotations

import math
from typing import Any

import adjoint as ad
from adjoint.nn.misfit import misfit
from adjoint.nn.normalize import affine, moments, per_channel, widened

__all__ = ["batch_norm", "instance_norm"]


def batch_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """The value normalised channel by channel, over all examples and places of a batch.

    In training the statistics are those of the batch, and the running ones are assigned a step
    towards them: ``running = (1 - momentum) * running + momentum * batch``, the variance with the
    divisor n - 1. Otherwise the running ones are used.

    Args:
        x: shape (N, C, ...).
        running_mean: tensor of shape (C,), or None.
        running_var: tensor of shape (C,), or None.
        weight: shape (C,), or None for 1.
        bias: shape (C,), or None for 0.
        training: whether to use the statistics of the batch.
        momentum: share of the batch in the new running statistics; a number or a 0-d tensor.
        eps: added to the variance.

    Raises:
        ArgumentError: if there are neither running statistics nor training, or in training only
            one value for a channel.

    Example:
        >>> x = ad.tensor([[1.0, 10.0], [3.0, 30.0]])
        >>> ad.nn.functional.batch_norm(x, training=True, eps=0.0)
        tensor([[-1., -1.],
                [ 1.,  1.]])

    **Gradient:** through mean and variance of the batch too; none reaches running statistics.

    Source: Ioffe and Szegedy, Batch normalization (2015), arXiv:1502.03167.
    """
    x = ad.asarray(x)
    if x.ndim < 2:
        raise misfit("batch_norm", f"needs shape (N, C, ...), got {x.shape}", x=x)
    axes = (0, *range(2, x.ndim))
    weight, bias = per_channel("batch_norm", weight, x), per_channel("batch_norm", bias, x)
    mean, var = (
        per_channel("batch_norm", running_mean, x),
        per_channel("batch_norm", running_var, x),
    )
    if training:
        centred, var = _from_batch(x, axes, running_mean, running_var, momentum)
    elif mean is None or var is None:
        raise ad.errors.ArgumentError("batch_norm: without training, running statistics are needed")
    else:
        centred = x - mean
    scale = ad.rsqrt(var + eps)
    if weight is not None and weight.dtype == x.dtype:  # one sum over x in its gradient, not two
        scale, weight = scale * weight, None
    return affine((centred * scale).astype(x.dtype), weight, bias)


def _from_batch(
    x: Any, axes: tuple[int, ...], running_mean: Any, running_var: Any, momentum: Any
) -> tuple[Any, Any]:
    """Distance from the mean, and the variance, of a batch; running statistics take a step."""
    count = x.size // x.shape[1] if x.shape[1] else 0
    if count < 2:
        raise ad.errors.ArgumentError(
            f"batch_norm: training needs more than one value for a channel, got shape {x.shape}"
        )
    wide = widened(x)
    mean, centred, var = moments(wide, axes)
    if running_mean is not None and running_var is not None:
        channels = (x.shape[1],)
        with ad.no_grad():
            unbiased = var.detach().reshape(channels) * (count / (count - 1))
            step_towards(running_mean, mean.detach().reshape(channels), momentum)
            step_towards(running_var, unbiased, momentum)
    return centred, var


def instance_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """The value normalised over the places of each channel of each example.

    Args:
        x: shape (N, C, ...).
        running_mean: tensor of shape (C,), or None.
        running_var: tensor of shape (C,), or None.
        weight: shape (C,), or None for 1.
        bias: shape (C,), or None for 0.
        use_input_stats: whether to use the statistics of `x`, and to assign the running ones a
            step towards their mean over the batch; otherwise the running ones are used.
        momentum: share of the batch in the new running statistics.
        eps: added to the variance.

    Raises:
        ArgumentError: if there is only one place, or no statistics at all.

    Example:
        >>> ad.nn.functional.instance_norm(ad.tensor([[[1.0, 3.0], [10.0, 30.0]]]), eps=0.0)
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization (2016), arXiv:1607.08022.
    """
    x = ad.asarray(x)
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.ndim < 3:
        raise misfit("instance_norm", f"needs shape (N, C, places, ...), got {x.shape}", x=x)
    n, c = x.shape[:2]
    count = math.prod(x.shape[2:])
    if count < 2:
        raise ad.errors.ArgumentError(
            f"instance_norm: needs more than one place, got shape {x.shape}"
        )
    wide = widened(x)
    mean, centred, var = moments(wide, tuple(range(2, x.ndim)))
    if running_mean is not None and running_var is not None:
        with ad.no_grad():
            unbiased = var.detach().reshape((n, c)) * (count / (count - 1))
            step_towards(running_mean, mean.detach().reshape((n, c)).mean(axis=0), momentum)
            step_towards(running_var, unbiased.mean(axis=0), momentum)
    out = (centred * ad.rsqrt(var + eps)).astype(x.dtype)
    return affine(
        out, per_channel("instance_norm", weight, x), per_channel("instance_norm", bias, x)
    )


def step_towards(running: Any, value: Any, momentum: Any) -> None:
    """Assign a running statistic a step of the size `momentum` towards a new value."""
    running.assign(running * (1 - momentum) + value * momentum)
