"""Admission: who may go on, what is reserved for a call, and what is given back when it ends."""
