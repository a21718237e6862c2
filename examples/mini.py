"""Backpropagation in one file: a graph, the chain rule, and a network that learns with them.

A program computes a number, the loss, from other numbers, the parameters. We want to know how the
loss would move if we nudged each parameter: its gradient. There may be millions of parameters, so
trying them one by one is out of the question. Backpropagation finds all the answers in one walk.

It rests on three ideas, and each is a class or a function below.

1. Any program is made of few kinds of steps: sums, products, a tanh. For one step alone the
   derivative is a line of school mathematics. A `Primitive` states it, and nothing else.
2. While the program runs, we note each step and what it was applied to. The notes are the `Node`s
   of a graph that leads from the parameters to the loss.
3. Walk that graph backwards. At each node we know how the loss depends on its output; its own
   derivative turns that into how the loss depends on its inputs. That is `backward`.

Run it with ``python mini.py``: a network of 17 numbers learns the exclusive or.
"""

import itertools

import numpy as np

# ---- 1. Steps: what each computes, and its derivative ---------------------------------------


class Primitive:
    """One kind of step.

    `value` computes it. `pull` is the chain rule for this step alone: given `ct`, the derivative
    of the loss with respect to the output, it returns that with respect to each input.
    """


class Add(Primitive):
    def value(self, x, y):
        return x + y

    def pull(self, ct, out, x, y):
        return ct, ct


class Multiply(Primitive):
    def value(self, x, y):
        return x * y

    def pull(self, ct, out, x, y):
        return ct * y, ct * x


class Power(Primitive):
    def __init__(self, n):
        self.n = n

    def value(self, x):
        return x**self.n

    def pull(self, ct, out, x):
        return (ct * self.n * x ** (self.n - 1),)


class Tanh(Primitive):
    def value(self, x):
        return np.tanh(x)

    def pull(self, ct, out, x):
        return (ct * (1 - out**2),)


class Sum(Primitive):
    def value(self, x):
        return np.sum(x)

    def pull(self, ct, out, x):
        return (np.broadcast_to(ct, x.shape),)  # every element moves the sum by as much


class MatMul(Primitive):
    def value(self, x, y):
        return x @ y

    def pull(self, ct, out, x, y):
        return ct @ y.T, x.T @ ct


# ---- 2. The graph: a note of each step ------------------------------------------------------

age = itertools.count()


class Node:
    """The note of one step: what was done, to which tensors, and when."""

    def __init__(self, primitive, inputs):
        self.primitive = primitive
        self.inputs = inputs
        self.age = next(age)  # inputs are always older than what is computed from them


class Tensor:
    """An array, with the note of the step that it came from; a parameter came from none."""

    def __init__(self, value, node=None):
        self.value = np.asarray(value, dtype=float)
        self.node = node or Node(None, ())
        self.grad = None

    def __add__(self, other):
        return apply(Add(), self, other)

    def __mul__(self, other):
        return apply(Multiply(), self, other)

    def __sub__(self, other):
        return self + other * -1.0  # no step of its own: its derivative follows

    def __pow__(self, n):
        return apply(Power(n), self)

    def __matmul__(self, other):
        return apply(MatMul(), self, other)

    def tanh(self):
        return apply(Tanh(), self)

    def sum(self):
        return apply(Sum(), self)


def apply(primitive, *inputs):
    """Compute one step, and note it."""
    inputs = tuple(x if isinstance(x, Tensor) else Tensor(x) for x in inputs)
    return Tensor(primitive.value(*[x.value for x in inputs]), Node(primitive, inputs))


# ---- 3. The walk back -----------------------------------------------------------------------


def backward(loss):
    """Set `.grad` of every tensor that the loss was computed from: all of them, in one walk."""
    order = sorted(ancestors(loss), key=lambda tensor: tensor.node.age, reverse=True)
    for tensor in order:
        tensor.grad = np.zeros_like(tensor.value)
    loss.grad = np.ones_like(loss.value)  # the loss moves with itself, one to one
    for tensor in order:  # from the loss to the parameters
        node = tensor.node
        if node.primitive is None:
            continue
        values = [x.value for x in node.inputs]
        pulled = node.primitive.pull(tensor.grad, tensor.value, *values)
        for x, ct in zip(node.inputs, pulled, strict=True):
            # Added, not set: a tensor that was used twice moves the loss in two ways. And complete
            # when its turn comes: whatever used it is younger, and was visited before.
            x.grad = x.grad + unbroadcast(ct, x.value.shape)


def ancestors(loss):
    """Every tensor that the loss was computed from. No recursion: graphs may be deep."""
    seen = {loss}
    to_visit = [loss]
    while to_visit:
        for x in to_visit.pop().node.inputs:
            if x not in seen:
                seen.add(x)
                to_visit.append(x)
    return seen


def unbroadcast(ct, shape):
    """NumPy repeats small operands to fit large ones. What was used n times gets n gradients."""
    ct = ct.sum(axis=tuple(range(ct.ndim - len(shape))))
    repeated = tuple(axis for axis, n in enumerate(shape) if n == 1)
    return ct.sum(axis=repeated, keepdims=True)


# ---- A network that learns ------------------------------------------------------------------

XOR_INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_TARGETS = np.array([[0.0], [1.0], [1.0], [0.0]])


def initialise(seed, hidden=4):
    """Small random weights: if all were equal, all would get the same gradient and stay equal."""
    rng = np.random.default_rng(seed)
    return {
        "weight1": Tensor(rng.normal(size=(2, hidden))),
        "bias1": Tensor(np.zeros(hidden)),
        "weight2": Tensor(rng.normal(size=(hidden, 1))),
        "bias2": Tensor(np.zeros(1)),
    }


def predict(parameters, inputs):
    """Two layers, with a bend between them: without it, two layers would be no more than one."""
    hidden = (inputs @ parameters["weight1"] + parameters["bias1"]).tanh()
    return hidden @ parameters["weight2"] + parameters["bias2"]


def train(steps=250, learning_rate=0.05, seed=0):
    """Three roles that never mix: the loss is computed, the gradients are, the weights move."""
    parameters = initialise(seed)
    inputs = Tensor(XOR_INPUTS)
    for step in range(steps + 1):
        loss = ((predict(parameters, inputs) - XOR_TARGETS) ** 2).sum()  # forward
        backward(loss)
        for name, old in parameters.items():
            parameters[name] = Tensor(old.value - learning_rate * old.grad)  # update
        if step % 50 == 0:
            print(f"step {step:4d}   loss {float(loss.value):.6f}")
    return parameters


if __name__ == "__main__":
    trained = train()
    for (a, b), (y,) in zip(XOR_INPUTS, predict(trained, Tensor(XOR_INPUTS)).value, strict=True):
        print(f"{a:.0f} xor {b:.0f} = {y:.3f}")
