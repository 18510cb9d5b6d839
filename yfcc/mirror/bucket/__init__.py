"""A mirror in a bucket: the same names as in a directory, with what object stores can do."""
