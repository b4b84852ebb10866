"""A house on loopback: every skill's device side, speaking the devices' own protocols, for anybody's controller."""
