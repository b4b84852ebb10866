"""Devices on an MQTT broker that announce themselves and then change as often as asked: a process of its own.

`python -m benchmarks.rig.mqtt_house PORT SIZE`; each line `RATE SECONDS` on standard input is a storm. It does not know Dobby.
"""

import json
import random
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

BASE = "bench"
TICK = 0.01  # seconds between two handfuls
# Home Assistant's discovery (https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery): component -> its settings
ANNOUNCED: tuple[tuple[str, dict[str, object]], ...] = (
    ("sensor", {"dev_cla": "temperature", "unit_of_meas": "°C", "val_tpl": "{{ value_json.value }}"}),
    ("sensor", {"dev_cla": "power", "unit_of_meas": "W", "val_tpl": "{{ value_json.value }}"}),
    ("binary_sensor", {"dev_cla": "motion"}),
    ("switch", {"cmd_t": "~/set"}),
)


def announce(client: mqtt.Client, size: int) -> None:
    """Every thing says once, kept by the broker, what it is and how it stands."""
    for number in range(size):
        component, settings = ANNOUNCED[number % len(ANNOUNCED)]
        about = {
            "name": f"Thing {number}",
            "uniq_id": f"bench_{number}",
            "~": f"{BASE}/{number}",
            "stat_t": "~/state",
            **settings,
        }
        client.publish(f"homeassistant/{component}/bench_{number}/config", json.dumps(about), qos=1, retain=True)
        client.publish(f"{BASE}/{number}/state", _payload(number, random.Random(number)), qos=1, retain=True).wait_for_publish(10)


def _payload(number: int, dice: random.Random) -> str:
    if "val_tpl" in ANNOUNCED[number % len(ANNOUNCED)][1]:
        return json.dumps({"value": round(dice.uniform(15, 95), 1), "battery": 91, "linkquality": 120})
    return dice.choice(("ON", "OFF"))


def storm(client: mqtt.Client, size: int, rate: float, seconds: float) -> int:
    """So many states a second; returns how many were sent. QoS 0, as zigbee2mqtt sends them."""
    dice = random.Random(1)
    begun, sent = time.monotonic(), 0
    while (spent := time.monotonic() - begun) < seconds:
        while sent < rate * spent:
            number = dice.randrange(size)
            client.publish(f"{BASE}/{number}/state", _payload(number, dice), qos=0, retain=False)
            sent += 1
        time.sleep(TICK)
    return sent


def main(port: int, size: int) -> None:
    """Announce, say so, then obey standard input until it ends."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-house")
    client.connect("127.0.0.1", port)
    client.loop_start()
    announce(client, size)
    print("announced", flush=True)
    for line in sys.stdin:
        rate, seconds = line.split()
        print(storm(client, size, float(rate), float(seconds)), flush=True)
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
