"""The plain mind: plain commands and questions understood without a model, by grammar as data and reasoning.

Importing it loads no language; `PlainMind.warm` does. It does not act.
"""

from dobby.mind.plain.mind import PlainMind

__all__ = ["PlainMind"]
