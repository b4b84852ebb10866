"""The eyes: a process of their own that watches the cameras and tells who came.

`host` is the daemon's side and `wire` what both sides say to each other; the rest belongs to the child (`python -m dobby.vision`)
and is the only code that loads a video, image or model library.
"""
