"""Tables the synthetic rows are drawn from: languages, concepts, places, cameras."""
