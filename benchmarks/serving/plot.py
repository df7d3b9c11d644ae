"""A figure of a run: CPU per request of every server, one panel for each workload. RESULTS.json TARGET.png"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

rows = json.loads(Path(sys.argv[1]).read_text())
workloads = list(dict.fromkeys(row[0] for row in rows))
figure, panels = plt.subplots((len(workloads) + 4) // 5, min(5, len(workloads)), figsize=(18, 7), squeeze=False)
for panel in panels.flat[len(workloads) :]:
    panel.set_axis_off()
for workload, panel in zip(workloads, panels.flat, strict=False):
    of_this = [(name, figures) for one, name, figures in rows if one == workload][::-1]
    colours = ["#1b7837" if name == "Headrace" else "#999999" for name, _ in of_this]
    bars = panel.barh([name for name, _ in of_this], [figures["cpu"] for _, figures in of_this], color=colours)
    panel.bar_label(bars, [f" {figures['cpu']:,.0f}" for _, figures in of_this], fontsize=8)
    panel.set_xlim(right=panel.get_xlim()[1] * 1.3)
    panel.set_xticks([])
    panel.set_title(workload, fontsize=10)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right", "bottom"]].set_visible(False)
figure.suptitle("CPU per request, all processes of each server, µs (less is better)")
figure.tight_layout()
target = Path(sys.argv[2])
target.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(target, dpi=120)
