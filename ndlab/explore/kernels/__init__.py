"""The compiled half of `explore`. Import it inside functions: it loads numba."""
