"""The compiled half of `serve`: labels as what changes from row to row. Import it inside functions: it loads numba."""
