"""A mixture of experts: four small networks, and a router that learns whom to ask.

The digits come in four kinds: as they are, as negatives, with their pixels shuffled, and both. One
small network has to be good at all of it. A mixture has four such networks, but each picture is
sent to one of them, so it costs as much as one. Nobody says what kind a picture is of: the router
finds out what is worth telling apart, and the experts become what they are sent.

Left alone, a router soon sends everything to the expert that was lucky first. A second, small loss
asks that all be given the same amount of work.

The idea: Jacobs, Jordan, Nowlan and Hinton, Adaptive mixtures of local experts (1991); one expert
each and the balance: Fedus, Zoph and Shazeer, Switch transformers, arXiv:2101.03961. Run it with
``python mixture_of_experts.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

KINDS = ("as they are", "negative", "shuffled", "both")
HIDDEN, EXPERTS = 12, 4


def make_kinds(images, rng):
    """Each picture in one of four kinds; which pixel goes where is the same for all."""
    order = np.random.default_rng(1).permutation(64)
    pixels = images.reshape(-1, 64) - 0.5
    kind = rng.integers(0, len(KINDS), len(pixels))
    pixels = np.where((kind % 2 == 1)[:, None], -pixels, pixels)
    return np.where((kind >= 2)[:, None], pixels[:, order], pixels).astype(np.float32), kind


class Mixture(nn.Module):
    """A layer of experts, and a reader that they share."""

    def __init__(self):
        self.experts = nn.MixtureOfExperts(64, HIDDEN, EXPERTS, top_k=1, normalize=False)
        self.read = nn.Linear(64, 10)

    def forward(self, pixels):
        """The scores of the digits, and how unequal the work is."""
        found, unequal = self.experts(pixels, return_loss=True)
        return self.read(found), unequal


class Single(nn.Module):
    """The same with one expert, which sees everything."""

    def __init__(self):
        self.expert = nn.Sequential(nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 64))
        self.read = nn.Linear(64, 10)

    def forward(self, pixels):
        """The scores of the digits; there is no work to share."""
        return self.read(self.expert(pixels)), 0.0


def trained(model, batches, epochs):
    """The model, after so many passes."""
    optimizer = ad.optim.Adam(model.parameters(), lr=3e-3)

    @ad.compile
    def step(pixels, labels):
        optimizer.zero_grad()
        scores, unequal = model(pixels)
        loss = nn.functional.cross_entropy(scores, labels) + 0.02 * unequal
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(epochs):
        for batch in batches:
            step(*batch)
    return model.eval()


def main(epochs=60, seed=0):
    """Train both, print who is sent what, and return both accuracies."""
    ad.random.seed(seed)
    rng = np.random.default_rng(seed)
    images, labels = ad.data.digits().tree
    images, labels = np.tile(images, (4, 1, 1, 1)), np.tile(labels, 4)
    held_out = np.tile(np.arange(1797) % 5 == 0, 4)
    pixels, kind = make_kinds(images, rng)
    batches = ad.data.DataLoader(
        (pixels[~held_out], labels[~held_out]), batch_size=64, shuffle=True, drop_last=True
    )
    new, true, kind = ad.tensor(pixels[held_out]), labels[held_out], kind[held_out]

    found = {}
    for name, model in {"one network": Single(), "mixture": Mixture()}.items():
        trained(model, batches, epochs)
        with ad.no_grad():
            said = np.argmax(model(new)[0].numpy(), axis=1)
        found[name] = float(np.mean(said == true))
        print(f"{name:12} test accuracy {found[name]:.1%}")

    with ad.no_grad():
        expert = np.argmax(model.experts.router(new).numpy(), axis=1)
    print(f"{'sent to':12}" + "".join(f"{'expert ' + str(k):>10}" for k in range(EXPERTS)))
    for k, name in enumerate(KINDS):
        shares = np.bincount(expert[kind == k], minlength=EXPERTS) / np.sum(kind == k)
        print(f"{name:12}" + "".join(f"{share:10.0%}" for share in shares))
    return found


if __name__ == "__main__":
    main()
