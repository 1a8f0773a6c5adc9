"""kangen: graph-trained classifiers for microcontrollers."""

__version__ = "0.1.0"
