"""The synthetic sample and the embedded servers that show it."""
