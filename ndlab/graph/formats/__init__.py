"""One module for each family of graph files; each reads a path into a Graph and writes one."""
