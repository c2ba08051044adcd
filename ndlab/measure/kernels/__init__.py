"""The compiled half of `measure`: interning, labelling, faces, moments. Import it inside functions: it loads numba."""
