"""Symmetric positive operators on images, the windows they are made of, and how they are inverted."""
