"""The database of keys and usage; never asked while a call is answered.

SQLAlchemy is imported where a database is opened (`app.store.opening`), and nowhere before.
"""
