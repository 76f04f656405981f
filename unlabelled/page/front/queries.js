// The view of the user's own files: the cluster and the nearest samples of each.

function drawQueries(view) {
  view.replaceChildren(...data.queries.map(querySection));
}

function querySection(query) {
  const { node } = clusters[clusterOfLeaf[query.leaf]];
  const section = element("section", { class: "cluster query", "aria-label": query.name });
  section.style.setProperty("--colour", colourOf(node));
  const span = query.end !== null && query.kind !== "image" ? `, ${+query.start.toFixed(2)} to ${+query.end.toFixed(2)} s` : "";
  const shown = element("button", { type: "button", onclick: () => showCluster(node) }, element("bdi", { text: titleOf(node) }));
  const facts = [element("h2", { class: "path" }, element("bdi", { text: query.name + span })), "is nearest to ", shown, unlike(query)];
  section.append(element("div", { class: "cluster-head" }, ...facts));
  const list = element("ul", { class: "strip", "aria-label": `Nearest samples of ${query.name}` });
  query.near.forEach((row, place) => {
    const tile = makeTile(row);
    tile.append(element("span", { class: "caption", text: `cosine ${query.cosines[place].toFixed(3)}` }));
    list.append(tile);
  });
  section.append(element("div", { class: "query-parts" }, queryMedia(query), list));
  return section;
}

function unlike({ typical }) {
  if (typical < 0.01) return element("span", { class: "facts", text: "but less similar to it than all of its samples" });
  return element("span", { class: "facts", text: `and more similar to it than ${percent(typical)} of its samples` });
}

function queryMedia({ kind, media, thumbnail: image, name }) {
  if (kind === "video") return element("video", { src: mediaPath(media), controls: true, loop: true, playsinline: true, "aria-label": name });
  if (kind === "audio") return element("div", {}, element("img", { src: mediaPath(image), alt: "Spectrogram" }), element("audio", { src: mediaPath(media), controls: true, "aria-label": name }));
  if (kind === "image") return element("img", { src: mediaPath(media), alt: name });
  return element("p", { class: "empty", text: "There is no preview." });
}

function showCluster(node) {
  setView(0);
  document.querySelector(`[data-node="${node}"]`)?.scrollIntoView();
  focusRow(node);
}
