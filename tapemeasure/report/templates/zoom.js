(() => {
  "use strict";
  const dialog = document.getElementById("zoom");
  if (!dialog || !window.DecompressionStream) return;
  const chart = document.getElementById("zoom-chart");
  const says = document.getElementById("zoom-says");
  let loading = null;
  let home = null;

  function bytesOf(text) {
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let n = 0; n < letters.length; n++) bytes[n] = letters.charCodeAt(n);
    return bytes;
  }

  async function unpack() {
    const packed = document.getElementById("plot-script").textContent.trim();
    const stream = new Blob([bytesOf(packed)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    if (!window.Plotly) throw new Error("the plotting script did not start");
  }

  function points(curve) {
    if (!curve.steps) return { x: curve.x, y: curve.y };
    const bytes = bytesOf(curve.steps);
    const view = new DataView(bytes.buffer);
    const x = [], y = [];
    for (let n = 0; n < bytes.length / 2; n++) {
      const step = view.getInt16(2 * n, true);
      x.push(curve.start + n * curve.spacing);
      y.push(step === curve.gap ? null : step * curve.step);
    }
    return { x, y };
  }

  function traces(values) {
    const all = [];
    for (const curve of values.curves) {
      const { x, y } = points(curve);
      if (curve.sigma) {
        const sure = x.map((_, n) => n).filter((n) => y[n] !== null && curve.sigma[n] !== null);
        const upper = sure.map((n) => y[n] + curve.sigma[n]);
        const lower = sure.map((n) => y[n] - curve.sigma[n]);
        const around = sure.map((n) => x[n]);
        all.push({
          x: around.concat(around.slice().reverse()), y: upper.concat(lower.reverse()), fill: "toself", mode: "lines",
          line: { width: 0 }, fillcolor: curve.colour + "33", hoverinfo: "skip", showlegend: false,
        });
      }
      all.push({ x, y, name: curve.name, mode: "lines", line: { color: curve.colour, dash: curve.dash, width: 1.5 } });
    }
    return all;
  }

  function axis(wanted, style) {
    const line = style.getPropertyValue("--line"), soft = style.getPropertyValue("--soft");
    return {
      title: { text: wanted.label }, type: wanted.log ? "log" : "linear", gridcolor: line, linecolor: soft,
      zerolinecolor: line, automargin: true,
    };
  }

  function range() { return chart._fullLayout.xaxis.range.slice(); }
  const moves = {
    in: ([a, b]) => [a + (b - a) / 4, b - (b - a) / 4],
    out: ([a, b]) => [a - (b - a) / 2, b + (b - a) / 2],
    left: ([a, b]) => [a - (b - a) / 4, b - (b - a) / 4],
    right: ([a, b]) => [a + (b - a) / 4, b + (b - a) / 4],
    whole: () => home,
  };

  async function enlarge(button) {
    const values = JSON.parse(document.getElementById(button.dataset.zoom).textContent);
    document.getElementById("zoom-title").textContent = button.dataset.title;
    says.textContent = "Drawing …";
    dialog.showModal();
    try {
      loading = loading || unpack();
      await loading;
      const style = getComputedStyle(document.documentElement);
      const layout = {
        xaxis: axis(values.x, style), yaxis: axis(values.y, style), dragmode: "zoom", hovermode: "closest",
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { t: 10, r: 10, l: 60, b: 50 },
        font: { color: style.getPropertyValue("--ink"), family: getComputedStyle(document.body).fontFamily },
        showlegend: values.curves.length > 1, legend: { orientation: "h", y: 1.12 },
      };
      const settings = { responsive: true, displayModeBar: false, scrollZoom: true };
      await window.Plotly.newPlot(chart, traces(values), layout, settings);
      home = range();
      says.textContent = "";
    } catch (error) {
      loading = null;
      says.textContent = "This browser could not draw it: " + error.message;
    }
  }

  document.querySelectorAll("button[data-zoom]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => enlarge(button));
  });
  document.querySelectorAll("button[data-move]").forEach((button) => {
    button.addEventListener("click", () => {
      if (home) window.Plotly.relayout(chart, { "xaxis.range": moves[button.dataset.move](range()) });
    });
  });
  document.getElementById("zoom-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    if (window.Plotly) window.Plotly.purge(chart);
    home = null;
  });
})();
