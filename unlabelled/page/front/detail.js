// The details of one sample: player, facts, its nearest samples, and what can be done with it.

let shownRow = -1;

function showDetail(row) {
  stopPlayback();
  const panel = document.getElementById("detail");
  const fromPanel = panel.contains(document.activeElement);
  shownRow = row;
  const close = element("button", { type: "button", class: "close", text: "Close", onclick: closeDetail });
  const path = element("p", { class: "path" }, element("bdi", { text: data.names[row] }));
  panel.replaceChildren(close, bigMedia(row), path, detailFacts(row), detailTools(row), ...nearest(row));
  panel.hidden = false;
  panel.scrollTop = 0;
  if (fromPanel) close.focus();
  report(describe(row));
  const media = panel.querySelector("video, audio");
  if (media) play(media);
  selectionChanged();
}

function closeDetail() {
  const panel = document.getElementById("detail");
  if (panel.hidden) return;
  panel.hidden = true;
  panel.replaceChildren();
  const tile = document.querySelector(`#view .tile[data-row="${shownRow}"]`);
  shownRow = -1;
  (tile ?? map?.canvas)?.focus();
  selectionChanged();
}

function bigMedia(row) {
  const source = data.media[row] && mediaPath(data.media[row]);
  if (data.kinds[row] === "video") {
    const video = element("video", { src: source, controls: true, loop: true, playsinline: true, class: "big", "aria-label": data.names[row] });
    const frame = element("div", { class: "frame" }, video, ...mapImage(row));
    if (!data.spectrograms[row]) return frame;
    return element("div", {}, frame, spectrogram(data.thumbnails[row].replace(/\.jpg$/, "_audio.jpg"), video));
  }
  if (data.kinds[row] === "audio") {
    const audio = element("audio", { src: source, controls: true, "aria-label": data.names[row] });
    return element("div", {}, spectrogram(data.thumbnails[row], audio, "big"), audio);
  }
  if (data.kinds[row] === "image") return element("img", { src: source, alt: data.names[row], class: "big" });
  return element("p", { class: "empty", text: "There is no preview." });
}

// The audio of a player, low frequencies at the bottom, with a line where it plays; a click goes there.
function spectrogram(name, media, size = "") {
  const line = element("div", { class: "playhead" });
  const place = element("div", { class: `spectrogram ${size}`, title: "Spectrogram" }, element("img", { src: mediaPath(name), alt: "Spectrogram" }), line);
  const move = () => line.style.setProperty("left", `${100 * (media.duration ? media.currentTime / media.duration : 0)}%`);
  const follow = () => { move(); if (!media.paused && place.isConnected) requestAnimationFrame(follow); };
  media.addEventListener("play", follow);
  media.addEventListener("seeked", move);
  place.addEventListener("click", (event) => {
    const box = place.getBoundingClientRect();
    if (media.duration) media.currentTime = media.duration * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.999);
  });
  return place;
}

function detailFacts(row) {
  const node = clusters[clusterOfLeaf[leafOf[row]]].node;
  const facts = [
    ["Cluster", junk[row] ? "junk" : titleOf(node)],
    ["Confidence", data.confidences[row].toFixed(3)],
    ["Time", spanText(row)],
    ["Split", data.splits[row]],
    ["Class", data.labels[row] < 0 ? "" : data.classes[data.labels[row]]],
    ["Propagated label", suggestionOf(row)],
    ["Missing", data.missing[row]],
    ["Other run", data.compare && data.compare.clusters[row] >= 0 ? otherTitle(data.compare.clusters[row]) : ""],
  ];
  const list = element("dl");
  for (const [name, text] of facts) {
    if (text) list.append(element("dt", { text: name }), element("dd", {}, element("bdi", { text })));
  }
  return list;
}

function detailTools(row) {
  const target = moveMenu(() => [row]);
  const toJunk = element("button", {
    type: "button", id: "detail-junk", text: junk[row] ? "Not junk" : "Junk",
    onclick: () => toggleJunk(row),
  });
  return element("p", { class: "actions" }, target, toJunk);
}

function toggleJunk(row) {
  act({ type: "junk", rows: [row], on: !junk[row] }, junk[row] ? "The sample is no longer junk." : "The sample is junk.");
}

function moveMenu(rowsToMove) {
  const menu = element("select", {
    "aria-label": "Move to a cluster",
    onchange: () => {
      const rows = rowsToMove();
      const node = Number(menu.value);
      act({ type: "move", rows, leaf: mainLeaf(node) }, `Moved to ${titleOf(node)}.`);
    },
  }, element("option", { value: "", text: "Move to ...", disabled: true, selected: true }));
  for (const each of clusters) menu.append(element("option", { value: each.node, text: titleOf(each.node) }));
  return menu;
}

function nearest(row) {
  if (!data.near[row].length) return [];
  return [element("h2", { text: "Nearest" }), tileStrip(data.near[row], data.near[row].length, "Nearest samples")];
}
