"""A table with classes: is a tumour malignant, told from thirty measurements of its cell nuclei.

Tables come with units: one column counts micrometres, the next square ones. `FeatureEncoder` learns
the scale of each column, and `TargetEncoder` the names of the classes, from the training rows
alone: whoever lets the test rows take part measures himself.

569 rows are few, and a network could learn them by heart. Dropout and weight decay are against
that, and the mean of the weights over the last steps is steadier than the weights themselves.

The data: Wisconsin diagnostic breast cancer (Street, Wolberg and Mangasarian, 1993), as it comes
with scikit-learn. Run it with ``python table_classification.py``.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer

import adjoint as ad
from adjoint import nn


def load_table():
    """The measurements and the diagnosis of each tumour, as a table with names."""
    found = load_breast_cancer()
    columns = {name: found.data[:, k] for k, name in enumerate(found.feature_names)}
    columns["diagnosis"] = [str(found.target_names[k]) for k in found.target]
    return ad.data.Table.of(columns)


def main(epochs=40, seed=0):
    """Train, print a table of what was said and what is true, and return the accuracy."""
    ad.random.seed(seed)
    table = load_table()
    parts = ad.data.stratified_split(table, [0.75, 0.25], table["diagnosis"].values, seed=seed)
    train, test = (table.take(part.indices) for part in parts)

    features = ad.data.FeatureEncoder.fit(train, exclude=["diagnosis"])
    target = ad.data.TargetEncoder.fit(train, "diagnosis")
    x, y = features.transform(train), target.transform(train)
    batches = ad.data.DataLoader((x, y), batch_size=32, shuffle=True, drop_last=True, seed=seed)

    model = nn.Sequential(
        nn.Linear(x.shape[1], 32),
        nn.SiLU(),
        nn.Dropout(0.2),
        nn.Linear(32, len(target.labels)),
    )
    optimizer = ad.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    average = ad.optim.ExponentialMovingAverage(model, decay=0.98)

    @ad.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        average.update()
        return loss

    for _ in range(epochs):
        for batch in batches:
            loss = step(*batch)

    model.eval()
    with average.applied(), ad.no_grad():
        said = target.decode(model(ad.tensor(features.transform(test))))
    true = target.decode(target.transform(test))
    print(f"loss {loss.item():.3f} after {epochs} epochs of {len(batches)} steps")
    print(" " * 12 + "".join(f"{'said ' + name:>16}" for name in target.labels))
    for name in target.labels:
        counts = [np.sum((true == name) & (said == other)) for other in target.labels]
        print(f"{'is ' + name:12}" + "".join(f"{n:16}" for n in counts))
    accuracy = float(np.mean(said == true))
    print(f"test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
