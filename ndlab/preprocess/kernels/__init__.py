"""The compiled half of `preprocess`: exposure, multigrid. Import it inside functions: it loads numba."""
