"""Two problems that a perceptron cannot solve, and that made backpropagation known in 1986.

*Exclusive or*: is exactly one of two inputs on? *Symmetry*: is a row of six the same when it is
read backwards? No weighted sum of the inputs says so; the perceptron rule, which is guaranteed to
find one if there is one, goes on for ever. With two units between input and output,
backpropagation solves both.

What it finds for symmetry is famous. Look at the weights of a hidden unit: those of mirrored inputs
are equal with opposite signs, so that a symmetric row gives exactly nothing, and their sizes stand
as 1 : 2 : 4, so that no other row does.

Source: Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, Nature
323 (1986); Minsky and Papert, Perceptrons (1969). Run it with ``python xor_and_symmetry.py``.
"""

import itertools

import numpy as np

import adjoint as ad
from adjoint import nn


def exclusive_or():
    """The four cases."""
    inputs = np.array(list(itertools.product([0.0, 1.0], repeat=2)), np.float32)
    return inputs, (inputs.sum(axis=1) == 1).astype(np.float32)


def symmetry():
    """All 64 rows of six, and whether they are symmetric."""
    inputs = np.array(list(itertools.product([0.0, 1.0], repeat=6)), np.float32)
    return inputs, (inputs == inputs[:, ::-1]).all(axis=1).astype(np.float32)


def perceptron(inputs, targets, passes=1000):
    """How many cases the perceptron rule still gets wrong in its last pass; 0 if it is done."""
    x = np.column_stack([inputs, np.ones(len(inputs))])
    weights = np.zeros(x.shape[1])
    for _ in range(passes):
        errors = 0
        for row, target in zip(x, targets, strict=True):
            error = target - (row @ weights > 0)
            weights += error * row
            errors += error != 0
    return errors


def network(inputs):
    """Two sigmoid units between input and output, with the small weights of the article."""
    model = nn.Sequential(
        nn.Linear(inputs, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid(), nn.Flatten(0)
    )
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.3, 0.3)
    return model


def learn(model, inputs, targets, sweeps, rate):
    """Backpropagation over all cases at once, with momentum; returns the sweep that solved it."""
    x, y = ad.tensor(inputs), ad.tensor(targets)
    optimizer = ad.optim.SGD(model.parameters(), lr=rate, momentum=0.9)

    @ad.compile
    def sweep():
        optimizer.zero_grad()
        said = model(x)
        ((said - y) ** 2 / 2).sum().backward()
        optimizer.step()
        return abs(said - y).max()

    for number in range(1, sweeps + 1):
        if sweep().item() < 0.3:  # all cases are clearly on their side
            return number
    return None


def main(sweeps=10_000, seed=1):
    """Let both methods try both problems; return the sweeps taken, and the weights of symmetry."""
    ad.random.seed(seed)
    problems = {"exclusive or": (exclusive_or(), 0.5), "symmetry": (symmetry(), 0.1)}
    found = {}
    for name, ((inputs, targets), rate) in problems.items():
        errors = perceptron(inputs, targets)
        model = network(inputs.shape[1])
        found[name] = learn(model, inputs, targets, sweeps, rate)
        print(name)
        print(f"  perceptron: {errors} of {len(inputs)} cases wrong in its thousandth pass")
        print(f"  backpropagation: all cases right after {found[name]} sweeps")
    print("what both hidden units look at, for symmetry")
    weights = model[0].weight.numpy()
    for row in weights:
        print(" ".join(f"{w:7.2f}" for w in row))
    return found, weights


if __name__ == "__main__":
    main()
