"""Normalisation: what it must leave unchanged, and statistics that run."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad

nn = ad.nn
F = ad.nn.functional
RNG = np.random.default_rng(0)


def images(n: int = 3) -> Any:
    return ad.tensor(RNG.normal(size=(n, 4, 5, 2)) * 3 + 1)


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (nn.LayerNorm(2, dtype="float64"), (3,)),
        (nn.BatchNorm2d(4, dtype="float64"), (0, 2, 3)),
        (nn.InstanceNorm2d(4, dtype="float64"), (2, 3)),
        (nn.GroupNorm(1, 4, dtype="float64"), (1, 2, 3)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_mean_and_variance(layer: Any, axes: tuple[int, ...]) -> None:
    out = layer(images()).detach().numpy()
    np.testing.assert_allclose(out.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axes), 1, rtol=1e-2)


def test_scale_and_shift_of_the_input_do_not_matter() -> None:
    x = images()
    for f in (
        lambda x: F.layer_norm(x, (5, 2), eps=1e-30),
        lambda x: F.batch_norm(x, training=True, eps=1e-30),
        lambda x: F.group_norm(x, 2, eps=1e-30),
        lambda x: F.instance_norm(x, eps=1e-30),
    ):
        np.testing.assert_allclose(f(x * 7.0 + 3.0).numpy(), f(x).numpy(), rtol=1e-9)
    np.testing.assert_allclose(
        F.rms_norm(x * 7.0, 2, eps=1e-30).numpy(), F.rms_norm(x, 2, eps=1e-30).numpy()
    )


def test_running_statistics_by_hand() -> None:
    layer = nn.BatchNorm2d(4, momentum=0.25, dtype="float64")
    mean, var = np.zeros(4), np.ones(4)
    for _ in range(3):
        x = images()
        layer(x)
        mean = 0.75 * mean + 0.25 * x.numpy().mean((0, 2, 3))
        var = 0.75 * var + 0.25 * x.numpy().var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean)
    np.testing.assert_allclose(layer.running_var.numpy(), var)
    assert layer.num_batches_tracked.item() == 3


def test_without_momentum_all_batches_count_alike() -> None:
    layer = nn.BatchNorm2d(4, momentum=None, dtype="float64")
    batches = [images() for _ in range(4)]
    for x in batches:
        layer(x)
    expected = np.mean([x.numpy().mean((0, 2, 3)) for x in batches], axis=0)
    np.testing.assert_allclose(layer.running_mean.numpy(), expected)


def test_evaluation_changes_nothing_and_sees_each_example_alone() -> None:
    layer = nn.BatchNorm2d(4, dtype="float64")
    layer(images())
    layer.eval()
    before = {name: x.numpy().copy() for name, x in layer.state_dict().items()}
    x = images()
    together, alone = layer(x).detach().numpy(), layer(x[:1]).detach().numpy()
    np.testing.assert_allclose(alone, together[:1])
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_statistics_can_start_anew() -> None:
    layer = nn.BatchNorm1d(3)
    layer(ad.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 0.0]]))
    layer.reset_running_stats()
    np.testing.assert_array_equal(layer.running_mean.numpy(), np.zeros(3))
    np.testing.assert_array_equal(layer.running_var.numpy(), np.ones(3))
    assert layer.num_batches_tracked.item() == 0


def test_running_statistics_have_no_history() -> None:
    layer = nn.BatchNorm1d(3)
    layer(ad.tensor(RNG.normal(size=(4, 3)).astype(np.float32), requires_grad=True))
    assert not layer.running_mean.requires_grad
    assert not layer.running_var.requires_grad


def test_sixteen_bits_are_summed_in_thirty_two() -> None:
    x = ad.full((1, 4096), 300.0, dtype="float16")  # whose sum of squares no float16 holds
    x[0, 0] = 301.0
    out = F.rms_norm(x, 4096)
    assert out.dtype == ad.float16
    np.testing.assert_allclose(out.numpy(), 1.0, rtol=5e-3)
    assert F.layer_norm(x, 4096).dtype == ad.float16


def test_derivatives() -> None:
    x = ad.tensor(RNG.normal(size=(2, 4, 3)))
    w, b = ad.tensor(RNG.normal(size=4)), ad.tensor(RNG.normal(size=4))
    ad.testing.check_grads(lambda x: F.layer_norm(x, 3, eps=0.1), (x,))
    ad.testing.check_grads(lambda x: F.rms_norm(x, (4, 3), eps=0.1), (x,))
    ad.testing.check_grads(lambda x, w, b: F.group_norm(x, 2, w, b), (x, w, b))
    ad.testing.check_grads(
        lambda x, w, b: F.batch_norm(x, weight=w, bias=b, training=True), (x, w, b)
    )
    ad.testing.check_grads(lambda x: F.local_response_norm(x, 3, 0.5), (x,))


def test_what_is_refused() -> None:
    with pytest.raises(ad.errors.ShapeError, match="BatchNorm2d: x needs 4 axes"):
        nn.BatchNorm2d(3)(ad.ones((2, 3)))
    with pytest.raises(ad.errors.ArgumentError, match="more than one value"):
        nn.BatchNorm1d(3)(ad.ones((1, 3)))
    with pytest.raises(ad.errors.ShapeError, match="4 channels"):
        nn.BatchNorm1d(3)(ad.ones((2, 4)))
    with pytest.raises(ad.errors.ArgumentError, match="do not divide"):
        nn.GroupNorm(3, 4)
    with pytest.raises(ad.errors.ShapeError, match="last axes"):
        nn.LayerNorm((3, 4))(ad.ones((3, 5)))
    with pytest.raises(ad.errors.ArgumentError, match="running statistics"):
        F.batch_norm(ad.ones((2, 3)))
