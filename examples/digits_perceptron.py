"""Handwritten digits, read by a multilayer perceptron: backpropagation's classic.

The 1,797 digits that come with scikit-learn are pictures of 8 × 8 grey values. The network knows
nothing of pictures: to it they are 64 numbers, and it would do as well if all were shuffled alike.
Two hidden layers bend them until ten straight cuts tell the classes apart.

A training step is written as it would run (forward, backward, update) and `ad.compile` makes one
native call of it, parameters and optimizer state included.

The idea: Rumelhart, Hinton and Williams, Learning representations by back-propagating errors,
Nature 323 (1986). Run it with ``python digits_perceptron.py``.
"""

import time

import numpy as np

import adjoint as ad
from adjoint import nn


def load_digits():
    """Pictures as rows of 64 numbers, and labels: 1,438 to train, 359 to test."""
    digits = ad.data.digits()
    train, test = ad.data.stratified_split(digits, [0.8, 0.2], digits.tree[1], seed=0)
    return train, test


def accuracy(model, data):
    """The share of pictures whose largest score is that of their label."""
    images, labels = data.take(np.arange(len(data)))
    model.eval()
    with ad.no_grad():
        found = ad.argmax(model(ad.tensor(images)), axis=1)
    model.train()
    return (found == ad.tensor(labels)).astype(ad.float32).mean().item()


def main(epochs=30, seed=0):
    """Train, print as it goes, and return the accuracy on the test digits."""
    ad.random.seed(seed)
    train, test = load_digits()
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    optimizer = ad.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    batches = ad.data.DataLoader(train, batch_size=64, shuffle=True, drop_last=True, seed=seed)

    @ad.compile
    def step(images, labels):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)  # forward
        loss.backward()  # backpropagation
        optimizer.step()  # update
        return loss

    start = time.perf_counter()
    for epoch in range(1, epochs + 1):
        losses = [step(images, labels) for images, labels in batches]
        if epoch % 5 == 0:
            loss = np.mean([x.item() for x in losses])
            print(f"epoch {epoch:2d}   loss {loss:.4f}   test {accuracy(model, test):.1%}")
    seconds = time.perf_counter() - start
    parameters = sum(p.size for p in model.parameters())
    print(f"{parameters:,} parameters, {epochs * len(batches)} steps, {seconds:.1f} s")
    return accuracy(model, test)


if __name__ == "__main__":
    main()
