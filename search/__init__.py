"""Run a search: settings, space, searcher, scheduler, placement and the record that a run leaves."""
