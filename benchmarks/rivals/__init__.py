"""What people do without scoring in place. Each rival keeps its counters by our triggers and scores in its own way."""
