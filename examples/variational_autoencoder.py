"""A variational autoencoder: digits squeezed through two numbers, and digits that nobody wrote.

The encoder says of a picture where in a plane it lies, and how sure that is: a mean and a standard
deviation for both coordinates. A point drawn there goes to the decoder, which paints the picture
again. The loss asks for two things: paint well, and stay near the normal distribution. Drawing the
point as ``mean + deviation * noise`` lets the gradient pass through it to the encoder.

Afterwards any point of the plane is a digit: a walk along it shows them change into each other.

The idea: Kingma and Welling, Auto-encoding variational Bayes, arXiv:1312.6114. Run it with
``python variational_autoencoder.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

SHADES = " .:-=+*#%@"


class Autoencoder(nn.Module):
    """64 numbers to a place in the plane, and back."""

    def __init__(self, width=128):
        self.encode = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, 4))
        self.decode = nn.Sequential(
            nn.Linear(2, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 64)
        )

    def forward(self, pixels):
        """The parts of the loss per picture, in nats: of painting, and of the place."""
        mean, log_deviation = ad.split(self.encode(pixels), 2, axis=1)
        deviation = ad.exp(log_deviation)
        place = mean + deviation * ad.random.normal(size=mean.shape)
        painted = nn.functional.binary_cross_entropy_with_logits(
            self.decode(place), pixels, reduction="sum"
        )
        # the divergence of one normal distribution from the standard one
        distance = (mean**2 + deviation**2 - 1).sum() / 2 - log_deviation.sum()
        return painted / len(pixels), distance / len(pixels)


def show(pictures):
    """Pictures of 64 pixels side by side, as text."""
    for row in range(8):
        lines = [p.reshape(8, 8)[row] for p in pictures]
        shades = ["".join(SHADES[int(9.99 * x)] * 2 for x in line) for line in lines]
        print("  ".join(shades).rstrip())


def main(epochs=120, seed=0):
    """Train, print the loss on test digits and a walk through the plane; return the loss."""
    ad.random.seed(seed)
    digits = ad.data.digits()
    train, test = ad.data.stratified_split(digits, [0.8, 0.2], digits.tree[1], seed=seed)
    images, _ = train.take(np.arange(len(train)))
    pixels, _ = test.take(np.arange(len(test)))
    pixels = ad.tensor(pixels.reshape(-1, 64))
    batches = ad.data.DataLoader(
        images.reshape(-1, 64), batch_size=64, shuffle=True, drop_last=True, seed=seed
    )

    model = Autoencoder()
    optimizer = ad.optim.Adam(model.parameters(), lr=2e-3)

    @ad.compile
    def step(pixels):
        optimizer.zero_grad()
        painted, distance = model(pixels)
        (painted + distance).backward()
        optimizer.step()
        return painted, distance

    for epoch in range(1, epochs + 1):
        for batch in batches:
            painted, distance = step(batch)
        if epoch % max(epochs // 4, 1) == 0:
            print(f"epoch {epoch:3d}   painting {painted.item():.2f}   place {distance.item():.2f}")

    with ad.no_grad():
        losses = [sum(model(pixels)).item() for _ in range(20)]  # each with other noise
        angles = np.linspace(0, 2 * np.pi, 6, endpoint=False)
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        walk = ad.sigmoid(model.decode(ad.tensor(circle)))
    loss = float(np.mean(losses))
    print(f"test {loss:.2f} nats per picture; on a circle around the middle:")
    show(walk.numpy())
    return loss


if __name__ == "__main__":
    main()
