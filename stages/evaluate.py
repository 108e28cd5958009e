"""Stage evaluate@device: the network beside input, gain and linear filter on the test set, and excerpts to hear."""

from stages.common import DATA, device_argument, device_folder, run_stage
from stages.pairs import aligned_pairs, alignment_of
from tapemeasure.cli.common import progress_bar
from tapemeasure.io import write_audio, write_json
from tapemeasure.models.model_file import load_recording_path
from tapemeasure.params import load_params
from tapemeasure.training.evaluate import evaluate_take, excerpts


def main(device: str) -> None:
    """Score all models of a device on its test set; a device without takes has no rows."""
    settings = load_params().evaluate
    folder = device_folder("evaluation", device)
    pairs = aligned_pairs(device)
    if not pairs["test"]:
        write_json(folder.with_suffix(".json"), {"alignment": None, "test_s": 0.0, "gain": None, "rows": []})
        return
    model, _ = load_recording_path(DATA / "models" / device / "model.safetensors")
    with progress_bar(f"evaluate {device}") as progress:
        evaluation = evaluate_take(
            pairs["train"], pairs["test"], model, params=settings, alignment=alignment_of(device), progress=progress
        )
    write_json(folder.with_suffix(".json"), evaluation.as_dict())
    for name, samples in excerpts(evaluation, pairs["test"]).items():
        write_audio(folder / f"{name}.wav", samples, sample_rate=pairs["test"][0].sample_rate)


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"evaluate {arguments.device}", lambda: main(arguments.device))
