"""What a fitted estimator says of itself: its parts, columns, categories, trees, and which number is the score."""
