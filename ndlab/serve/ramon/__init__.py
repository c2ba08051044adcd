"""RAMON objects over HTTP, by the founding store's paths and files.

`fields` says how each field is called there, `frame` how coordinates are counted, `files` and `documents` write HDF5
and JSON, `sent` reads what was posted, `sets` finds the annotations behind a channel, and `answer` answers a call.
"""
