"""The device that a profile of params.yaml describes."""

from tapemeasure.devices.base import Device
from tapemeasure.params import ChowtapeProfile, DeviceProfile, HardwareProfile, NeuralProfile, TapeProfile


def create_device(profile: DeviceProfile, *, seed: int | None = None, threads: int | None = None) -> Device:
    """Device of a profile; nothing is opened before it runs.

    Parameters
    ----------
    profile : DeviceProfile
        An entry of ``devices`` in params.yaml.
    seed : int, optional
        In place of the profile's own seed; devices without a seed ignore it.
    threads : int, optional
        In place of the profile's own number of threads; only the device tape has it.

    Raises
    ------
    DeviceError, MissingDependencyError
        If the device cannot be had on this machine.
    UsageError, TrainingError
        If the trained model of a replica is missing or cannot be read.
    """
    if isinstance(profile, TapeProfile):
        from tapemeasure.devices.tape import TapeDevice

        return TapeDevice(
            profile.settings,
            seed=profile.seed if seed is None else seed,
            threads=profile.threads if threads is None else threads,
        )
    if isinstance(profile, ChowtapeProfile):
        from tapemeasure.devices.chowtape import ChowtapeDevice

        return ChowtapeDevice(profile.settings)
    if isinstance(profile, HardwareProfile):
        from tapemeasure.devices.hardware import HardwareDevice

        return HardwareDevice(profile.settings)
    if isinstance(profile, NeuralProfile):
        from tapemeasure.devices.neural import neural_device

        return neural_device(profile.settings)
    from tapemeasure.devices.identity import IdentityDevice

    return IdentityDevice()
