"""Where shards run: in processes of this machine."""
