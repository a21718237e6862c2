"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

from adjoint.optim.group import ANY, AT_LEAST_0, ParamGroup, Ranges, Scalars
from adjoint.optim.optimizer import Optimizer, choose


class ASGD(Optimizer):
    r"""Gradient descent that also keeps the average of the parameters, as state `ax`.

    At update t, with gradient g::

        p ← p·(1 − λ·η) − η·g
        ax ← ax + (p − ax)·μ            μ = 1/max(1, t − 1 − t0), and 1 at first
        η ← lr/(1 + λ·lr·t)^α           η = lr at first

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        lambd: λ, the decay.
        alpha: power by which the step size falls.
        t0: update after which averaging begins.
        weight_decay: multiple of the parameter that is added to its gradient.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.ASGD([x], lr=0.1, lambd=0.0)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x
        tensor([ 0.8, -1.6], requires_grad=True)

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; in
    the form of PyTorch.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "lambd": ANY,
        "alpha": ANY,
        "t0": ANY,
        "weight_decay": AT_LEAST_0,
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0}
        super().__init__(
            params, options | {"weight_decay": weight_decay, "maximize": maximize}, master
        )

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"ax": 0.0}

    def running(self, group: ParamGroup) -> dict[str, float]:
        return {"eta": 0.0, "mu": 1.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        eta, mu = choose(t == 1.0, h.lr, r.eta), r.mu
        r["eta"] = h.lr / (t * h.lr * h.lambd + 1.0) ** h.alpha
        late = t - h.t0
        r["mu"] = 1.0 / choose(late > 1.0, late, 1.0)
        shrink = 1.0 - eta * h.lambd
        return {"eta": eta, "mu": mu, "shrink": shrink, "weight_decay": h.weight_decay}

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        if "weight_decay" in group.used:
            g = g + p * c.weight_decay
        new = p * c.shrink - g * c.eta
        ax = state["ax"]
        ax.assign(ax + (new - ax) * c.mu)
        return new
