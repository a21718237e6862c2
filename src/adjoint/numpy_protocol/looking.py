"""Functions of NumPy that only look at a tensor: at its shape, its dtype or its values."""

from __future__ import annotations

import inspect
from typing import Any, Final

import numpy as np

import adjoint as ad
from adjoint.core.bind import lift
from adjoint.core.graph import Handle
from adjoint.core.types import is_inexact, normalize_axis
from adjoint.numpy_protocol.functions import (
    detached,
    implements,
    looks_only,
    looks_only_tensor,
)
from adjoint.numpy_protocol.ufuncs import refused

RETURN_NUMPY: Final = """
allclose array_equal array_equiv array2string array_repr array_str common_type isneginf
isposinf may_share_memory shares_memory min_scalar_type iscomplexobj isrealobj
busday_count busday_offset is_busday histogram_bin_edges save savez savez_compressed
savetxt
""".split()
for _name in RETURN_NUMPY:
    implements(getattr(np, _name))(looks_only(getattr(np, _name)))

RETURN_TENSORS: Final = """
argpartition argwhere flatnonzero nonzero digitize iscomplex isreal lexsort
nanargmax nanargmin packbits unpackbits tril_indices_from triu_indices_from
diag_indices_from unravel_index ravel_multi_index
""".split()
for _name in RETURN_TENSORS:
    implements(getattr(np, _name))(looks_only_tensor(getattr(np, _name)))


def _histogram(theirs: Any) -> Any:
    """A histogram, whose counts have no gradient; that of its weights is not known here."""
    count = looks_only_tensor(theirs)

    def call(*args: Any, **kwargs: Any) -> Any:
        weights = inspect.signature(theirs).bind(*args, **kwargs).arguments.get("weights")
        if isinstance(weights, Handle) and weights.node.tracked:
            fact = "no gradient flows through its weights"
            hint = "np.bincount with weights=, or weights.detach()"
            raise refused(theirs.__name__, weights, fact, hint)
        return count(*args, **kwargs)

    return call


for _f in (np.histogram, np.histogram2d, np.histogramdd):
    implements(_f)(_histogram(_f))

_count: Final = looks_only_tensor(np.bincount)


@implements(np.bincount)
def _bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    if weights is None:
        return _count(x, minlength=minlength)
    w, counts = lift(weights), np.bincount(detached(lift(x)), minlength=minlength)
    kind = w.dtype if is_inexact(w.dtype) else np.float64
    return ad.add_at(ad.zeros(len(counts), dtype=kind), lift(x), w.astype(kind))


@implements(np.shape)
def _shape(a: Any) -> tuple[int, ...]:
    return lift(a).shape


@implements(np.ndim)
def _ndim(a: Any) -> int:
    return lift(a).ndim


@implements(np.size)
def _size(a: Any, axis: Any = None) -> int:
    x = lift(a)
    if axis is None:
        return x.size
    given = axis if isinstance(axis, tuple) else (axis,)
    return int(np.prod([x.shape[normalize_axis(k, x.ndim)] for k in given]))


@implements(np.result_type)
def _result_type(*items: Any) -> Any:
    return ad.result_type(*items)


@implements(np.can_cast)
def _can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    source = from_.dtype if isinstance(from_, Handle) else from_
    return np.can_cast(source, to, casting)


@implements(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if not isinstance(dst, ad.Tensor):
        raise TypeError("np.copyto: a NumPy array cannot hold a recorded value; use ad.where")
    new = src if where is True else ad.where(where, src, dst)
    dst.assign(new)
