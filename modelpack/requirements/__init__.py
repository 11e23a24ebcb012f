"""What a version has to have shown before it is promoted. A room around the core: it reads what the outcomes have settled."""
