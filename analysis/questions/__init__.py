"""The playbook's questions of a run, each answered in a sentence with a verdict."""
