"""Thinking with a model, where one is connected: a part of its own, wired by the daemon only if the config names a model.

The butler knows of it what `butler.desk.Thinks` says. It does not understand plain words (`mind.plain`).
"""
