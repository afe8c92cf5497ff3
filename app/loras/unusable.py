"""What an adapter's files are told that cannot be used."""


class Unusable(ValueError):
    """An adapter or its manifest cannot be used; the text names the file and what would be right."""


class Unwritten(Unusable):
    """The place where it is written down what fleets shall have does not answer."""
