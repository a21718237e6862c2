"""Normalisation with statistics of the batch in training, and with running ones in evaluation."""

from __future__ import annotations

from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn.misfit import misfit
from adjoint.nn.normalization import AbstractScaling
from adjoint.nn.normalize_batch import batch_norm, instance_norm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class AbstractRunning(AbstractScaling):
    """What these layers share: running statistics, which are buffers that are assigned to.

    Attributes:
        ranks: how many axes the input may have.
    """

    ranks: ClassVar[tuple[int, ...]]
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def _set_up(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: Any,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        mean = var = seen = None
        if track_running_stats:
            mean, var = ad.zeros(num_features, dtype=dtype), ad.ones(num_features, dtype=dtype)
            seen = ad.tensor(0)
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", seen)
        self._register((num_features,), affine, affine, dtype)

    def reset_running_stats(self) -> None:
        """Set the running mean to 0 and the running variance to 1, as if no batch had been seen."""
        if self.track_running_stats:
            self.running_mean.assign(ad.zeros_like(self.running_mean))
            self.running_var.assign(ad.ones_like(self.running_var))
            self.num_batches_tracked.assign(0)

    def _share_of_batch(self) -> Any:
        """Count the batch, and say what share of the running statistics it becomes."""
        if self.num_batches_tracked is None:
            return 0.0 if self.momentum is None else self.momentum
        with ad.no_grad():
            self.num_batches_tracked.assign(self.num_batches_tracked + 1)
            if self.momentum is None:  # so that all batches have the same share
                return 1.0 / self.num_batches_tracked.astype(self.running_mean.dtype)
        return self.momentum

    def _check_rank(self, x: Any) -> None:
        if x.ndim not in self.ranks:
            wanted = " or ".join(map(str, self.ranks))
            raise misfit(type(self).__name__, f"x needs {wanted} axes, got {x.ndim}", x=x)

    def extra_repr(self) -> str:
        """The channels and options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class AbstractBatchNorm(AbstractRunning):
    """Batch normalisation; each class says how many axes the input has."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self._set_up(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Any) -> Any:
        """`x`, shape (N, C, ...), normalised channel by channel."""
        x = ad.asarray(x)
        self._check_rank(x)
        momentum = self._share_of_batch() if self.training else 0.0
        return batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )


class BatchNorm1d(AbstractBatchNorm):
    """Rows or sequences normalised channel by channel over a batch.

    In training by the mean and variance of the batch, towards which the running ones move; in
    evaluation by the running ones. See `functional.batch_norm`.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of a batch in the new running statistics (PyTorch's meaning of the word);
            None for the plain mean over all batches.
        affine: whether a factor and a shift are learned for each channel.
        track_running_stats: whether there are running statistics; without, those of the batch
            are used in evaluation too.
        dtype: of parameters and statistics; by default the default dtype.

    Attributes:
        weight: shape (C,), or None.
        bias: shape (C,), or None.
        running_mean: shape (C,), or None.
        running_var: shape (C,), or None; with the divisor n - 1.
        num_batches_tracked: number of batches seen in training.

    Raises:
        ShapeError: if `x` has not shape (N, C) or (N, C, length).

    Example:
        >>> layer = ad.nn.BatchNorm1d(2, eps=0.0)
        >>> layer(ad.tensor([[1.0, 10.0], [3.0, 30.0]])).detach()
        tensor([[-1., -1.],
                [ 1.,  1.]])
        >>> layer.running_mean
        tensor([0.2, 2. ])
    """

    ranks = (2, 3)


class BatchNorm2d(AbstractBatchNorm):
    """Images, shape (N, C, height, width), normalised channel by channel. See `BatchNorm1d`.

    Example:
        >>> ad.nn.BatchNorm2d(3)(ad.ones((2, 3, 4, 4))).shape
        (2, 3, 4, 4)
    """

    ranks = (4,)


class BatchNorm3d(AbstractBatchNorm):
    """Volumes, shape (N, C, depth, height, width), normalised by channel. See `BatchNorm1d`.

    Example:
        >>> ad.nn.BatchNorm3d(3)(ad.ones((2, 3, 2, 2, 2))).shape
        (2, 3, 2, 2, 2)
    """

    ranks = (5,)


class AbstractInstanceNorm(AbstractRunning):
    """Instance normalisation; each class says how many axes the input has."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        self._set_up(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Any) -> Any:
        """`x`, shape (N, C, ...) or (C, ...), normalised over the places of each channel."""
        x = ad.asarray(x)
        self._check_rank(x)
        alone = x.ndim == self.ranks[0]
        out = instance_norm(
            x[None] if alone else x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum,
            self.eps,
        )
        return out[0] if alone else out


class InstanceNorm1d(AbstractInstanceNorm):
    """Each channel of each sequence normalised over its places. See `functional.instance_norm`.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of a batch in the new running statistics.
        affine: whether a factor and a shift are learned for each channel.
        track_running_stats: whether there are running statistics, which evaluation uses.
        dtype: of parameters and statistics; by default the default dtype.

    Raises:
        ShapeError: if `x` has not shape (N, C, length) or (C, length).

    Example:
        >>> ad.nn.InstanceNorm1d(2, eps=0.0)(ad.tensor([[[1.0, 3.0], [10.0, 30.0]]]))
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])
    """

    ranks = (2, 3)


class InstanceNorm2d(AbstractInstanceNorm):
    """Each channel of each image normalised over its places. See `InstanceNorm1d`.

    Example:
        >>> ad.nn.InstanceNorm2d(3)(ad.ones((2, 3, 4, 4))).shape
        (2, 3, 4, 4)
    """

    ranks = (3, 4)


class InstanceNorm3d(AbstractInstanceNorm):
    """Each channel of each volume normalised over its places. See `InstanceNorm1d`.

    Example:
        >>> ad.nn.InstanceNorm3d(3)(ad.ones((2, 3, 2, 2, 2))).shape
        (2, 3, 2, 2, 2)
    """

    ranks = (4, 5)
