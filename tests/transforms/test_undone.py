"""Tensors outside of a staged function keep their numbers."""

import pytest

import adjoint as ad


@pytest.mark.parametrize("transform", ["trace", "vmap"])
def test_what_is_assigned_outside_keeps_its_numbers(transform: str) -> None:
    total = ad.zeros(2)

    def f(x: ad.Tensor) -> ad.Tensor:
        total.assign(total + x)
        return x * total

    if transform == "trace":
        ad.trace(f, ad.ones(2))
    else:
        ad.vmap(f)(ad.ones((3, 2)))
    assert total.known
