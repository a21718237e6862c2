"""A table with a quantity: how far diabetes will have gone in a year, and how sure that is.

A network with two outputs can say a mean *and* a standard deviation. The Gaussian likelihood is the
loss that asks for both: a prediction that was far off costs less where the network had said that it
was not sure, but being never sure costs too. What it says can then be checked: do nine out of ten
patients lie in the intervals in which it expects nine out of ten?

Five networks that began with different weights learn from the same rows, and their mixture is the
prediction: where they do not agree, it is less sure than each of them.

The data: Efron et al., Least angle regression (2004), as it comes with scikit-learn; the method:
Nix and Weigend, Estimating the mean and variance of the target probability distribution (1994), and
Lakshminarayanan et al., arXiv:1612.01474. Run it with ``python table_regression.py``.
"""

import numpy as np
from sklearn.datasets import load_diabetes

import adjoint as ad
from adjoint import nn


def load_table():
    """Ten measurements of each patient, and the progression of the disease a year later."""
    found = load_diabetes(scaled=False)
    columns = {name: found.data[:, k] for k, name in enumerate(found.feature_names)}
    return ad.data.Table.of(columns | {"progression": found.target})


def mean_and_deviation(model, x):
    """What the network says of each patient; the deviation is positive by its form."""
    mean, raw = ad.unstack(model(x), axis=1)
    return mean, ad.softplus(raw) + 0.05


def fitted(x, y, epochs):
    """A network that has learned from the training rows."""
    model = nn.Sequential(nn.Linear(x.shape[1], 24), nn.Tanh(), nn.Dropout(0.2), nn.Linear(24, 2))
    optimizer = ad.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1)
    batches = ad.data.DataLoader((x, y), batch_size=50, shuffle=True, drop_last=True)

    @ad.compile
    def step(x, y):
        optimizer.zero_grad()
        mean, deviation = mean_and_deviation(model, x)
        loss = nn.functional.gaussian_nll_loss(mean, y, deviation**2)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(epochs):
        for batch in batches:
            step(*batch)
    return model.eval()


def main(epochs=60, networks=5, seed=0):
    """Train, print how good and how honest the predictions are, and return both numbers."""
    ad.random.seed(seed)
    table = load_table()
    parts = ad.data.random_split(table, [0.75, 0.25], seed=seed)
    train, test = (table.take(part.indices) for part in parts)
    features = ad.data.FeatureEncoder.fit(train, exclude=["progression"])
    target = ad.data.TargetEncoder.fit(train, "progression")
    x, y = features.transform(train), target.transform(train)
    models = [fitted(x, y, epochs) for _ in range(networks)]

    new = ad.tensor(features.transform(test))
    with ad.no_grad():
        said = [[t.numpy() for t in mean_and_deviation(model, new)] for model in models]
    means, deviations = np.array(said).swapaxes(0, 1)
    mean = means.mean(axis=0)
    # of the mixture: what each network is unsure of, and what they do not agree on
    deviation = np.sqrt((deviations**2 + means**2).mean(axis=0) - mean**2)

    true = target.transform(test)
    explained = 1 - np.mean((mean - true) ** 2) / np.var(true)
    covered = np.mean(np.abs(mean - true) < 1.645 * deviation)
    for row in range(4):
        low, high = target.decode(mean[row] + np.array([-1.645, 1.645]) * deviation[row])
        (was,) = target.decode(true[row : row + 1])
        print(f"expected {low:5.0f} to {high:3.0f}, was {was:3.0f}")
    print(f"R² {explained:.3f}; {covered:.0%} of {len(true)} patients lie in their 90 % interval")
    return float(explained), float(covered)


if __name__ == "__main__":
    main()
