"""The mirror: shards, run, store, ledger, verify."""
