// One tile for each sample: thumbnail, name, confidence; its media play on hover, its details open on a click.

const chunkRows = 4;
const gridPadding = 40; // pixels beside the tiles of a grid

function describe(row) {
  const parts = [data.names[row]];
  const time = spanText(row);
  if (time) parts.push(time);
  parts.push(`confidence ${data.confidences[row].toFixed(2)}`);
  if (data.missing[row]) parts.push(`no ${data.missing[row]}`);
  return parts.join(", ");
}

function spanText(row) {
  if (data.kinds[row] === "image" || (data.ends[row] === null && !data.starts[row])) return "";
  const end = data.ends[row] === null ? "end" : `${+data.ends[row].toFixed(2)} s`;
  return `${+data.starts[row].toFixed(2)} to ${end}`;
}

function shortName(row) {
  return data.names[row].slice(data.names[row].lastIndexOf("/") + 1);
}

// The beginning and the end of a name: files of one camera differ at the end.
function captionOf(row) {
  const letters = Array.from(shortName(row));
  return letters.length > 17 ? `${letters.slice(0, 5).join("")}\u2026${letters.slice(-11).join("")}` : letters.join("");
}

function thumbnail(row) {
  if (!data.thumbnails[row]) return element("span", { class: "no-image", text: shortName(row) });
  return element("img", { src: mediaPath(data.thumbnails[row]), alt: "", loading: "lazy", decoding: "async" });
}

// The sound localisation map over a thumbnail, or none.
function mapImage(row) {
  if (!data.maps?.[row]) return [];
  const name = data.thumbnails[row].replace(/\.jpg$/, "_map.png");
  return [element("img", { src: mediaPath(name), alt: "", class: "sound-map", loading: "lazy" })];
}

function makeTile(row) {
  const button = element("button", {
    type: "button",
    class: `tile ${data.kinds[row]}${junk[row] ? " junk" : ""}${moved[row] ? " moved" : ""}`,
    "aria-label": describe(row),
    title: describe(row),
    "data-row": row,
    onclick: () => showDetail(row),
    onpointerenter: (event) => event.pointerType !== "touch" && startPlayback(button, row),
    onpointerleave: stopPlayback,
  }, thumbnail(row), ...mapImage(row));
  const name = element("bdi", { class: "name", text: captionOf(row) });
  const confidence = element("span", { class: "confidence", text: data.confidences[row].toFixed(2) });
  return element("li", {}, button, element("span", { class: "caption", "aria-hidden": "true" }, name, confidence));
}

// A strip of the first samples, or a grid of all, whose parts have tiles only while they are near the window.
function tileStrip(rows, limit, label) {
  const list = element("ul", { class: "strip", "aria-label": label });
  list.append(...rows.slice(0, limit).map(makeTile));
  return list;
}

const nearWindow = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting, boundingClientRect } of entries) {
    if (isIntersecting) target.fill(); else target.empty?.(boundingClientRect.height);
  }
}, { rootMargin: "800px" });

function tileGrid(rows, label) {
  const width = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--tile"), 10) + 8;
  const columns = Math.max(1, Math.floor((document.getElementById("view").clientWidth - gridPadding) / width));
  const chunkSize = chunkRows * columns; // whole rows, so that a grid has no gaps
  const grid = element("div", { class: "grid", role: "group", "aria-label": label });
  for (let begin = 0; begin < rows.length; begin += chunkSize) {
    const part = rows.slice(begin, begin + chunkSize);
    const chunk = element("ul", { class: "chunk", "aria-label": `${label}, from ${begin + 1}` });
    chunk.style.setProperty("--rows", Math.ceil(part.length / columns));
    chunk.fill = () => {
      if (chunk.children.length) return;
      chunk.style.removeProperty("height");
      chunk.classList.add("filled");
      chunk.append(...part.map(makeTile));
    };
    chunk.empty = (height) => {
      if (!chunk.children.length || chunk.contains(document.activeElement)) return;
      chunk.style.setProperty("height", `${height}px`);
      chunk.replaceChildren();
    };
    grid.append(chunk);
    nearWindow.observe(chunk);
  }
  return grid;
}

// Arrow keys move between tiles, by their places on the screen.
function moveFocus(from, key) {
  const here = from.getBoundingClientRect();
  const x = here.left + here.width / 2, y = here.top + here.height / 2;
  let best = null, least = Infinity;
  for (const tile of document.querySelectorAll(".tile")) {
    const box = tile.getBoundingClientRect();
    if (tile === from || !box.width || Math.abs(box.top - here.top) > 3000) continue;
    const dx = box.left + box.width / 2 - x, dy = box.top + box.height / 2 - y;
    const along = { ArrowRight: dx, ArrowLeft: -dx, ArrowDown: dy, ArrowUp: -dy }[key];
    const across = key === "ArrowRight" || key === "ArrowLeft" ? dy : dx;
    const far = along + 4 * Math.abs(across);
    if (along > 4 && far < least) { least = far; best = tile; }
  }
  best?.focus();
}
