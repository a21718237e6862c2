"""The handwritten digits that come with scikit-learn: the one place of the readers to import it."""

# It is an extra, and comes without types.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.data.dataset import ArrayDataset
from adjoint.data.errors import missing_extra


def digits() -> ArrayDataset:
    """The 1,797 handwritten digits that come with scikit-learn, with their labels.

    Images are float32 from 0 to 1, of shape (1, 8, 8); labels are int64 from 0 to 9.

    Raises:
        MissingExtra: if scikit-learn is not installed.

    Example:
        >>> images, labels = ad.data.digits().tree
        >>> images.shape, labels[:5]
        ((1797, 1, 8, 8), array([0, 1, 2, 3, 4]))
    """
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415  # an extra, slow to import
    except ImportError:
        raise missing_extra("The set of digits", "scikit-learn", "digits") from None
    found: Any = load_digits()
    images = found.images[:, None].astype(np.float32) / np.float32(16)
    return ArrayDataset(images, found.target.astype(np.int64))
