"""The model of the home: kinds and traits, devices and rooms, what they are now and were, units."""
