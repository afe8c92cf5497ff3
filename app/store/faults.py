"""What can go wrong with the database; no message holds an address, a password or a key."""


class StoreFault(Exception):
    """Something that the database cannot do; the message says what, for people."""


class StoreUnavailable(StoreFault):
    """It does not answer, or cannot be written."""


class KeyExists(StoreFault):
    """A key has this id, or this secret, already; also one that was revoked."""


class UnknownKey(StoreFault):
    """No key has this id."""


class DamagedKey(StoreFault):
    """The key's row holds something that this version does not read."""


class ExpiredKey(StoreFault):
    """The key's time is over."""


class RevokedKey(StoreFault):
    """The key was revoked, and stays so."""
