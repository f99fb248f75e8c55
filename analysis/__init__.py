"""Read a run back: ranking, page, comparison, proof and export."""
