"""Stage stimuli: params -> data/stimuli/stimulus.wav and its timeline."""

import sys

from stages.common import DATA, run_stage
from tapemeasure.params import load_params
from tapemeasure.signals.stimulus import build_stimulus, save_stimulus
from tapemeasure.signals.user_programme import user_programme


def main() -> None:
    """Build the stimulus of params.yaml, from the user's own programme where there is one."""
    settings = load_params().stimuli
    programme = settings.programme
    own = user_programme(programme.folder, sample_rate=settings.sample_rate, length_s=programme.total_s)
    stimulus = build_stimulus(settings, programme=own)
    for warning in stimulus.warnings:
        print(f"stimuli: warning: {warning}", file=sys.stderr)
    save_stimulus(stimulus, DATA / "stimuli")


if __name__ == "__main__":
    run_stage("stimuli", main)
