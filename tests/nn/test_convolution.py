"""Convolution, pooling, borders and resampling by hand."""

import numpy as np
import pytest

import adjoint as ad

nn = ad.nn
F = ad.nn.functional


def test_a_convolution_by_hand() -> None:
    layer = nn.Conv2d(1, 1, 2)
    layer.load_state_dict({"weight": np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), "bias": [0.5]})
    x = ad.tensor([[[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]])
    expected = [[[[5.5, 3.5], [2.5, 5.5]]]]
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


def test_the_border_of_a_convolution_is_that_of_numpy() -> None:
    x = np.random.default_rng(0).normal(size=(1, 2, 5, 6))
    for mode, numpys in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        layer = nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode, dtype="float64")
        around = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)), mode=numpys)
        expected = ad.conv2d(around, layer.weight, layer.bias)
        np.testing.assert_allclose(layer(x).detach(), expected.detach(), rtol=1e-12)


def test_same_keeps_the_size() -> None:
    for kernel in (1, 2, 3, 4):
        layer = nn.Conv1d(2, 2, kernel, padding="same", dilation=2, padding_mode="circular")
        assert layer(ad.ones((1, 2, 12))).shape == (1, 2, 12)


def test_a_transposed_convolution_undoes_the_shape() -> None:
    down, up = nn.Conv2d(3, 5, 3, stride=2), nn.ConvTranspose2d(5, 3, 3, stride=2)
    x = ad.ones((2, 3, 8, 9))
    assert up(down(x), output_size=x.shape).shape == x.shape
    with pytest.raises(ad.errors.ArgumentError, match=r"output_size \(20, 9\)"):
        up(down(x), output_size=(20, 9))


def test_first_values_are_in_pytorchs_range() -> None:
    layer = nn.Conv2d(4, 64, 3, generator=ad.random.Generator(0))
    assert layer.bias is not None
    bound = 1 / np.sqrt(4 * 9)
    for p in (layer.weight, layer.bias):
        assert 0.8 * bound < np.abs(p.detach().numpy()).max() <= bound


def test_wrong_options_are_refused() -> None:
    for args, kwargs, word in (
        ((4, 6, 3), {"groups": 4}, "groups"),
        ((4, 6, 3), {"padding": "same", "stride": 2}, "stride 1"),
        ((4, 6, 3), {"padding": "full"}, "same"),
        ((4, 6, 3), {"padding_mode": "mirror"}, "padding_mode"),
        ((4, 6, (3, 3, 3)), {}, "kernel_size"),
    ):
        with pytest.raises(ad.errors.ArgumentError, match=word):
            nn.Conv2d(*args, **kwargs)
    with pytest.raises(ad.errors.ShapeError, match="channels differ"):
        nn.Conv2d(3, 4, 3)(ad.ones((1, 2, 8, 8)))


def test_derivatives() -> None:
    rng = np.random.default_rng(0)
    layer = nn.Conv2d(2, 2, 2, padding=1, padding_mode="reflect", dtype="float64")
    x = ad.tensor(rng.normal(size=(1, 2, 3, 3)))
    ad.testing.check_grads(lambda m, x: m(x), (layer, x))
    ad.testing.check_grads(lambda x: F.lp_pool2d(x * x + 1, 3, 2), (x[..., :2, :2],))
    ad.testing.check_grads(lambda x: F.interpolate(x, size=(2, 5), mode="bilinear"), (x,))


def test_a_norm_of_nothing_has_no_gradient() -> None:
    x = ad.zeros((1, 1, 4))
    x.requires_grad = True
    F.lp_pool1d(x, 2, 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((1, 1, 4)))


def test_borders_by_hand() -> None:
    x = ad.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    np.testing.assert_array_equal(
        F.pad(x, (1, 0, 0, 1), value=9.0).numpy(),
        [[[9.0, 1.0, 2.0], [9.0, 3.0, 4.0], [9.0, 9.0, 9.0]]],
    )
    np.testing.assert_array_equal(F.pad(x, (-1, 1)).numpy(), [[[2.0, 0.0], [4.0, 0.0]]])
    with pytest.raises(ad.errors.ArgumentError, match="reflect border of 2"):
        F.pad(x, (2, 0), mode="reflect")
    with pytest.raises(ad.errors.ArgumentError, match="not pairs"):
        F.pad(x, (1, 2, 3))


def test_shuffling_pixels_is_undone() -> None:
    x = np.arange(2 * 12 * 2 * 3.0).reshape(2, 12, 2, 3)
    shuffled = nn.PixelShuffle(2)(x)
    assert shuffled.shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(nn.PixelUnshuffle(2)(shuffled).numpy(), x)


def test_folding_counts_the_windows() -> None:
    x = ad.ones((1, 2, 4, 4))
    counted = nn.Fold(4, 2)(nn.Unfold(2)(x))[0, 0]
    np.testing.assert_array_equal(counted.numpy()[0], [1, 2, 2, 1])
    np.testing.assert_array_equal(counted.numpy()[1], [2, 4, 4, 2])


def test_resampling_refuses_what_has_no_meaning() -> None:
    x = ad.ones((1, 1, 4))
    for kwargs, word in (
        ({}, "either size or scale_factor"),
        ({"size": 3, "scale_factor": 2.0}, "either size or scale_factor"),
        ({"size": 3, "mode": "bilinear"}, "1 spatial axes"),
        ({"size": 3, "align_corners": True}, "align_corners"),
    ):
        with pytest.raises(ad.errors.ArgumentError, match=word):
            F.interpolate(x, **kwargs)
