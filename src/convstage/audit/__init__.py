"""What may mislead in a folder of images: duplicates, leaks between parts, blank images, shortcuts."""

from .checks import CHECKS
from .cues import CUES
from .findings import Finding
from .report import Audit, audit

__all__ = ["CHECKS", "CUES", "Audit", "Finding", "audit"]
