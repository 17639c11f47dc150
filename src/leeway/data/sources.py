"""Sources of labelled images: every kind. A source is one decorated class whose fields are its params."""

from leeway.data.csv_source import CsvSource
from leeway.data.digits_source import DigitsSource
from leeway.data.folder_source import FolderSource
from leeway.data.items import IMAGE_EXTENSIONS, SOURCES, ImageSource, Item
from leeway.data.torchvision_source import TorchvisionSource

__all__ = [
    "IMAGE_EXTENSIONS",
    "SOURCES",
    "CsvSource",
    "DigitsSource",
    "FolderSource",
    "ImageSource",
    "Item",
    "TorchvisionSource",
]
