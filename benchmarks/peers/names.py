"""Names of the systems, for a process that imports none of them."""

from __future__ import annotations

MODULES = {
    "torch": "torch_steps",
    "torch-fused": "torch_steps",
    "torch-compile": "torch_steps",
    "torch-sparse": "torch_steps",
    "jax": "jax_steps",
    "jax-pool": "jax_steps",
    "tinygrad": "tinygrad_steps",
    "mlx": "mlx_steps",
    "autograd": "autograd_steps",
    "mygrad": "mygrad_steps",
    "adjoint": "adjoint_steps",
}
"""The module that a system's name stands for."""

DEFAULT = (
    "torch",
    "torch-fused+arena",
    "torch-compile+arena",
    "torch-sparse",
    "jax",
    "jax+arena",
    "adjoint",
)
"""What is measured unless `--systems` says otherwise."""

ARENA = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "200000000",
}
"""The environment of a system with ``+arena`` after its name: the C library keeps freed memory, so
that large temporaries do not fault their pages in again in every step."""


def base(system: str) -> str:
    """The name of a system without what follows a plus sign."""
    return system.split("+", maxsplit=1)[0]


def supported(system: str, workload: str) -> bool:
    """Whether a system takes part in a workload."""
    name = base(system)
    if name == "torch-sparse":
        return workload == "logreg-million"
    if name == "jax-pool":
        return workload == "cnn"
    if name == "autograd":  # its convolution is SciPy's, which nobody trains a network with
        return workload not in ("cnn", "resnet")
    return not (name == "mygrad" and workload == "resnet")  # no running statistics
