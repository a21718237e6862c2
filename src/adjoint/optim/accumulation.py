"""Gradients of a large batch from several small ones."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.optim.clipping import clip_grad_norm_
from adjoint.optim.optimizer import Optimizer


class Accumulation:
    r"""The update of one large batch, computed in parts of any sizes.

    The mean over all examples is ``Σ sums / Σ counts``; the mean of the parts' means is not, when
    the parts differ in size (or in how many tokens are padding). So each part gives the sum of its
    losses and their number, and the gradients are divided once, by the number of all.

    Args:
        optimizer: what updates the parameters.
        max_norm: clip the gradients of the whole batch to this norm.

    Example:
        >>> w = ad.tensor(0.0, requires_grad=True)
        >>> opt = ad.optim.SGD([w], lr=0.5)
        >>> parts = ad.optim.Accumulation(opt)
        >>> for x in (ad.tensor([1.0, 2.0, 3.0]), ad.tensor([10.0])):
        ...     parts.backward(((w - x) ** 2).sum(), x.size)
        >>> parts.step()  # the mean loss
        tensor(28.5)
        >>> w  # the mean of the four
        tensor(4., requires_grad=True)
    """

    def __init__(self, optimizer: Optimizer, max_norm: float | None = None) -> None:
        self.optimizer = optimizer
        self.max_norm = max_norm
        self._count = ad.zeros((), dtype=ad.float64)
        self._sum = ad.zeros((), dtype=ad.float64)

    def backward(self, loss_sum: ad.Tensor, count: Any) -> None:
        """Add the gradients of a part.

        Args:
            loss_sum: sum of the losses of the part.
            count: how many they are: a number or a tensor.
        """
        loss_sum.backward()
        with ad.no_grad():
            self._sum.assign(self._sum + loss_sum.detach())
            self._count.assign(self._count + count)

    def step(self) -> ad.Tensor:
        """Divide the gradients, update the parameters, forget the gradients.

        Returns:
            The mean loss over all parts, a tensor of rank 0.
        """
        count = self._count.copy()
        with ad.no_grad():
            mean = (self._sum / count).astype(ad.default_dtype())
            params = [p for group in self.optimizer.param_groups for p in group.params]
            for p in params:
                if p.grad is not None:
                    p.grad = (p.grad / count).astype(p.grad.dtype)
        if self.max_norm is not None:
            clip_grad_norm_(params, self.max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._sum.assign(0.0)
        self._count.assign(0.0)
        return mean
