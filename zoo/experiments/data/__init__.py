"""Images: data sets by name, checked against known hashes."""
