"""The gallery: each script runs, prints, and reaches what its page says of it.

Run as they are, the scripts take minutes together, so the tests run shortened forms with bounds of
their own. With ``ADJOINT_GALLERY=full`` in the environment they run the scripts as a user does.
"""

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
FULL = os.environ.get("ADJOINT_GALLERY") == "full"

pytest.importorskip("sklearn", reason="most scripts read data sets that come with scikit-learn")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, **short: Any) -> Any:
    """What the script's `main` returns, shortened unless all of it is wanted."""
    return load(name).main(**({} if FULL else short))


@pytest.fixture(autouse=True)
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Every script says something, and nothing on the error stream."""
    yield
    out, err = capsys.readouterr()
    assert out.strip()
    assert not err
    assert max(map(len, out.splitlines())) <= 120
    if FULL:
        with capsys.disabled():
            print(f"\n{out}", end="")


def test_digits_perceptron() -> None:
    assert run("digits_perceptron", epochs=10) >= (0.97 if FULL else 0.95)


def test_digits_cnn() -> None:
    assert run("digits_cnn", epochs=3) >= (0.985 if FULL else 0.94)


def test_table_classification() -> None:
    assert run("table_classification", epochs=15) >= 0.95


def test_table_regression() -> None:
    explained, covered = run("table_regression", epochs=20, networks=2)
    assert explained >= 0.4
    assert 0.8 <= covered <= 0.97


def test_character_gpt() -> None:
    # pairs of neighbours take 3.35 bits, single characters 4.9; the text differs between Pythons
    assert run("character_gpt", steps=20, letters=10) < (2.9 if FULL else 4.9)


def test_lstm_series() -> None:
    errors = run("lstm_series", steps=80)
    assert errors["LSTM"] < 0.9 * errors["as it is"]
    if FULL:
        assert errors["LSTM"] < 0.7 * errors["a cycle ago"]


def test_variational_autoencoder() -> None:
    # a plain mean of all pictures costs about 31 nats
    assert run("variational_autoencoder", epochs=15) < (25.5 if FULL else 28.5)


def test_diffusion_points() -> None:
    assert run("diffusion_points", steps=300) < (0.01 if FULL else 0.1)


def test_adversarial_digits() -> None:
    found = run("adversarial_digits", epochs=6)
    plain, robust = found["pictures"], found["attacked pictures"]
    assert plain[0] >= 0.94
    assert robust[0] >= (0.94 if FULL else 0.85)
    assert plain[2] <= plain[1] + 0.01 < 0.35  # several steps do what one does, and more
    assert robust[2] >= plain[2] + 0.3


def test_physics_informed() -> None:
    assert run("physics_informed", steps=300, finish=40, points=300) < (0.02 if FULL else 0.3)


def test_exact_solution_of_burgers_equation() -> None:
    exact = load("physics_informed").exact
    x, t, h = np.linspace(-0.9, 0.9, 13), np.full(13, 0.4), 1e-3
    u = exact(x, t)
    u_t = (exact(x, t + h) - exact(x, t - h)) / (2 * h)
    u_x = (exact(x + h, t) - exact(x - h, t)) / (2 * h)
    u_xx = (exact(x + h, t) - 2 * u + exact(x - h, t)) / h**2
    np.testing.assert_allclose(u_t + u * u_x, 0.05 * u_xx, atol=2e-4)
    np.testing.assert_allclose(exact(x, np.full(13, 1e-6)), -np.sin(np.pi * x), atol=1e-4)
    print("the exact solution solves the equation")


def test_neural_ode() -> None:
    assert run("neural_ode", steps=60) < (0.3 if FULL else 1.5)


def test_policy_gradient() -> None:
    # at random, an episode lasts about 22 steps
    assert run("policy_gradient", rounds=25) > (450 if FULL else 40)


def test_mixture_of_experts() -> None:
    found = run("mixture_of_experts", epochs=10)
    assert found["mixture"] >= found["one network"] + 0.03


def test_xor_and_symmetry() -> None:
    sweeps, weights = run("xor_and_symmetry")
    assert sweeps["exclusive or"] < 3000
    assert sweeps["symmetry"] < 6000
    # mirrored inputs have opposite weights, whose sizes stand as 1 : 2 : 4
    np.testing.assert_allclose(weights, -weights[:, ::-1], atol=0.2)
    for row in np.sort(abs(weights[:, :3]), axis=1):
        np.testing.assert_allclose(row / row[0], [1, 2, 4], rtol=0.15)


def test_vanishing_gradients() -> None:
    found = run("vanishing_gradients", epochs=4, depth=10)
    assert found["sigmoid"][0] < (1e-20 if FULL else 1e-6)
    assert found["sigmoid"][1] < 0.2
    for cure in ("ReLU", "normalisation", "residual"):
        assert 0.02 < found[cure][0] < 50
    assert found["residual"][1] > (0.93 if FULL else 0.8)


def test_the_page_shows_every_script() -> None:
    page = (ROOT / "docs" / "learn" / "gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"`examples/(\w+)\.py`", page))
    assert shown == {path.stem for path in EXAMPLES.glob("*.py")} - {"mini"}
    print("every script")
