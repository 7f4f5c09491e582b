"""The base image: built once by the project's own builder, then a volume that every node's root disk overlays."""

from components.image.image import BaseImage, BaseImageArgs

__all__ = ["BaseImage", "BaseImageArgs"]
