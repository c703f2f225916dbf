"""Phantom: synthetic chest radiographs, with the mask of every lesion.

What lies on each ray through a drawn chest is added up, and weakens it (Beer and Lambert's law); quanta are
counted, and shown as radiographs are. Anatomy, stand, exposure and noise are drawn alike for every class.
"""

from .folder import Written, write
from .make import CLASSES, Lesion, Phantom, generate, image
from .shortcuts import SHORTCUTS, Shortcut

__all__ = ["CLASSES", "SHORTCUTS", "Lesion", "Phantom", "Shortcut", "Written", "generate", "image", "write"]
