"""What a node keeps is what its rule reads, for every instance of a card and every dtype.

Binding finds out once for a class and a set of differentiated operands. So a rule must not read
other values for other fields, shapes or dtypes, unless its card says `own_savers`.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from adjoint.core.bind import SCALARS, reads_of
from adjoint.core.errors import NotDifferentiable
from adjoint.core.types import Type, is_inexact
from tests.cards import Case, all_cases, cards, compute

DTYPES = ("float64", "float32", "complex128")


def versions(case: Case) -> Iterator[list[Any]]:
    """The sample as it is, and with its floats in other dtypes that the card takes."""
    yield case.xs
    if any(np.iscomplexobj(x) for x in case.xs):
        return
    for dtype in DTYPES:
        xs = [
            x if x.__class__ in SCALARS or not is_inexact(x.dtype) else x.astype(dtype)
            for x in case.xs
        ]
        try:
            case.op.out_type(*[x if x.__class__ in SCALARS else Type.of(x) for x in xs])
            compute(case.op, xs)
        except Exception:
            continue
        yield xs


def masks(case: Case) -> Iterator[int]:
    """All sets of operands that gradients may flow to (the first sixteen)."""
    places = case.candidates
    sets = (s for n in range(1, len(places) + 1) for s in itertools.combinations(places, n))
    for chosen in itertools.islice(sets, 16):
        yield sum(1 << i for i in chosen)


@pytest.mark.parametrize("name", sorted(cards()))
def test_rule_reads_the_same_values_whatever_the_instance(name: str) -> None:
    cases = [c for c in all_cases()[0] if c.card.__name__ == name]
    seen: dict[Any, tuple[Any, str]] = {}
    for case in cases:
        if case.op.no_derivative or case.op.own_savers or not case.inexact:
            continue
        for xs in versions(case):
            out = compute(case.op, xs)
            outs = out if isinstance(out, tuple) else (out,)
            if not any(is_inexact(o.dtype) for o in outs):
                continue
            for mask in masks(case):
                try:
                    reads = reads_of(case.op, mask, out, tuple(xs))
                except NotDifferentiable:
                    continue
                key = (len(xs), mask)
                where = f"{case} {[str(getattr(x, 'dtype', x)) for x in xs]} mask {mask:b}"
                first, at = seen.setdefault(key, (reads, where))
                assert first == reads, f"{at} reads {first}, {where} reads {reads}"
