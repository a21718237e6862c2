"""NumPy's functions on tensors: values as NumPy's, gradients as central differences."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import adjoint as ad

RNG = np.random.default_rng(0)
X = RNG.uniform(0.2, 0.9, (3, 4))
V = RNG.uniform(0.2, 0.9, 5)
M = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
S = M @ M.T

UNARY = """
sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh exp exp2 expm1 log log2
log10 log1p sqrt square cbrt reciprocal absolute fabs negative positive conjugate real imag
angle rad2deg deg2rad degrees radians floor ceil rint trunc sign sinc i0 nan_to_num around
round fix modf isnan logical_not sum prod mean std var max min amax amin ptp cumsum cumprod
median average nansum nanmean nanstd nanvar nanmax nanmin nanprod nancumsum argmax argmin
any all sort argsort count_nonzero ravel transpose flip fliplr flipud rot90 diag diagonal
trace tril diff gradient trapezoid cov corrcoef copy add.reduce real_if_close linalg.norm
""".split()
BINARY = """
add arctan2 copysign divide float_power floor_divide fmax fmin fmod heaviside hypot
logaddexp logaddexp2 maximum minimum mod multiply power remainder subtract true_divide
""".split()
REDUCTIONS = """
all amax amin any argmax argmin argsort average count_nonzero cumprod cumsum max mean median
min nancumsum nanmax nanmean nanmin nanprod nanstd nansum nanvar prod ptp sort std sum var
""".split()
EXPRESSIONS = [
    "np.arccosh(x+1)",
    "np.sum(x,0)",
    "np.sum(x,axis=(0,1),keepdims=True)",
    "np.std(x,axis=0,ddof=1)",
    "np.var(x,ddof=1)",
    "np.quantile(x,0.3)",
    "np.percentile(x,30,axis=0)",
    "np.reshape(x,(4,3))",
    "np.reshape(x,-1)",
    "np.transpose(x,(1,0))",
    "np.swapaxes(x,0,1)",
    "np.moveaxis(x,0,1)",
    "np.rollaxis(x,1)",
    "np.squeeze(x[None])",
    "np.expand_dims(x,1)",
    "np.broadcast_to(x,(2,3,4))",
    "np.concatenate([x,x],1)",
    "np.concatenate((x,x))",
    "np.stack([x,x],axis=1)",
    "np.vstack([x,x])",
    "np.hstack([x,x])",
    "np.dstack([x,x])",
    "np.column_stack([v,v])",
    "np.split(x,2,axis=1)[0]",
    "np.array_split(x,2)[1]",
    "np.tile(x,(2,1))",
    "np.repeat(x,2,axis=0)",
    "np.roll(x,1)",
    "np.roll(x,1,axis=0)",
    "np.pad(x,1)",
    "np.pad(x,((1,0),(0,1)),mode='edge')",
    "np.pad(x,1,'reflect')",
    "np.append(x,x)",
    "np.append(x,x,axis=0)",
    "np.delete(x,1,axis=0)",
    "np.delete(v,[0,2])",
    "np.insert(v,1,3.0)",
    "np.insert(v,[1,3],v[:2])",
    "np.insert(x,1,v[:4],axis=0)",
    "np.take(x,[0,2],axis=1)",
    "np.take(x,[0,5])",
    "np.take_along_axis(x,np.argsort(x,axis=1),axis=1)",
    "np.compress([True,False,True],x,axis=0)",
    "np.extract(np.asarray([True,False,True,True,False]),v)",
    "np.choose([0,1,0],[v[:3],v[2:]])",
    "np.select([v>0.5],[v],default=v*2)",
    "np.piecewise(v,[v<0.5],[lambda t:t**2, lambda t:t])",
    "np.where(x>0.5,x,x**2)",
    "np.clip(x,0.3,0.6)",
    "np.diag(v)",
    "np.triu(x,1)",
    "np.diagflat(v)",
    "np.dot(x,x.T)",
    "np.dot(v,v)",
    "np.vdot(v,v)",
    "np.inner(x,x)",
    "np.outer(v,v)",
    "np.matmul(x,x.T)",
    "x@x.T",
    "np.tensordot(x,x,axes=([0],[0]))",
    "np.tensordot(x,x,2)",
    "np.einsum('ij,kj->ik',x,x)",
    "np.einsum('ij->j',x)",
    "np.kron(x,x[:2])",
    "np.cross(v[:3],v[2:])",
    "np.convolve(v,v[:2])",
    "np.convolve(v,v[:2],mode='same')",
    "np.correlate(v,v[:2])",
    "np.diff(v,n=2)",
    "np.ediff1d(v)",
    "np.gradient(v)",
    "np.gradient(x,axis=1)",
    "np.gradient(v,0.1,edge_order=2)",
    "np.gradient(v,np.array([0,1.,3,4,6.]))",
    "np.trapezoid(v,np.array([0,1.,3,4,6.]))",
    "np.interp(np.array([0.5,1.5,9.]),np.arange(5.),v)",
    "np.interp(v*4,np.arange(5.),np.arange(5.)**2)",
    "np.polyval(v,0.7)",
    "np.polyval(np.array([1.,2.]),x)",
    "np.polyadd(v,v[:2])",
    "np.polymul(v,v)",
    "np.polyder(v)",
    "np.polyint(v)",
    "np.vander(v,3)",
    "np.unwrap(v*20)",
    "np.cov(x,rowvar=False,bias=True)",
    "np.average(x,axis=0,weights=v[:3])",
    "np.average(x,weights=x)",
    "np.apply_along_axis(lambda r:r*r.sum(),1,x)",
    "np.linspace(v[0],v[1],4)",
    "np.meshgrid(v,v)[0]",
    "np.atleast_2d(v)",
    "np.atleast_3d(v)",
    "np.resize(v,(2,4))",
    "np.sort(x,axis=0)",
    "np.partition(v,2)",
    "np.full_like(x,2.0)*x",
    "np.zeros_like(x)+x",
    "np.ones_like(x)*x",
    "np.bincount(np.array([0,1,1]))*v[0]",
    "np.add.reduce(x,axis=1)",
    "np.multiply.reduce(x,axis=None)",
    "np.maximum.reduce(x,axis=1)",
    "np.add.accumulate(x,axis=1)",
    "np.add.outer(v,v)",
    "np.subtract.outer(v,v)",
    "np.multiply.outer(v,x)",
    "np.searchsorted(np.arange(5.),v)*v",
    "np.isclose(x,x)",
    "np.unique(v)",
    "np.trim_zeros(v)",
    "np.linalg.norm(v)",
    "np.linalg.norm(v,1)",
    "np.linalg.norm(x,axis=1)",
    "np.linalg.norm(x,'nuc')",
    "np.linalg.norm(x,2)",
    "np.linalg.inv(M)",
    "np.linalg.det(M)",
    "np.linalg.slogdet(M)[1]",
    "np.linalg.solve(M,M[0])",
    "np.linalg.solve(M,M)",
    "np.linalg.cholesky(S)",
    "np.linalg.eigvalsh(S)",
    "np.linalg.eigh(S)[0]",
    "np.linalg.svd(M)[1]",
    "np.linalg.svd(M,compute_uv=False)",
    "np.linalg.qr(M)[1]",
    "np.linalg.pinv(M)",
    "np.linalg.matrix_power(M,3)",
    "np.linalg.multi_dot([M,M,M])",
    "np.linalg.cond(M)",
    "np.linalg.lstsq(x,v[:3],rcond=None)[0]",
    "np.linalg.matrix_rank(M)*M",
    "np.abs(np.fft.fft(v))",
    "np.abs(np.fft.rfft(v))",
    "np.fft.irfft(np.fft.rfft(v),5)",
    "np.abs(np.fft.fft2(x))",
    "np.abs(np.fft.fftn(x))",
    "np.fft.fftshift(v)",
    "np.abs(np.fft.ifft(v))",
    "np.real(np.fft.hfft(v))",
    "np.linalg.tensorsolve(np.eye(4).reshape(2,2,2,2)*v[0],x[:2,:2])",
    "np.linalg.trace(M)",
    "np.linalg.diagonal(M)",
    "np.linalg.outer(v,v)",
    "np.linalg.matrix_norm(M)",
    "np.linalg.vector_norm(v)",
    "np.linalg.cross(v[:3],v[2:])",
    "np.linalg.svdvals(M)",
    "np.permute_dims(x,(1,0))",
    "np.concat([x,x])",
    "np.unstack(x)[0]",
    "np.cumulative_sum(v)",
    "np.vecdot(x,x)",
    "np.matvec(M,v[:3])",
    "np.array_split(v,2)[0]",
    "np.geomspace(v[0],v[1],3)",
    "np.digitize(v,np.array([0.5]))*v",
    "np.histogram(v)[0]*v[0]",
    "np.apply_over_axes(np.sum,x,[0])",
    "np.atleast_1d(v)",
    "np.astype(x,np.float64)",
    "np.vsplit(x,3)[0]",
    "np.block([[x,x],[x,x]])",
    "np.array_equal(x,x)*v",
    "np.shape(x)[0]*v",
    "np.iscomplexobj(x)*v",
    "np.size(x)*v",
    "np.ndim(x)*v",
]

CASES = [
    *(f"np.{name}(x)" for name in UNARY),
    *(f"np.{name}(x, {other})" for name in BINARY for other in ("0.5", "x[0]", "0.5 * x + 0.1")),
    *(f"np.{name}(0.5, x)" for name in BINARY),
    *(f"np.{name}(x, axis={axis})" for name in REDUCTIONS for axis in (0, 1, -1)),
    *EXPRESSIONS,
]


def evaluate(expression: str, values: Sequence[Any]) -> Any:
    names = dict(zip("xvMS", values, strict=True))
    out = eval(expression, {"np": np, **names})
    return out[0] if isinstance(out, tuple | list) else out


@pytest.mark.parametrize("expression", CASES)
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_as_numpy(expression: str) -> None:
    arrays = [X, V, M, S]
    want = np.asarray(evaluate(expression, arrays))
    tensors = [ad.tensor(a, requires_grad=True) for a in arrays]
    got = evaluate(expression, tensors)
    value = got.detach().numpy() if isinstance(got, ad.Tensor) else np.asarray(got)
    np.testing.assert_allclose(value, want, rtol=1e-10, atol=1e-12)
    if not isinstance(got, ad.Tensor) or not got.requires_grad:
        return
    assert got.dtype == want.dtype
    ct = np.random.default_rng(1).normal(size=want.shape)
    (np.real(got) * ct).sum().backward()
    for i, (array, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        if tensor.grad is None:
            continue
        direction = np.random.default_rng(2).normal(size=array.shape)
        if array is S:
            direction = direction + direction.T
        sides = [
            evaluate(expression, [*arrays[:i], array + h * direction, *arrays[i + 1 :]])
            for h in (1e-6, -1e-6)
        ]
        numeric = (np.real(np.asarray(sides[0]) - np.asarray(sides[1])) * ct).sum() / 2e-6
        analytic = (tensor.grad.numpy() * direction).sum()
        assert analytic == pytest.approx(numeric, rel=1e-5, abs=1e-6)


def test_array_beside_a_tensor_gives_a_tensor() -> None:
    t = ad.tensor(V, requires_grad=True)
    for out in (V + t, V * t, np.ones((5, 5)) @ t, t @ np.ones((5, 5)), V / t, t > V):
        assert isinstance(out, ad.Tensor)
    np.testing.assert_array_equal((V + t).detach().numpy(), V + V)


def test_asarray_of_a_recorded_tensor_says_detach() -> None:
    t = ad.tensor(V, requires_grad=True)
    with pytest.raises(ad.errors.NotDifferentiable, match=r"Try: x\.detach\(\)"):
        np.asarray(t)
    np.testing.assert_array_equal(np.asarray(t.detach()), V)


def test_a_function_without_counterpart_is_named() -> None:
    t = ad.tensor(V, requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.roots: this function has no counterpart"):
        np.roots(t)


def test_out_array_is_refused_and_out_tensor_is_bound() -> None:
    t = ad.tensor(V, requires_grad=True)
    with pytest.raises(TypeError, match="cannot hold a recorded value"):
        np.sin(t, out=np.empty(5))
    target = ad.zeros(5, dtype="float64")
    assert np.sin(t, out=target) is target
    np.testing.assert_allclose(target.detach().numpy(), np.sin(V))
    assert target.requires_grad


def test_add_at_binds_the_tensor_to_the_sum() -> None:
    t = ad.tensor(V)
    update = ad.tensor([1.0, 2.0], dtype="float64", requires_grad=True)
    np.add.at(t, [1, 1], update)
    want = V.copy()
    np.add.at(want, [1, 1], [1.0, 2.0])
    np.testing.assert_allclose(t.detach().numpy(), want)
    t[1].backward()
    np.testing.assert_array_equal(update.grad.numpy(), [1.0, 1.0])


def test_where_argument_of_reductions() -> None:
    t = ad.tensor(X, requires_grad=True)
    mask = X > 0.5
    np.sum(t * t, where=mask).backward()
    np.testing.assert_allclose(t.grad.numpy(), np.where(mask, 2 * X, 0))


def test_gradients_of_numpy_code_of_any_order() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) ** 2 * np.exp(-x)) + np.linalg.norm(x)

    ad.testing.check_grads(f, (V,), order=2)


def test_scipy_minimize_takes_value_and_gradient() -> None:
    optimize = pytest.importorskip("scipy.optimize")

    def rosenbrock(x: Any) -> Any:
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    found = optimize.minimize(ad.value_and_grad(rosenbrock), np.zeros(4), jac=True)
    assert found.success
    np.testing.assert_allclose(found.x, np.ones(4), atol=1e-4)
    newton = optimize.minimize(
        rosenbrock,
        np.zeros(4),
        jac=ad.grad(rosenbrock),
        hess=ad.hessian(rosenbrock),
        method="Newton-CG",
        tol=1e-8,
    )
    np.testing.assert_allclose(newton.x, np.ones(4), atol=1e-4)
