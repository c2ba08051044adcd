"""The compiled half of `analyze`. Import it inside functions: it loads numba."""
