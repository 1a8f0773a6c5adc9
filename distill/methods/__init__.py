"""How a student learns: one file a method, one loop for all (``distill/training.py``).

To add a method, write one file with a subclass of ``Method`` and name it here and in ``distill/config.py``.
"""

from kangen.distill.methods.base import Lesson, Method
from kangen.distill.methods.labels import Labels
from kangen.distill.methods.sadsd import SADSD

METHODS: dict[str, type[Method]] = {"labels": Labels, "sadsd": SADSD}

__all__ = ["METHODS", "Lesson", "Method"]
