"""Tests of images to vectors."""
