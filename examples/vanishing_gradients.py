"""Why deep networks did not learn, and three cures.

The chain rule multiplies one factor for each layer. A sigmoid's slope is 1/4 at most, so through
thirty of them a gradient shrinks until nothing is left of it, and the first layers stay as they
were drawn. What helps does not touch backpropagation, but what it passes through:

- ReLU, whose slope is 1 where it is on, with initial weights that keep the scale (He et al., 2015);
- batch normalisation, which restores the scale at each layer (Ioffe and Szegedy, 2015);
- residual connections, which leave the gradient a way around each layer (He et al., 2016).

All four networks have thirty layers, read the digits, and are trained alike. The disease:
Hochreiter (1991); Bengio, Simard and Frasconi (1994). Run it with
``python vanishing_gradients.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

WIDTH = 48


class Residual(nn.Module):
    """What comes in, and what a layer makes of it besides."""

    def __init__(self, *layers):
        self.branch = nn.Sequential(*layers)

    def forward(self, x):
        """The sum."""
        return x + self.branch(x)


def layer(kind):
    """One of the layers in the middle, which differ from network to network."""
    linear = nn.Linear(WIDTH, WIDTH)
    if kind == "ReLU":
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        return nn.Sequential(linear, nn.ReLU())
    if kind == "normalisation":
        return nn.Sequential(linear, nn.BatchNorm1d(WIDTH), nn.Sigmoid())
    if kind == "residual":
        return Residual(nn.Sigmoid(), linear)
    return nn.Sequential(linear, nn.Sigmoid())


def network(kind, depth):
    """So many layers, between one that takes the picture and one that says the digit."""
    layers = [layer(kind) for _ in range(depth)]
    return nn.Sequential(nn.Flatten(), nn.Linear(64, WIDTH), *layers, nn.Linear(WIDTH, 10))


def gradient_norms(model, images, labels):
    """The norm of the gradient of each layer's weights, from the first to the last."""
    nn.functional.cross_entropy(model(images), labels).backward()
    gradients = [p.grad.numpy().astype(float) for p in model.parameters() if p.ndim == 2]
    return [np.linalg.norm(g) for g in gradients]  # in float64: squares would underflow


def main(epochs=15, depth=30, seed=0):
    """Train all four; print gradients at the beginning and accuracy at the end, and return both."""
    digits = ad.data.digits()
    train, test = ad.data.stratified_split(digits, [0.8, 0.2], digits.tree[1], seed=seed)
    images, labels = map(ad.tensor, test.take(np.arange(len(test))))
    batches = ad.data.DataLoader(train, batch_size=64, shuffle=True, drop_last=True, seed=seed)
    print(f"{'':15}gradient of layer 1, of layer {depth}   accuracy")
    found = {}
    for kind in ("sigmoid", "ReLU", "normalisation", "residual"):
        ad.random.seed(seed)
        model = network(kind, depth)
        norms = gradient_norms(model, images, labels)
        optimizer = ad.optim.Adam(model.parameters(), lr=2e-3)

        def step(images, labels, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            return loss

        step = ad.compile(step)
        for _ in range(epochs):
            for batch in batches:
                step(*batch)
        model.eval()
        with ad.no_grad():
            said = ad.argmax(model(images), axis=1)
        accuracy = (said == labels).astype(ad.float32).mean().item()
        print(f"{kind:15}{norms[1]:19.1e}{norms[depth]:13.1e}{accuracy:11.1%}")
        found[kind] = norms[1] / norms[depth], accuracy
    return found


if __name__ == "__main__":
    main()
