"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

import adjoint as ad
from adjoint.optim.group import ANY, AT_LEAST_0, ParamGroup, Ranges, Scalars
from adjoint.optim.optimizer import Optimizer, choose


class SGD(Optimizer):
    r"""Gradient descent, with momentum if wanted.

    With gradient g, momentum μ, dampening τ and weight decay λ::

        g ← g + λ·p
        b ← g at the first update, then μ·b + (1 − τ)·g
        p ← p − lr·b,  or  p − lr·(g + μ·b) with Nesterov's momentum

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        momentum: share of the last direction that is kept.
        dampening: share of the gradient that does not enter the direction.
        weight_decay: multiple of the parameter that is added to its gradient (L2 penalty).
        nesterov: look ahead along the momentum.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range, or `nesterov` has no momentum.

    Example:
        >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
        >>> opt = ad.optim.SGD([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x
        tensor([0.8, 1.6], requires_grad=True)

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning,
    2013; in the form of PyTorch.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "momentum": AT_LEAST_0,
        "dampening": ANY,
        "weight_decay": AT_LEAST_0,
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening}
        options |= {"weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
        super().__init__(params, options, master)

    def _check_group(self, group: ParamGroup) -> None:
        super()._check_group(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ad.errors.ArgumentError(
                "SGD: nesterov needs a momentum above 0 and no dampening, not momentum "
                f"{group['momentum']:g} and dampening {group['dampening']:g}"
            )

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if "momentum" in group.used else {}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        out = {"lr": h.lr, "momentum": h.momentum, "weight_decay": h.weight_decay}
        if "dampening" in group.used:
            # the buffer is zero before the first update, which takes the whole gradient
            out["share"] = choose(t == 1.0, 1.0, -h.dampening + 1.0)
        return out

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        if "weight_decay" in group.used:
            g = g + p * c.weight_decay
        if "momentum" not in group.used:
            return p - g * c.lr
        buffer = state["momentum_buffer"]
        b = buffer * c.momentum + (g * c.share if "share" in c else g)
        buffer.assign(b)
        return p - (g + b * c.momentum if group["nesterov"] else b) * c.lr
