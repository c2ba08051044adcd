"""Arrays as pixels: windows, colours, blending and projections, in plain numpy.

What is drawn here is what the browser's shaders are held to, and what the server answers as pictures.
"""
