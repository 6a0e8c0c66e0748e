"""How a model holds when the sensor is another one."""
