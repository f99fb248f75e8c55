"""The only room that knows Ray: a trial in one process, and one in several."""
