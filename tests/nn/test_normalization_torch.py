"""Normalisation beside PyTorch's: ``pytest -m peers``."""

import pytest

from tests.nn.beside_torch import DTYPES, Layer, Record, compare

pytestmark = pytest.mark.peers

ROWS, SEQUENCE, IMAGE, VOLUME = [(5, 4)], [(3, 4, 6)], [(3, 4, 5, 2)], [(3, 4, 2, 3, 2)]

LAYERS = [
    Layer("LayerNorm", (6,), [(3, 4, 6)]),
    Layer("LayerNorm", ((4, 6),), [(3, 4, 6)], {"eps": 1e-3}),
    Layer("LayerNorm", (6,), [(6,)], {"bias": False}),
    Layer("LayerNorm", (6,), [(3, 6)], {"elementwise_affine": False}),
    Layer("RMSNorm", (6,), [(3, 4, 6)]),
    Layer("RMSNorm", ((4, 6),), [(3, 4, 6)], {"eps": 1e-3}),
    Layer("RMSNorm", (6,), [(3, 6)], {"elementwise_affine": False}),
    Layer("GroupNorm", (2, 4), IMAGE),
    Layer("GroupNorm", (4, 4), SEQUENCE, {"affine": False}),
    Layer("GroupNorm", (1, 4), ROWS),
    Layer("LocalResponseNorm", (3,), IMAGE, {"alpha": 0.1, "k": 2.0}),
    Layer("LocalResponseNorm", (2,), SEQUENCE, {"alpha": 0.1}),
    Layer("InstanceNorm1d", (4,), SEQUENCE),
    Layer("InstanceNorm1d", (4,), [(4, 6)], {"affine": True}),
    Layer("InstanceNorm2d", (4,), IMAGE, {"affine": True, "track_running_stats": True}, steps=3),
    Layer("InstanceNorm2d", (4,), IMAGE, {"track_running_stats": True}, steps=3, train=False),
    Layer("InstanceNorm2d", (4,), IMAGE, train=False),
    Layer("InstanceNorm3d", (4,), VOLUME),
    Layer("BatchNorm1d", (4,), ROWS),
    Layer("BatchNorm1d", (4,), SEQUENCE, {"eps": 1e-3}, steps=2),
    Layer("BatchNorm2d", (4,), IMAGE, steps=3),
    Layer("BatchNorm2d", (4,), IMAGE, steps=3, train=False),
    Layer("BatchNorm2d", (4,), IMAGE, {"momentum": None}, steps=4),
    Layer("BatchNorm2d", (4,), IMAGE, {"momentum": None}, steps=4, train=False),
    Layer("BatchNorm2d", (4,), IMAGE, {"track_running_stats": False}, train=False),
    Layer("BatchNorm2d", (4,), IMAGE, {"affine": False, "momentum": 0.5}, steps=1),
    Layer("BatchNorm3d", (4,), VOLUME, steps=1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_like_torch(layer: Layer, dtype: str, record_property: Record) -> None:
    compare(layer, dtype, record_property)
