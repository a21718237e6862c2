"""Devices: there is one, and others are refused by name."""

import pytest

import adjoint as ad


def test_another_device_is_refused_by_name() -> None:
    with pytest.raises(ad.errors.ArgumentError, match="device 'cuda:0' is not available"):
        ad.tensor([1.0]).to("cuda:0")
    assert ad.tensor([1.0]).to("float64").dtype == ad.float64
