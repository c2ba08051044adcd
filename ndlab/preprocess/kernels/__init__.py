"""The compiled half of `preprocess`. Import it inside functions: it loads numba."""
