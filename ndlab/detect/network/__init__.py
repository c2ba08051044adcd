"""A small network: how it is trained (with PyTorch) and how it runs (without)."""
