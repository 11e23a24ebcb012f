"""The declarations that the demo prints and applies, each as a user would write it."""
