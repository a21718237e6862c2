"""Losses of regression: how far predicted values are from the targets."""

from __future__ import annotations

import math
from typing import Any

import adjoint as ad
from adjoint.nn.reduction import operands, reduced

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """The squared difference.

    Args:
        input: predictions, any shape.
        target: targets of the same shape.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> ad.nn.functional.mse_loss(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]))
        tensor(2.)
        >>> ad.nn.functional.mse_loss(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]), "parts")
        (tensor(4.), tensor(2.))
    """
    x, target = operands("mse_loss", "input", input, "target", target)
    return reduced("mse_loss", ad.square(x - target), reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """The absolute difference; arguments are those of `mse_loss`.

    Example:
        >>> ad.nn.functional.l1_loss(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]))
        tensor(1.)

    **Gradient:** 0 where there is no difference.
    """
    x, target = operands("l1_loss", "input", input, "target", target)
    return reduced("l1_loss", ad.abs(x - target), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Half the squared difference up to `delta`, beyond it linear with the same slope.

    Arguments are those of `mse_loss`, and `delta`, which is positive.

    Raises:
        ArgumentError: if `delta` is not positive.

    Example:
        >>> x, y = ad.tensor([0.0, 0.0]), ad.tensor([1.0, 4.0])
        >>> ad.nn.functional.huber_loss(x, y, "none", delta=2.0)
        tensor([0.5, 6. ])
    """
    if delta <= 0:
        raise ad.errors.ArgumentError(f"huber_loss: delta must be positive, got {delta}")
    x, target = operands("huber_loss", "input", input, "target", target)
    error = x - target
    size = ad.abs(error)
    losses = ad.where(size < delta, 0.5 * error * error, delta * (size - 0.5 * delta))
    return reduced("huber_loss", losses, reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """`huber_loss` divided by `beta`: the absolute difference with its tip rounded off.

    Arguments are those of `mse_loss`, and `beta`; with 0 it is `l1_loss`.

    Raises:
        ArgumentError: if `beta` is negative.

    Example:
        >>> x, y = ad.tensor([0.0, 0.0]), ad.tensor([1.0, 4.0])
        >>> ad.nn.functional.smooth_l1_loss(x, y, "none", beta=2.0)
        tensor([0.25, 3.  ])
    """
    if beta < 0:
        raise ad.errors.ArgumentError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    x, target = operands("smooth_l1_loss", "input", input, "target", target)
    error = x - target
    size = ad.abs(error)
    if beta == 0:
        return reduced("smooth_l1_loss", size, reduction)
    losses = ad.where(size < beta, (0.5 / beta) * error * error, size - 0.5 * beta)
    return reduced("smooth_l1_loss", losses, reduction)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """``(log(var) + (input - target)² / var) / 2``: surprise under normal distributions.

    Args:
        input: means, any shape.
        target: targets of the same shape.
        var: variances: of the same shape, or with size 1 at or without the last axis.
        full: whether the constant ``log(2 π) / 2`` is added.
        eps: the least variance, so that nothing is infinite.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> mean, variance = ad.tensor([1.0]), ad.tensor([4.0])
        >>> ad.nn.functional.gaussian_nll_loss(mean, ad.tensor([3.0]), variance)
        tensor(1.1931472)

    **Gradient:** for a variance below `eps` that of the variance `eps`, as PyTorch has it.
    """
    x, target = operands("gaussian_nll_loss", "input", input, "target", target)
    var = ad.asarray(var)
    if var.shape == x.shape[:-1] and var.ndim < x.ndim:
        var = var[..., None]
    if var.shape not in (x.shape, (*x.shape[:-1], 1)):
        raise ad.errors.ShapeError(f"gaussian_nll_loss: var has shape {var.shape}, input {x.shape}")
    var = var + ad.stop_gradient(ad.relu(eps - var))  # at least eps
    losses = 0.5 * (ad.log(var) + ad.square(x - target) / var)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced("gaussian_nll_loss", losses, reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    """``rate - target log(rate)``: surprise at counts under Poisson distributions.

    Args:
        input: logarithms of the rates, or the rates with ``log_input=False``.
        target: counts of the same shape.
        log_input: whether the input is logarithms.
        full: whether Stirling's approximation of ``log(target!)`` is added for counts above 1.
        eps: added to the rate before its logarithm is taken.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> ad.nn.functional.poisson_nll_loss(ad.tensor([0.0]), ad.tensor([3.0]))
        tensor(1.)
    """
    x, target = operands("poisson_nll_loss", "input", input, "target", target)
    losses = ad.exp(x) - target * x if log_input else x - target * ad.log(x + eps)
    if full:
        n = ad.where(target > 1, target, 1.0)
        stirling = n * ad.log(n) - n + 0.5 * ad.log(2 * math.pi * n)
        losses = losses + ad.where(target > 1, stirling, 0.0)
    return reduced("poisson_nll_loss", losses, reduction)
