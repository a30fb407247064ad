"""Previews and encoding of uploaded images, in a child process that holds torch and may die."""
