"""The settings of every stage, one model a stage."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tapemeasure.params.base import (
    Frequencies,
    FrequencyHz,
    LevelDbfs,
    Levels,
    ParamsModel,
    Seconds,
    Seed,
    Threads,
)

SampleRate = Literal[44100, 48000, 96000]
SignalSeconds = Annotated[float, Field(ge=0.05, le=36000.0)]


class PilotParams(ParamsModel):
    """The timing reference: pulses or a tone on channel 2, or a tone inside the programme for mono machines."""

    kind: Literal["pulses", "tone", "inband", "none"] = "pulses"
    level_dbfs: LevelDbfs = -8.3
    pulse_rate_hz: Annotated[float, Field(ge=10.0, le=500.0)] = 100.0
    tone_hz: Annotated[float, Field(ge=500.0, le=20000.0)] = 3150.0
    inband_hz: Annotated[float, Field(ge=5000.0, le=20000.0)] = 15000.0
    inband_level_dbfs: LevelDbfs = -40.0


class ProgrammeParams(ParamsModel):
    """Seconds of programme in each split, and where the user's own audio lies."""

    folder: str = "raw/programme"
    train_s: SignalSeconds = 90.0
    validation_s: SignalSeconds = 20.0
    test_s: SignalSeconds = 20.0
    peak_dbfs: LevelDbfs = -1.0

    @property
    def total_s(self) -> float:
        """Seconds of all splits together."""
        return self.train_s + self.validation_s + self.test_s


class SweepParams(ParamsModel):
    """Synchronised exponential sweeps."""

    start_hz: FrequencyHz = 20.0
    stop_hz: FrequencyHz = 20000.0
    duration_s: SignalSeconds = 5.0
    levels_dbfs: Levels = (-30.0, -18.0, -6.0)

    @model_validator(mode="after")
    def _rising(self) -> "SweepParams":
        if self.stop_hz <= self.start_hz:
            raise ValueError(f"stop_hz {self.stop_hz} must be above start_hz {self.start_hz}")
        return self


class StepParams(ParamsModel):
    """Sines stepped in level, at several frequencies."""

    frequencies_hz: Frequencies = (100.0, 1000.0, 10000.0)
    levels_dbfs: Levels = (-60.0, -54.0, -48.0, -42.0, -36.0, -30.0, -24.0, -18.0, -12.0, -6.0, 0.0, 6.0)
    duration_s: SignalSeconds = 0.5


class MultitoneParams(ParamsModel):
    """Tones a fraction of an octave apart, all at once."""

    tones_per_octave: Annotated[int, Field(ge=1, le=24)] = 3
    level_dbfs: LevelDbfs = -12.0
    duration_s: SignalSeconds = 3.0


class TwoToneParams(ParamsModel):
    """Pairs of tones for intermodulation: SMPTE, DIN, CCIF frequencies."""

    pairs_hz: Annotated[
        tuple[Annotated[tuple[FrequencyHz, FrequencyHz], Field(strict=False)], ...], Field(strict=False)
    ] = ((60.0, 7000.0), (250.0, 8000.0), (19000.0, 20000.0))
    level_dbfs: LevelDbfs = -12.0
    duration_s: SignalSeconds = 2.0


class StimuliParams(ParamsModel):
    """The test signals."""

    seed: Seed = 1
    sample_rate: SampleRate = 44100
    silence_s: Annotated[float, Field(ge=0.0, le=600.0)] = 5.0
    marker_level_dbfs: LevelDbfs = -12.0
    pilot: PilotParams = PilotParams()
    programme: ProgrammeParams = ProgrammeParams()
    sweeps: SweepParams = SweepParams()
    steps: StepParams = StepParams()
    multitone: MultitoneParams = MultitoneParams()
    two_tones: TwoToneParams = TwoToneParams()

    @model_validator(mode="after")
    def _below_nyquist(self) -> "StimuliParams":
        tones_hz = [frequency for pair in self.two_tones.pairs_hz for frequency in pair]
        highest = max(self.sweeps.stop_hz, *self.steps.frequencies_hz, *tones_hz)
        if highest >= self.sample_rate / 2:
            raise ValueError(f"{highest} Hz does not fit below half the sample_rate of {self.sample_rate} Hz")
        return self


class SimulateParams(ParamsModel):
    """How many takes a computed device makes; take n uses the profile's seed + n."""

    takes: Annotated[int, Field(ge=1, le=100)] = 1


class TrackParams(ParamsModel):
    """Delay tracking."""

    pilot: Literal["auto", "none", "pulses", "tone", "inband", "fused"] = "auto"
    rate_hz: Annotated[float, Field(ge=10.0, le=2000.0)] = 100.0
    max_delay_s: Annotated[float, Field(gt=0.0, le=30.0)] = 10.0
    threads: Threads = 1


class AlignParams(ParamsModel):
    """Undoing the delay: half the taps of the windowed sinc."""

    half_taps: Annotated[int, Field(ge=8, le=128)] = 32


class HissParams(ParamsModel):
    """Cutting hiss out where the input is silent."""

    silence_dbfs: LevelDbfs = -60.0
    guard_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.15
    min_length_s: Seconds = 0.5


class TrainNonlinearityParams(ParamsModel):
    """A recurrent network with a linear part, and how it is trained on input and output of a machine.

    `scheme`: ``supervised1`` learns the output whose delay was undone; ``supervised2`` the output as recorded, with a
    delay line behind the network; ``joint`` also corrects the delay slowly; ``adversarial`` pairs no
    input with an output.
    """

    scheme: Literal["supervised1", "supervised2", "joint", "adversarial"] = "supervised1"
    seed: Seed = 1
    threads: Threads = 1
    cell: Literal["gru", "lstm"] = "gru"
    hidden_size: Annotated[int, Field(ge=1, le=512)] = 24
    fir_taps: Annotated[int, Field(ge=0, le=16384)] = 0
    lead_samples: Annotated[int, Field(ge=0, le=8192)] = 512
    static_delay: bool = False
    batch_size: Annotated[int, Field(ge=1, le=512)] = 64
    segment_s: Seconds = 0.5
    warm_up_samples: Annotated[int, Field(ge=0, le=65536)] = 1024
    update_samples: Annotated[int, Field(ge=16, le=65536)] = 512
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.03
    fir_learning_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 1e-5
    clip_gradient_norm: Annotated[float, Field(gt=0.0)] = 1.0
    ema_updates: Annotated[float, Field(ge=0.0, le=1e6)] = 0.0
    """The weights that are kept are averaged over about this many updates; 0 for none."""
    max_epochs: Annotated[int, Field(ge=1, le=100000)] = 7
    patience_epochs: Annotated[int, Field(ge=1, le=100000)] = 7
    loss: Literal["esr", "dc_blocked_esr", "pre_emphasised_esr", "esr_mr_stft"] = "esr"
    skip: bool = True
    correction_rate_hz: Annotated[float, Field(gt=0.0, le=100.0)] = 2.0
    correction_us: Annotated[float, Field(gt=0.0, le=1e5)] = 20.0
    """How far the joint scheme may move the delay, as a standard deviation."""

    @property
    def filter_lead_samples(self) -> int:
        """How far the linear part looks ahead: at most a quarter of its taps, and of the samples of an update.

        What the network does in the last `lead` samples of a block is heard in the next one, where no gradient comes
        back from.
        """
        return min(self.lead_samples, self.fir_taps // 4, self.update_samples // 4)


class TrainDelayParams(ParamsModel):
    """Generators of delay, learned from the tracked delay of all takes of a machine."""

    seed: Seed = 1
    threads: Threads = 1
    generator: Literal["closest", "lines", "random_phase", "bootstrap", "diffusion"] = "closest"
    """What the replica wobbles with: the one whose spectra are closest to held-out delay, or a named one."""
    diffusion_updates: Annotated[int, Field(ge=0, le=10_000_000)] = 4000
    """Training steps of the diffusion model; 0 leaves it out."""
    diffusion_batch: Annotated[int, Field(ge=1, le=4096)] = 16
    """Windows of one step, of all processes together."""
    compute: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where the diffusion model is trained; ``auto`` is a GPU where there is one."""

    @model_validator(mode="after")
    def _trained(self) -> "TrainDelayParams":
        if self.generator == "diffusion" and self.diffusion_updates == 0:
            raise ValueError("generator is diffusion and diffusion_updates is 0; give 1000 updates or more")
        return self


class TrainHissParams(ParamsModel):
    """Generators of hiss, learned from the silences of all takes of a machine."""

    seed: Seed = 1
    threads: Threads = 1
    generator: Literal["closest", "noise", "diffusion"] = "closest"
    """What the replica hisses with: filtered noise unless diffusion halves its distance to held-out hiss, or a named
    one."""
    diffusion_updates: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Training steps of the diffusion model; 0 leaves it out."""
    diffusion_batch: Annotated[int, Field(ge=1, le=4096)] = 8
    """Windows of one step, of all processes together."""
    compute: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where the diffusion model is trained; ``auto`` is a GPU where there is one."""

    @model_validator(mode="after")
    def _trained(self) -> "TrainHissParams":
        if self.generator == "diffusion" and self.diffusion_updates == 0:
            raise ValueError("generator is diffusion and diffusion_updates is 0; give 300 updates or more")
        return self


class EmulateParams(ParamsModel):
    """The replica plays the test signals."""

    seed: Seed = 1


class EvaluateParams(ParamsModel):
    """Baselines and error measures on the test set."""

    threads: Threads = 1
    fir_taps: Annotated[int, Field(ge=1, le=16384)] = 2048


class MeasureParams(ParamsModel):
    """Response, harmonics, noise and delay statistics."""

    harmonics: Annotated[int, Field(ge=2, le=9)] = 5
    smoothing_octaves: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0833


class ReportParams(ParamsModel):
    """The report page."""

    title: Annotated[str, Field(min_length=1, max_length=200)] = "tapemeasure report"
