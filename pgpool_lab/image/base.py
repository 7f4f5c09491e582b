"""The nodes' base image, whichever way it is come by: built, or a stock one."""

from __future__ import annotations

from pathlib import Path

from pgpool_lab.image import builder, stock
from pgpool_lab.image.recipe import ImageRecipe


def check(recipe: ImageRecipe) -> None:
    """Refuse, before anything is created, files that are missing or not the right ones. Raises LabError."""
    (stock if recipe.stock else builder).check(recipe)


def present(recipe: ImageRecipe) -> bool:
    """Whether the image is there already."""
    path = stock.image_path(recipe) if recipe.stock else builder.image_path(recipe)
    return path.is_file()


def obtain(recipe: ImageRecipe) -> Path:
    """The image as a file, made or fetched where it is not in the cache. Raises LabError."""
    return stock.obtain(recipe) if recipe.stock else builder.build(recipe)
