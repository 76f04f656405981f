// Selection on the map: by a loop that is drawn, or by the keys that move a cursor and mark the corners of the loop.

const clickPixels = 6;
const cursorPixels = 40; // radius of the circle about the cursor
let selected = new Set();
let loop = []; // in pixels of the whole map, so that it stays where it is when the view is zoomed
let cursor = null; // in pixels of the canvas
let pointer = null; // where the pointer went down

function mapKeys() {
  const text = "Draw a loop around samples to select them. The wheel or two fingers zoom, Shift and a drag move. By keys: arrows move a cursor "
    + "(with Shift, further), Enter marks a corner of a loop, Space selects the samples in the loop, or without corners those in the circle, "
    + "Backspace takes a corner back, Esc all, d shows the nearest sample, Page Up and Page Down zoom, Home shows the whole map.";
  return element("p", { class: "facts", id: "map-keys", text });
}

function addLasso(canvas) {
  canvas.addEventListener("pointerdown", beginLoop);
  canvas.addEventListener("pointermove", continueLoop);
  canvas.addEventListener("pointerup", endLoop);
  canvas.addEventListener("pointercancel", dropLoop);
  canvas.addEventListener("keydown", onMapKey);
  canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) moveCursor(0, 0); });
  canvas.addEventListener("blur", () => { cursor = null; drawOverlay(); });
}

function isDrawing() {
  return pointer !== null;
}

function dropLoop() {
  loop = [];
  pointer = null;
  drawOverlay();
}

function beginLoop(event) {
  dropLoop();
  cursor = null;
  if (event.button || event.shiftKey || !event.isPrimary) return;
  pointer = [event.offsetX, event.offsetY];
  loop = [map.transform.invert(pointer)];
  map.canvas.setPointerCapture(event.pointerId);
}

function continueLoop(event) {
  if (!pointer) return;
  loop.push(map.transform.invert([event.offsetX, event.offsetY]));
  drawOverlay();
}

function endLoop(event) {
  if (!pointer) return;
  const isClick = loop.every((point) => distance(map.transform.apply(point), pointer) < clickPixels);
  const drawn = loop;
  dropLoop();
  if (!isClick) return selectRows(rowsInside(drawn));
  const row = nearestOnMap([event.offsetX, event.offsetY]);
  selectRows([]);
  if (row >= 0) showDetail(row);
}

function distance([ax, ay], [bx, by]) {
  return Math.hypot(ax - bx, ay - by);
}

function rowsInside(polygon) {
  return byConfidence.filter((row) => !junk[row] && d3.polygonContains(polygon, [map.x[row], map.y[row]]));
}

function rowsNearCursor() {
  const [x, y] = map.transform.invert(cursor), radius = cursorPixels / map.transform.k;
  return byConfidence.filter((row) => !junk[row] && Math.hypot(map.x[row] - x, map.y[row] - y) <= radius);
}

function selectRows(rows) {
  selected = new Set(rows);
  if (rows.length) report(`${rows.length} samples are selected, and shown below the map.`);
  drawSelection();
  paintMap();
}

function onMapKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = event.shiftKey ? 80 : 16;
  const keys = {
    ArrowLeft: () => moveCursor(-step, 0), ArrowRight: () => moveCursor(step, 0), ArrowUp: () => moveCursor(0, -step), ArrowDown: () => moveCursor(0, step),
    PageUp: () => zoomByKey(1.6), PageDown: () => zoomByKey(1 / 1.6), Home: () => { wholeMap(); announce(); },
    Enter: markCorner, " ": selectByKey, Backspace: () => { loop.pop(); reportCorners(); }, d: showNearest,
  };
  if (event.key === "Escape" && loop.length) keys.Escape = () => { dropLoop(); reportCorners(); };
  if (!keys[event.key]) return;
  event.preventDefault();
  event.stopPropagation(); // the keys of the page
  if (!cursor) moveCursor(0, 0);
  keys[event.key]();
}

// At the border the view moves in place of the cursor.
function moveCursor(dx, dy) {
  const { width, height, transform, canvas, zoom } = map;
  const [x, y] = cursor || [width / 2, height / 2];
  cursor = [Math.min(Math.max(x + dx, 0), width), Math.min(Math.max(y + dy, 0), height)];
  const beyond = [cursor[0] - x - dx, cursor[1] - y - dy];
  if (beyond[0] || beyond[1]) d3.select(canvas).call(zoom.translateBy, beyond[0] / transform.k, beyond[1] / transform.k);
  drawOverlay();
  if (dx || dy) announce();
}

function zoomByKey(factor) {
  zoomMap(factor, cursor);
  announce();
}

function announce() {
  const [x, y] = map.transform.invert(cursor);
  const row = nearestOnMap(cursor, cursorPixels);
  const place = `${percent(x / map.width)} across, ${percent(y / map.height)} down`;
  if (row < 0) return report(`${place}: no sample.`);
  report(`${place}: ${rowsNearCursor().length} samples, the nearest ${shortName(row)}, ${titleOf(clusters[clusterOfLeaf[leafOf[row]]].node)}`);
}

function markCorner() {
  loop.push(map.transform.invert(cursor));
  drawOverlay();
  reportCorners();
}

function reportCorners() {
  drawOverlay();
  report(loop.length ? `Corner ${loop.length}${loop.length < 3 ? ", a loop has three at least" : "; Space selects"}.` : "There is no corner.");
}

function selectByKey() {
  if (loop.length === 1 || loop.length === 2) return reportCorners();
  const rows = loop.length ? rowsInside(loop) : rowsNearCursor();
  loop = [];
  selectRows(rows);
  drawOverlay();
  if (!rows.length) report("No samples are selected.");
}

function showNearest() {
  const row = nearestOnMap(cursor, cursorPixels);
  if (row >= 0) showDetail(row); else report("There is no sample near.");
}

function drawOverlay() {
  const points = loop.map((point) => map.transform.apply(point));
  const corners = cursor ? points : [];
  map.overlay.selectAll("polygon").data(points.length > 1 ? [points] : []).join("polygon").attr("points", (each) => each.join(" "));
  map.overlay.selectAll("rect").data(corners).join("rect").attr("x", ([x]) => x - 3).attr("y", ([, y]) => y - 3).attr("width", 6).attr("height", 6);
  map.overlay.selectAll("circle").data(cursor ? [cursor] : []).join("circle").attr("cx", ([x]) => x).attr("cy", ([, y]) => y).attr("r", cursorPixels);
  map.overlay.selectAll("path").data(cursor ? [cursor] : []).join("path").attr("d", ([x, y]) => `M${x - 8} ${y}h16M${x} ${y - 8}v16`);
}

function drawSelection() {
  const rows = byConfidence.filter((row) => selected.has(row));
  if (!rows.length) return map.tools.replaceChildren();
  const toJunk = element("button", { type: "button", text: "Junk", onclick: () => act({ type: "junk", rows, on: true }, `${rows.length} samples are junk.`) });
  const none = element("button", { type: "button", text: "Select none", onclick: () => { selectRows([]); map.canvas.focus(); } });
  map.tools.replaceChildren(element("p", { class: "actions" }, `${rows.length} selected `, moveMenu(() => rows), toJunk, none), tileStrip(rows, stripLength, "Selected samples"));
}
