"""Stage stimuli: params -> data/stimuli/stimulus.wav and its timeline."""

from pathlib import Path

from stages.common import DATA, run_stage
from tapemeasure.params import load_params
from tapemeasure.signals.stimulus import build_stimulus, save_stimulus, user_programme


def main() -> None:
    """Build the stimulus of params.yaml, from the user's own programme where there is one."""
    params = load_params().stimuli
    programme = params.programme
    length_s = programme.train_s + programme.validation_s + programme.test_s
    own = user_programme(Path(programme.folder), sample_rate=params.sample_rate, length_s=length_s)
    save_stimulus(build_stimulus(params, programme=own), DATA / "stimuli")


if __name__ == "__main__":
    run_stage("stimuli", main)
