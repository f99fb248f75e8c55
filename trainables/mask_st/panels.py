def strips(v): return {}
