"""Data sets: what a node knows, who its neighbours are, and who may see its label."""
