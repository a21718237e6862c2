"""Routing of a mixture of experts: who is asked, and losses that keep all experts busy."""

from __future__ import annotations

from typing import Any

import adjoint as ad

__all__ = ["importance_loss", "load_balancing_loss", "router_z_loss", "top_k_gates"]


def top_k_gates(logits: Any, k: int, normalize: bool = True) -> tuple[Any, Any]:
    """The gates and the numbers of the `k` best experts for each token.

    Args:
        logits: shape (..., experts).
        k: number of experts that a token is sent to.
        normalize: whether the gates of a token add up to 1 (the softmax is taken of the `k` best
            alone), as in Shazeer et al.; otherwise they are probabilities among all experts, as in
            the Switch transformer.

    Returns:
        Gates, shape (..., k), the largest first, and the numbers of their experts.

    Example:
        >>> gates, experts = ad.nn.functional.top_k_gates(ad.tensor([0.0, 2.0, 2.0, -9.0]), 2)
        >>> gates, experts
        (tensor([0.5, 0.5]), tensor([1, 2]))

    **Gradient:** that of the softmax; which experts are best is taken as given.
    """
    if normalize:
        best, which = ad.topk(logits, k)
        return ad.softmax(best, axis=-1), which
    return ad.topk(ad.softmax(logits, axis=-1), k)


def load_balancing_loss(probabilities: Any, chosen: Any) -> Any:
    """The number of experts times ``sum over experts of share of tokens * mean probability``.

    It is 1 where both are uniform, and larger where the experts with much to do are also those
    that the router prefers.

    Args:
        probabilities: shape (..., experts), of all experts.
        chosen: shape (..., k), the experts that the tokens are sent to.

    Example:
        >>> p = ad.tensor([[0.9, 0.1], [0.1, 0.9]])
        >>> ad.nn.functional.load_balancing_loss(p, ad.tensor([[0], [1]]))
        tensor(1.)

    **Gradient:** through the probabilities; the shares are counts.

    Source: Fedus, Zoph and Shazeer, Switch transformers (2021), arXiv:2101.03961, section 2.2.
    """
    experts = probabilities.shape[-1]
    hits = one_hot(chosen, experts, probabilities.dtype).reshape((-1, experts))
    share = ad.mean(hits, axis=0)
    preferred = ad.mean(probabilities.reshape((-1, experts)), axis=0)
    return ad.sum(share * preferred) * experts


def importance_loss(gates: Any, chosen: Any, experts: int) -> Any:
    """The squared coefficient of variation of the sums of the gates of each expert.

    Args:
        gates: shape (..., k).
        chosen: shape (..., k), the experts that the gates belong to.
        experts: number of experts.

    Example:
        >>> chosen = ad.tensor([[0], [0]])
        >>> ad.nn.functional.importance_loss(ad.ones((2, 1)), chosen, 2)
        tensor(1.)

    Source: Shazeer et al., Outrageously large neural networks (2017), arXiv:1701.06538, section 4.
    """
    sums = one_hot(chosen, experts, gates.dtype) * ad.expand_dims(gates, axis=-1)
    importance = ad.sum(sums.reshape((-1, experts)), axis=0)
    mean = ad.mean(importance)
    return ad.mean((importance - mean) ** 2) / (mean * mean + 1e-10)


def router_z_loss(logits: Any) -> Any:
    """The mean square of ``logsumexp(logits)``, which keeps the logits of a router small.

    Args:
        logits: shape (..., experts).

    Example:
        >>> ad.nn.functional.router_z_loss(ad.zeros((3, 1)))
        tensor(0.)

    Source: Zoph et al., ST-MoE (2022), arXiv:2202.08906, section 3.
    """
    return ad.mean(ad.logsumexp(logits, axis=-1) ** 2)


def one_hot(chosen: Any, experts: int, dtype: Any) -> Any:
    """A new last axis, 1 at the place that is chosen and 0 elsewhere."""
    return (ad.expand_dims(chosen, axis=-1) == ad.arange(experts)).astype(dtype)
