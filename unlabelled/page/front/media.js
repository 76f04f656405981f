// Playback: one player for all tiles, so that never two play at once.

const player = element("video", { loop: true, playsinline: true, tabindex: -1, "aria-hidden": "true" });
let playing = null;
let waiting = 0;

function mediaPath(name) {
  return `previews/${encodeURIComponent(name)}`;
}

function startPlayback(tile, row) {
  stopPlayback();
  document.querySelector("#detail video, #detail audio")?.pause();
  if (data.kinds[row] !== "video" || !data.media[row]) return;
  waiting = setTimeout(() => {
    playing = tile;
    player.src = mediaPath(data.media[row]);
    player.muted = false;
    tile.append(player);
    play(player);
  }, 80);
}

function stopPlayback() {
  clearTimeout(waiting);
  if (!playing) return;
  player.pause();
  player.removeAttribute("src");
  player.load();
  player.remove();
  playing = null;
}

// Browsers allow audio after the first click or key on the page; before it the video plays muted.
function play(media) {
  media.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    media.muted = true;
    report("Click anywhere once to switch the audio on.");
    media.play().catch(() => {});
  });
}
