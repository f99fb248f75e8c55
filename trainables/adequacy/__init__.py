"""Whether splits can judge: what each holds, and where a figure will rest on too little of it; no torch."""
