"""People's ways in and out: each bridge turns a provider's messages into events, and owed rows into messages."""

from dobby.events import Reply


def worded(reply: Reply) -> str:
    """The text with its quick replies in words, for a bridge without buttons: a yes or no in brackets, choices by number."""
    options = reply.options
    if not options:
        return reply.text
    if len(options) == 2 and all(len(option) <= 12 for option in options):
        return f"{reply.text} ({' / '.join(options)})"
    return "\n".join([reply.text, *(f"{number}. {option}" for number, option in enumerate(options, 1))])
