"""The settings of Keras that a worker has, whatever the user's keras.json says."""

import keras


def set_keras_settings() -> None:
    """Set Keras's own defaults again; `training.precision` of a spec decides a model's types."""
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
