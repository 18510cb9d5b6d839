"""One item from the network: locate, fetch, politeness, rights headers, validate."""
