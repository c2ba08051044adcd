"""Volumes over HTTP: one service, alone (`ndlab serve`), in a kernel behind Jupyter's login, or mounted by others."""
