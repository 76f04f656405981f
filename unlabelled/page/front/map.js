// The map: all samples in a plane. Hover shows a sample, a click its details, a drawn loop selects.

let selected = new Set();
let loop = null;
let mapParts = null;
const bins = 64;
const binned = Array.from({ length: bins * bins }, () => []);
data.positions.forEach(([x, y], row) => binned[bin(x) + bins * bin(y)].push(row));

function bin(value) {
  return Math.min(bins - 1, Math.max(0, Math.floor(value * bins)));
}

function drawMapView(view) {
  const canvas = element("canvas", { class: "map", role: "img", "aria-label": `Map of ${numSamples} samples; near samples are similar. All samples are in the view Clusters, too.` });
  const tip = element("div", { class: "tip", hidden: true });
  const tools = element("div", { class: "selection" });
  view.replaceChildren(element("div", { class: "map-place" }, canvas, tip), tools);
  mapParts = { canvas, tip, tools };
  canvas.addEventListener("pointerdown", beginLoop);
  canvas.addEventListener("pointermove", moveOnMap);
  canvas.addEventListener("pointerup", endLoop);
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  new ResizeObserver(paintMap).observe(canvas);
  drawSelection();
}

function frameOf(canvas) {
  const box = canvas.getBoundingClientRect();
  const margin = 14;
  return { width: box.width, height: box.height, margin, toX: (x) => margin + x * (box.width - 2 * margin), toY: (y) => margin + y * (box.height - 2 * margin) };
}

function pointAt(event) {
  const frame = frameOf(mapParts.canvas);
  return [(event.offsetX - frame.margin) / (frame.width - 2 * frame.margin), (event.offsetY - frame.margin) / (frame.height - 2 * frame.margin)];
}

function paintMap() {
  if (!mapParts?.canvas.isConnected) return;
  const { canvas } = mapParts;
  const frame = frameOf(canvas);
  const scale = devicePixelRatio || 1;
  canvas.width = frame.width * scale;
  canvas.height = frame.height * scale;
  const paint = canvas.getContext("2d");
  paint.scale(scale, scale);
  const radius = numSamples > 5000 ? 1.5 : numSamples > 1000 ? 2.5 : 4;
  for (const each of clusters) {
    paint.fillStyle = colourOf(each.node);
    for (const row of each.rows) {
      const [x, y] = data.positions[row];
      paint.globalAlpha = selected.size && !selected.has(row) ? 0.2 : 0.9;
      paint.beginPath();
      paint.arc(frame.toX(x), frame.toY(y), row === shownRow ? 3 * radius : radius, 0, 7);
      paint.fill();
    }
  }
  paint.globalAlpha = 1;
  if (loop) {
    paint.strokeStyle = getComputedStyle(canvas).color;
    paint.beginPath();
    loop.forEach(([x, y]) => paint.lineTo(frame.toX(x), frame.toY(y)));
    paint.stroke();
  }
}

function nearestOnMap(event) {
  const [x, y] = pointAt(event);
  const frame = frameOf(mapParts.canvas);
  let best = -1, least = 14 * 14;
  const reach = Math.ceil((14 / Math.min(frame.width, frame.height)) * bins) + 1;
  for (let i = bin(x) - reach; i <= bin(x) + reach; i++) {
    for (let j = bin(y) - reach; j <= bin(y) + reach; j++) {
      if (i < 0 || j < 0 || i >= bins || j >= bins) continue;
      for (const row of binned[i + bins * j]) {
        const far = (frame.toX(data.positions[row][0]) - event.offsetX) ** 2 + (frame.toY(data.positions[row][1]) - event.offsetY) ** 2;
        if (far < least && !junk[row]) { least = far; best = row; }
      }
    }
  }
  return best;
}

function beginLoop(event) {
  loop = [pointAt(event)];
  mapParts.canvas.setPointerCapture(event.pointerId);
}

function moveOnMap(event) {
  if (loop) {
    loop.push(pointAt(event));
    requestAnimationFrame(paintMap);
    return;
  }
  const row = nearestOnMap(event);
  const { tip } = mapParts;
  tip.hidden = row < 0;
  if (row < 0 || tip.dataset.row === String(row)) return;
  tip.dataset.row = row;
  tip.replaceChildren(thumbnail(row), element("bdi", { text: shortName(row) }));
  tip.style.left = `${Math.min(event.offsetX + 16, frameOf(mapParts.canvas).width - 180)}px`;
  tip.style.top = `${event.offsetY + 16}px`;
}

function endLoop(event) {
  const drawn = loop;
  loop = null;
  if (drawn.length < 8) {
    const row = nearestOnMap(event);
    selected = new Set();
    if (row >= 0) showDetail(row);
  } else {
    selected = new Set(byConfidence.filter((row) => !junk[row] && inside(data.positions[row], drawn)));
    report(`${selected.size} samples are selected.`);
  }
  drawSelection();
  paintMap();
}

function inside([x, y], polygon) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function drawSelection() {
  const { tools } = mapParts;
  if (!selected.size) return tools.replaceChildren(element("p", { class: "facts", text: "Draw a loop around samples to select them." }));
  const rows = byConfidence.filter((row) => selected.has(row));
  const toJunk = element("button", { type: "button", text: "Junk", onclick: () => act({ type: "junk", rows, on: true }, `${rows.length} samples are junk.`) });
  const none = element("button", { type: "button", text: "Select none", onclick: () => { selected = new Set(); drawSelection(); paintMap(); } });
  tools.replaceChildren(element("p", { class: "actions" }, `${rows.length} selected `, moveMenu(() => rows), toJunk, none), tileStrip(rows, stripLength, "Selected samples"));
}

function selectionChanged() {
  paintMap();
}
