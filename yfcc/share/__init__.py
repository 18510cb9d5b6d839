"""What leaves the mirror and the catalog, one module a form."""
