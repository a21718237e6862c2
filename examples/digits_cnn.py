"""Handwritten digits, read by a convolutional network: weights that are shared across a picture.

A stroke means the same wherever it lies. A convolution therefore looks at each 3 × 3 neighbourhood
through the same few weights, pooling keeps the strongest answer of each 2 × 2, and after two rounds
of this a single linear layer can name the digit. Batch normalisation keeps the scale of the
activations, and the learning rate rises and falls in one cycle.

It has fewer weights than the perceptron of ``digits_perceptron.py``, and makes fewer mistakes.

The idea: LeCun et al., Backpropagation applied to handwritten zip code recognition, Neural
Computation 1 (1989); the schedule: Smith and Topin, arXiv:1708.07120. Run it with
``python digits_cnn.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn


class Network(nn.Module):
    """Two convolutions, each with normalisation and pooling, and a linear reader."""

    def __init__(self, width=24):
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.drop = nn.Dropout(0.3)
        self.read = nn.Linear(2 * width * 2 * 2, 10)

    def forward(self, images):
        """The scores of the ten digits, for pictures of shape (N, 1, 8, 8)."""
        found = self.features(images)
        return self.read(self.drop(found.reshape((len(images), -1))))


def mistakes(model, images, labels):
    """How many pictures get a largest score that is not that of their label."""
    model.eval()
    with ad.no_grad():
        found = ad.argmax(model(images), axis=1)
    model.train()
    return int((found != labels).sum().item())


def main(epochs=20, seed=0):
    """Train, print as it goes, and return the accuracy on the test digits."""
    ad.random.seed(seed)
    digits = ad.data.digits()
    train, test = ad.data.stratified_split(digits, [0.8, 0.2], digits.tree[1], seed=0)
    images, labels = map(ad.tensor, test.take(np.arange(len(test))))
    batches = ad.data.DataLoader(train, batch_size=64, shuffle=True, drop_last=True, seed=seed)

    model = Network()
    optimizer = ad.optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = ad.optim.schedule.OneCycleLR(
        optimizer, max_lr=0.01, total_steps=epochs * len(batches)
    )

    @ad.compile
    def step(images, labels):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    for epoch in range(1, epochs + 1):
        for batch in batches:
            loss = step(*batch)
            schedule.step()
        if epoch % 4 == 0:
            wrong = mistakes(model, images, labels)
            print(f"epoch {epoch:2d}   loss {loss.item():.4f}   wrong {wrong} of {len(labels)}")
    correct = 1 - mistakes(model, images, labels) / len(labels)
    print(f"{sum(p.size for p in model.parameters()):,} parameters, test accuracy {correct:.1%}")
    return correct


if __name__ == "__main__":
    main()
