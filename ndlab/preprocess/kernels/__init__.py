"""Compiled loops of preprocessing. Import them inside functions: numba takes half a second to load."""
