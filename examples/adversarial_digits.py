"""Pictures that fool a network, made with its own gradients, and a network that they do not fool.

Backpropagation gives the gradient with respect to anything, so also with respect to the picture: it
says how to change each pixel so that the loss grows. FGSM takes one step in the direction of the
signs; PGD takes many small ones and never leaves a box around the picture. What people still read
without trouble, the network no longer does.

The remedy is to train on such pictures: the attack is then part of each training step.

The idea: Goodfellow, Shlens and Szegedy, Explaining and harnessing adversarial examples,
arXiv:1412.6572; Madry et al., Towards deep learning models resistant to adversarial attacks,
arXiv:1706.06083. Run it with ``python adversarial_digits.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

RADIUS = 0.15  # how far a pixel may move; pixels go from 0 to 1


def loss_of(model, images, labels):
    """The loss that training lowers and attacks raise."""
    return nn.functional.cross_entropy(model(images), labels)


def fgsm(model, images, labels):
    """One step of the whole radius, in the direction in which the loss grows."""
    gradient = ad.grad(loss_of, argnums=1)(model, images, labels)
    return ad.clip(images + RADIUS * ad.sign(gradient), 0, 1)


def pgd(model, images, labels, steps=10):
    """Many small steps, each followed by the way back into the box."""
    low, high = ad.clip(images - RADIUS, 0, 1), ad.clip(images + RADIUS, 0, 1)
    found = images
    for _ in range(steps):
        gradient = ad.grad(loss_of, argnums=1)(model, found, labels)
        found = ad.clip(found + 2.5 * RADIUS / steps * ad.sign(gradient), low, high)
    return found


def trained(batches, epochs, attack=None):
    """A network that has learned from the pictures, or from what an attack makes of them."""
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    optimizer = ad.optim.Adam(model.parameters(), lr=1e-3)

    @ad.compile
    def step(images, labels):
        if attack is not None:
            images = attack(model, images, labels).detach()
        optimizer.zero_grad()
        loss = loss_of(model, images, labels)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(epochs):
        for batch in batches:
            step(*batch)
    return model


def accuracy(model, images, labels):
    """The share of pictures that the model reads right."""
    with ad.no_grad():
        return (ad.argmax(model(images), axis=1) == labels).astype(ad.float32).mean().item()


def main(epochs=40, seed=0):
    """Train both networks, attack them, and return their accuracies."""
    ad.random.seed(seed)
    digits = ad.data.digits()
    train, test = ad.data.stratified_split(digits, [0.8, 0.2], digits.tree[1], seed=seed)
    images, labels = map(ad.tensor, test.take(np.arange(len(test))))
    batches = ad.data.DataLoader(train, batch_size=64, shuffle=True, drop_last=True, seed=seed)
    attacks = {"FGSM": fgsm, "PGD": pgd, "PGD, 50 steps": lambda *args: pgd(*args, steps=50)}

    found = {}
    print(f"{'trained on':20}{'as it is':>12}" + "".join(f"{name:>16}" for name in attacks))
    for name, attack in {"pictures": None, "attacked pictures": pgd}.items():
        model = trained(batches, epochs, attack)
        row = [accuracy(model, images, labels)]
        row += [accuracy(model, f(model, images, labels), labels) for f in attacks.values()]
        print(f"{name:20}{row[0]:12.1%}" + "".join(f"{x:16.1%}" for x in row[1:]))
        found[name] = row
    return found


if __name__ == "__main__":
    main()
