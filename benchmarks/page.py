"""The page of a five-minute take at 96 kHz: how long measuring takes, how large the page is, how soon a browser has it.

Run ``python -m benchmarks.page``; ``--minutes 4`` for a shorter take, ``--keep FOLDER`` to look at the page. The take
is the default test signal with a longer programme, stereo (the pilot on the second track), through our machine.
The page is opened in headless Chromium without a network, which needs playwright and a ``chromium`` on PATH.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.analysis.hiss import measure_hiss
from tapemeasure.analysis.take import measure_take
from tapemeasure.delay.apply import undo_delay
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.io import read_pair, write_audio, write_json
from tapemeasure.params import StimuliParams, TapeSettings
from tapemeasure.report.write import write_report
from tapemeasure.signals.stimulus import build_stimulus, save_stimulus
from tapemeasure.signals.timeline import load_timeline
from tapemeasure.trajectory import load_trajectory

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLE_RATE: Final = 96000
DEVICE, TAKE = "deck", "take"
SETTINGS = TapeSettings(
    solver="RK2", oversampling=1, oversampling_mode="minimum_phase", wow_pct=0.06, flutter_pct=0.06,
    head_delay_ms=160.0, hiss_dbfs=-66.0, hum_dbfs=-75.0,
)  # fmt: skip
PLAYED = """async audio => {
  audio.muted = true;
  await audio.play();
  await new Promise(done => audio.addEventListener('timeupdate', done, {once: true}));
  audio.pause();
  return audio.duration;
}"""
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
DRAWN = "all => all.filter(image => image.complete && image.naturalWidth > 100).length"


def make_take(data: Path, *, minutes: float) -> tuple[Path, Path]:
    """Test signal and what the machine gave back, with the list of takes; the stimulus and its timeline."""
    short = build_stimulus(StimuliParams(sample_rate=SAMPLE_RATE))
    missing_s = 60.0 * minutes - len(short.samples) / SAMPLE_RATE
    usual = StimuliParams().programme
    programme = usual.model_copy(update={"train_s": max(1.0, usual.train_s + missing_s)})
    stimulus = build_stimulus(StimuliParams(sample_rate=SAMPLE_RATE, programme=programme))
    played, timeline = save_stimulus(stimulus, data / "stimuli")
    output = TapeDevice(SETTINGS, seed=1).run(stimulus.samples, sample_rate=SAMPLE_RATE).samples
    captured = data / "captures" / DEVICE / f"{TAKE}.wav"
    write_audio(captured, output, sample_rate=SAMPLE_RATE)
    take = {"name": TAKE, "input": played, "output": captured, "timeline": timeline, "split": None, "sidecar": None}
    write_json(captured.parent / "takes.json", {"device": DEVICE, "kind": "tape", "reason": None, "takes": [take]})
    return played, timeline


def measure(data: Path, played: Path, timeline_file: Path) -> float:
    """Measure the take as the command does, from its files to JSON; its length in seconds."""
    timeline = load_timeline(timeline_file)
    stimulus, output, sample_rate = read_pair(played, data / "captures" / DEVICE / f"{TAKE}.wav")
    tracked = track_delay(stimulus, output, sample_rate=sample_rate, known_pilot=timeline.pilot)
    trajectory = tracked.trajectory
    aligned = undo_delay(output, trajectory, sample_rate=sample_rate, length_samples=len(stimulus))
    measured = measure_take(
        stimulus, aligned, sample_rate=sample_rate, timeline=timeline, trajectory=trajectory, captured=output
    )
    delay = {"method": tracked.method, **asdict(delay_statistics(trajectory))}
    write_json(data / "measurements" / DEVICE / f"{TAKE}.json", measured.as_dict(delay=delay))
    write_json(data / "delays" / DEVICE / f"{TAKE}.json", delay)
    trajectory.save(data / "delays" / DEVICE / f"{TAKE}.npz")
    return measured.duration_s


def write_players(data: Path, played: Path) -> None:
    """What only the players of the page need: aligned output and hiss."""
    stimulus, output, sample_rate = read_pair(played, data / "captures" / DEVICE / f"{TAKE}.wav")
    trajectory = load_trajectory(data / "delays" / DEVICE / f"{TAKE}.npz")
    aligned = undo_delay(output, trajectory, sample_rate=sample_rate, length_samples=len(stimulus))
    write_audio(data / "aligned" / DEVICE / f"{TAKE}.wav", aligned, sample_rate=sample_rate)
    hiss = measure_hiss(stimulus[:, 0], output[: len(stimulus), 0], sample_rate=sample_rate)
    folder = data / "hiss" / DEVICE / TAKE
    write_json(folder / "hiss.json", hiss.as_dict())
    write_audio(folder / "hiss_01.wav", hiss.segments[0].cut(output[: len(stimulus), 0]), sample_rate=sample_rate)


def print_opening(page: Path) -> None:
    """Open the page three times in headless Chromium; the first time its players play."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    if executable is None:
        print("no chromium on PATH: the page was not opened")
        return
    arguments = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        for first in (True, False, False):
            tab = browser.new_context(offline=True).new_page()
            print_loading(tab, page)
            if first:
                lengths = [audio.evaluate(PLAYED) for audio in tab.locator("audio").all()]
                print(f"  {len(lengths)} players play {', '.join(f'{length:.1f}' for length in lengths)} s")
            tab.context.close()
        browser.close()


def print_loading(tab: "Page", page: Path) -> None:
    """Open the page in a tab: how long it takes, what is drawn, what the browser says."""
    messages: list[str] = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.goto(page.as_uri(), wait_until="load")
    drawn, pictures = tab.eval_on_selector_all("img", DRAWN), tab.locator("img").count()
    print(f"loaded in {1e-3 * tab.evaluate(LOADED):.2f} s (< 2), {drawn} of {pictures} pictures drawn", end="")
    print(f", messages: {messages or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the take")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write data and page here and leave them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if arguments.keep is None else arguments.keep
        data = folder / "data"
        played, timeline = make_take(data, minutes=arguments.minutes)
        started_s = time.process_time()
        length_s = measure(data, played, timeline)
        spent_s = time.process_time() - started_s
        write_players(data, played)
        print(f"{length_s:.1f} s, stereo, {SAMPLE_RATE} Hz: measured in {spent_s:.1f} CPU s", end="")
        print(f", {length_s / spent_s:.1f} x real time (20)")
        report = write_report(data, folder / "page", metrics_file=folder / "metrics.json")
        print(f"page: {report.page.stat().st_size / 1e6:.1f} MB (< 10), {len(report.pictures)} pictures")
        print_opening(report.page)


if __name__ == "__main__":
    main()
