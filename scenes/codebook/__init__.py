"""Codes for whole phrases: of one text alone, or of a book that many share."""
