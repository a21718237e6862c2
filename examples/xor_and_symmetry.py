"""Two problems that a perceptron cannot solve, and that made backpropagation known in 1986.

*Exclusive or*: is exactly one of two inputs on? *Symmetry*: is a row of six the same when it is read
backwards? No weighted sum of the inputs says so; the perceptron rule, which is guaranteed to find
one if there is one, goes on for ever. With two units between input and output, backpropagation
solves both.

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
    """How many cases the perceptron rule gets right, at best, in so many passes."""
    x = np.column_stack([inputs, np.ones(len(inputs))])
    weights, best = np.zeros(x.shape[1]), 0
    for _ in range(passes):
        for row, target in zip(x, targets, strict=True):
            weights += (target - (row @ weights > 0)) * row
        best = max(best, int(((x @ weights > 0) == targets).sum()))
    return best


def main(steps=3000, seed=2):
    pass


if __name__ == "__main__":
    main()
