"""The compiled half of the phantom: rods, crossings, contest, organelles, exposure, paint. Loads numba."""
