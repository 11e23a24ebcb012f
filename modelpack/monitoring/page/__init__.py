"""What is known of a model, for people: read once, then said in a page, in a terminal, or as JSON."""
