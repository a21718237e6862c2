"""Folders of images, one folder for each class; the one place that imports Pillow."""

# An extra, imported where it is needed.
# pyright: reportMissingImports=false

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from adjoint.data.dataset import ArrayDataset
from adjoint.data.errors import DataError, missing_extra

Array = np.ndarray[Any, Any]
ENDINGS: Final = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


def read_image(
    path: str | os.PathLike[str],
    *,
    size: int | tuple[int, int] | None = None,
    grayscale: bool = False,
) -> Array:
    """An image as float32 numbers from 0 to 1, of shape (channels, height, width).

    It is turned as its camera says, and resized by bilinear interpolation.

    Args:
        path: a file that Pillow can read.
        size: height and width of the result; one number for both.
        grayscale: one channel; otherwise red, green and blue.

    Raises:
        DataError: if it is no image, or damaged.
        MissingExtra: if Pillow is not installed.

    Example:
        >>> try:
        ...     ad.data.read_image("no such file.png")
        ... except (ad.data.DataError, ad.data.MissingExtra):  # the latter without Pillow
        ...     print("not read")
        not read
    """
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415
    except ImportError:
        raise missing_extra("Reading images", "Pillow", "images") from None
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            # Pillow converts 16 bits by cutting off at 255: scale first
            deep = image.mode.startswith("I")
            if deep:
                values = np.asarray(image, np.float32) * (255 / 65535)
                image = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
            image = image.convert("L" if grayscale else "RGB")
            if size is not None:
                height, width = (size, size) if isinstance(size, int) else size
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            values = np.asarray(image, np.float32)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not an image, or is damaged: {error}") from None
    values = values[None] if grayscale else values.transpose(2, 0, 1)
    return np.ascontiguousarray(values) / np.float32(255)


class ImageFolder:
    """The images in the folders of a folder; the name of its folder is the class of an image.

    Items are pairs of an image, see `read_image`, and the number of its class. They are read when
    they are asked for; a loader with ``num_workers`` reads ahead. `arrays` reads all of them.

    Args:
        root: the folder that holds a folder for each class.
        size: height and width to which all images are resized; one number for both.
        grayscale: one channel; otherwise red, green and blue.

    Attributes:
        classes: names of the classes, sorted.
        paths: of the images, by class and name.
        labels: number of the class of each.

    Raises:
        DataError: if there is no such folder, no class, or no image in one of them.

    Example:
        >>> try:
        ...     ad.data.ImageFolder("no such folder")
        ... except ad.data.DataError as error:
        ...     print(error)
        There is no folder no such folder.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        size: int | tuple[int, int] | None = None,
        grayscale: bool = False,
    ) -> None:
        place = Path(root)
        if not place.is_dir():
            raise DataError(f"There is no folder {place}.")
        folders = sorted(p for p in place.iterdir() if p.is_dir() and p.name[0] != ".")
        if not folders:
            raise DataError(f"{place} has no folders: it needs one for each class of images.")
        self.size, self.grayscale = size, grayscale
        self.classes = tuple(p.name for p in folders)
        self.paths: list[Path] = []
        labels: list[int] = []
        for k, folder in enumerate(folders):
            found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)
            if not found:
                raise DataError(
                    f"{folder} has no images, and so the class {folder.name!r} has none.\n"
                    f"  Expected: files that end in {', '.join(ENDINGS)}."
                )
            self.paths += found
            labels += [k] * len(found)
        self.labels: Array = np.array(labels, np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Array, int]:
        image = read_image(self.paths[index], size=self.size, grayscale=self.grayscale)
        return image, int(self.labels[index])

    def arrays(self) -> ArrayDataset:
        """All images in memory, as a dataset of arrays.

        Raises:
            DataError: if images differ in size, and none was given.
        """
        images = [self[k][0] for k in range(len(self))]
        other = next((k for k, x in enumerate(images) if x.shape != images[0].shape), None)
        if other is not None:
            raise DataError(
                f"{self.paths[other]} has the shape {images[other].shape}, and "
                f"{self.paths[0]} {images[0].shape}.\n  Try: ImageFolder(..., size=(height, width))"
            )
        return ArrayDataset(np.stack(images), self.labels)
