"""Convolution, pooling, borders and resampling beside PyTorch's: ``pytest -m peers``."""

import pytest

from tests.nn.beside_torch import DTYPES, Layer, Record, compare

pytestmark = pytest.mark.peers

IMAGE, SEQUENCE, VOLUME = [(2, 4, 7, 6)], [(2, 4, 9)], [(2, 4, 4, 5, 3)]

CONVOLUTIONS = [
    Layer("Conv1d", (4, 6, 3), SEQUENCE),
    Layer("Conv1d", (4, 6, 3), [(4, 9)], {"stride": 2, "padding": 1, "bias": False}),
    Layer("Conv1d", (4, 6, 3), SEQUENCE, {"dilation": 2, "groups": 2, "padding": "same"}),
    Layer("Conv1d", (4, 4, 4), SEQUENCE, {"padding": "same", "padding_mode": "circular"}),
    Layer("Conv2d", (4, 6, 3), IMAGE),
    Layer("Conv2d", (4, 6, (3, 2)), IMAGE, {"stride": (2, 1), "padding": (1, 2)}),
    Layer("Conv2d", (4, 8, 3), IMAGE, {"groups": 4, "dilation": (1, 2)}),
    Layer("Conv2d", (4, 6, 3), IMAGE, {"padding": "same", "dilation": 2}),
    Layer("Conv2d", (4, 6, 3), IMAGE, {"padding": "valid"}),
    Layer("Conv2d", (4, 6, 3), IMAGE, {"padding": (1, 2), "padding_mode": "reflect"}),
    Layer("Conv2d", (4, 6, (2, 3)), IMAGE, {"padding": "same", "padding_mode": "replicate"}),
    Layer("Conv2d", (4, 6, 3), [(4, 7, 6)], {"padding": 2, "padding_mode": "circular"}),
    Layer("Conv3d", (4, 6, 2), VOLUME, {"padding": 1, "stride": (1, 2, 1)}),
    Layer("Conv3d", (4, 6, (1, 2, 3)), VOLUME, {"groups": 2}),
    Layer("ConvTranspose1d", (4, 6, 3), SEQUENCE, {"stride": 2, "output_padding": 1}),
    Layer("ConvTranspose2d", (4, 6, 3), IMAGE),
    Layer("ConvTranspose2d", (4, 6, 3), IMAGE, {"stride": 2, "padding": 1, "output_padding": 1}),
    Layer("ConvTranspose2d", (4, 6, (3, 2)), IMAGE, {"groups": 2, "dilation": 2, "bias": False}),
    Layer("ConvTranspose2d", (4, 6, 3), IMAGE, {"stride": 2}, {"output_size": (15, 14)}),
    Layer("ConvTranspose3d", (4, 2, 2), VOLUME, {"stride": 2, "groups": 2}),
]
POOLS = [
    Layer("MaxPool1d", (3,), SEQUENCE, {"stride": 2, "padding": 1}),
    Layer("MaxPool2d", (2,), IMAGE),
    Layer("MaxPool2d", ((3, 2),), IMAGE, {"stride": (2, 1), "padding": 1, "ceil_mode": True}),
    Layer("MaxPool2d", (2,), IMAGE, {"dilation": 2, "stride": 1, "return_indices": True}),
    Layer("MaxPool3d", (2,), VOLUME),
    Layer("AvgPool1d", (3,), SEQUENCE, {"stride": 2, "padding": 1}),
    Layer("AvgPool2d", (3,), IMAGE, {"stride": 2, "padding": 1, "count_include_pad": False}),
    Layer("AvgPool2d", (3,), IMAGE, {"stride": 2, "ceil_mode": True, "padding": 1}),
    Layer("AvgPool2d", ((3, 2),), IMAGE, {"divisor_override": 4}),
    Layer("AvgPool3d", (2,), VOLUME, {"padding": 1}),
    Layer("AdaptiveAvgPool1d", (4,), SEQUENCE),
    Layer("AdaptiveAvgPool2d", ((3, None),), IMAGE),
    Layer("AdaptiveAvgPool2d", (1,), IMAGE),
    Layer("AdaptiveAvgPool3d", (2,), VOLUME),
    Layer("AdaptiveMaxPool1d", (4,), SEQUENCE),
    Layer("AdaptiveMaxPool2d", ((3, 4),), IMAGE),
    Layer("AdaptiveMaxPool3d", (2,), VOLUME),
    Layer("LPPool1d", (2, 3), SEQUENCE, {"stride": 2}),
    Layer("LPPool2d", (2, 2), IMAGE),
]
BORDERS = [
    Layer("ConstantPad1d", ((1, 2), 0.5), SEQUENCE),
    Layer("ConstantPad2d", ((1, 0, -1, 2), 0.5), IMAGE),
    Layer("ConstantPad3d", (1, 0.5), VOLUME),
    Layer("ZeroPad1d", (2,), SEQUENCE),
    Layer("ZeroPad2d", ((1, 0, 0, 2),), IMAGE),
    Layer("ZeroPad3d", (1,), VOLUME),
    Layer("ReflectionPad1d", ((1, 3),), SEQUENCE),
    Layer("ReflectionPad2d", ((2, 1, 0, 3),), IMAGE),
    Layer("ReflectionPad3d", (1,), VOLUME),
    Layer("ReplicationPad1d", (2,), SEQUENCE),
    Layer("ReplicationPad2d", ((2, 1, 0, 3),), IMAGE),
    Layer("ReplicationPad3d", (1,), VOLUME),
    Layer("CircularPad1d", ((1, 2),), SEQUENCE),
    Layer("CircularPad2d", ((2, 1, 0, 3),), IMAGE),
    Layer("CircularPad3d", (1,), VOLUME),
]
RESAMPLING = [
    Layer("Upsample", (), SEQUENCE, {"scale_factor": 2}),
    Layer("Upsample", (), IMAGE, {"size": (5, 11)}),
    Layer("Upsample", (), IMAGE, {"scale_factor": 1.7}),
    Layer("Upsample", (), SEQUENCE, {"scale_factor": 2, "mode": "linear"}),
    Layer("Upsample", (), IMAGE, {"scale_factor": (2, 1.5), "mode": "bilinear"}),
    Layer("Upsample", (), IMAGE, {"size": (3, 9), "mode": "bilinear", "align_corners": True}),
    Layer("Upsample", (), VOLUME, {"size": 6, "mode": "trilinear"}),
    Layer("UpsamplingNearest2d", (), IMAGE, {"scale_factor": 2}),
    Layer("UpsamplingBilinear2d", (), IMAGE, {"scale_factor": 2}),
    Layer("PixelShuffle", (2,), IMAGE),
    Layer("PixelUnshuffle", (2,), [(2, 3, 4, 6)]),
    Layer("Unfold", ((2, 3),), IMAGE, {"stride": 2, "padding": 1}),
    Layer("Fold", ((4, 5), (2, 2)), [(2, 8, 12)]),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", [*CONVOLUTIONS, *POOLS, *BORDERS, *RESAMPLING], ids=str)
def test_like_torch(layer: Layer, dtype: str, record_property: Record) -> None:
    compare(layer, dtype, record_property)
