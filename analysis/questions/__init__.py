"""The questions that the playbook asks of a run, each answered in a sentence with a verdict."""
