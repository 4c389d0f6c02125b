// News by server-sent events.
//
// Every element with data-live="<url>" listens there. The server sends
//   event: part   data: {"id": "today-numbers", "html": "<section …>"}   replaces the element with that id
//   event: inside data: {"id": "import", "html": "…"}                    replaces what is in it
//   event: order  data: {"html": "<li …>", "said": "Order #1043, ₹900", "waiting": 3, "new": true}
// An order is put at the top of #live-orders, or takes the place of its older
// self; a new one is said aloud, and rings if sound was asked for.

const soundKey = "haat-order-sound";
let audio;

function ring() {
  audio ??= new AudioContext();
  const start = audio.currentTime;
  for (const [at, pitch] of [[0, 880], [0.16, 1174.66]]) {
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.value = pitch;
    gain.gain.setValueAtTime(0.0001, start + at);
    gain.gain.exponentialRampToValueAtTime(0.4, start + at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + at + 0.5);
    tone.connect(gain).connect(audio.destination);
    tone.start(start + at);
    tone.stop(start + at + 0.55);
  }
}

for (const button of document.querySelectorAll("[data-sound]")) {
  const show = () => button.setAttribute("aria-pressed", String(localStorage.getItem(soundKey) === "on"));
  show();
  button.addEventListener("click", () => {
    const next = localStorage.getItem(soundKey) === "on" ? "off" : "on";
    localStorage.setItem(soundKey, next);
    show();
    if (next === "on") ring();
  });
}
// Browsers let a page sound only after it was touched.
addEventListener("pointerdown", () => localStorage.getItem(soundKey) === "on" && (audio ??= new AudioContext()).resume(), { once: true });

function made(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  return box.content.firstElementChild;
}

// While a finger or a mouse presses, nothing moves: a button that is replaced
// or pushed away in between would never be clicked. News waits until it has
// been let go, three seconds at most.
let pressed = false;
let waitingNews = [];
let giveUp;
const calmly = (act) => (pressed ? waitingNews.push(act) : act());
const release = () =>
  setTimeout(() => {
    clearTimeout(giveUp);
    pressed = false;
    const acts = waitingNews;
    waitingNews = [];
    for (const act of acts) act();
  });
addEventListener(
  "pointerdown",
  () => {
    pressed = true;
    clearTimeout(giveUp);
    giveUp = setTimeout(release, 3000);
  },
  true,
);
for (const name of ["pointerup", "pointercancel", "blur"]) addEventListener(name, release, true);

// replace puts fresh in the place of old, unless it is the same. Whether
// details are open is kept.
function replace(old, fresh) {
  if (!fresh) return;
  const open = [...old.querySelectorAll("details")].map((d) => d.open);
  [...fresh.querySelectorAll("details")].forEach((d, i) => (d.open = open[i] ?? d.open));
  if (!old.isEqualNode(fresh)) old.replaceWith(fresh);
}

function waiting(n) {
  for (const badge of document.querySelectorAll("[data-waiting]")) {
    badge.hidden = !n;
    badge.querySelector("[data-waiting-number]").textContent = n > 999 ? "999+" : n;
  }
  document.title = document.title.replace(/^\(\d+\) /, "");
  if (n) document.title = `(${n}) ${document.title}`;
}

function order(news) {
  if (news.waiting !== undefined) waiting(news.waiting);
  const list = document.getElementById("live-orders") ?? document.getElementById("orders");
  const row = made(news.html);
  if (!list || !row) return;
  const old = document.getElementById(row.id);
  if (old) replace(old, row);
  else if (news.new && list.id === "live-orders") {
    list.prepend(row);
    row.classList.add("arrived");
    document.getElementById("live-none")?.remove();
    while (list.children.length > 12) list.lastElementChild.remove();
  }
  if (news.new && !old) {
    const said = document.getElementById("live-said");
    if (said) said.textContent = news.said;
    if (localStorage.getItem(soundKey) === "on") ring();
  }
}

const urls = new Set([...document.querySelectorAll("[data-live]")].map((el) => el.dataset.live).filter(Boolean));
for (const url of urls) {
  const source = new EventSource(url);
  const state = (word, live) => {
    for (const el of document.querySelectorAll("[data-live-word]")) {
      el.textContent = word;
      el.parentElement.classList.toggle("is-live", live);
    }
  };
  source.addEventListener("open", () => state("Live", true));
  source.addEventListener("error", () => state("Reconnecting", false));
  const news = (name, act) => source.addEventListener(name, (event) => calmly(() => act(JSON.parse(event.data))));
  news("part", ({ id, html }) => {
    const old = document.getElementById(id);
    if (old) replace(old, made(html));
  });
  news("inside", ({ id, html }) => {
    const box = document.getElementById(id);
    if (!box) return;
    const fresh = box.cloneNode(false);
    fresh.innerHTML = html;
    replace(box, fresh);
  });
  news("order", order);
  source.addEventListener("end", () => source.close());
  addEventListener("pagehide", () => source.close());
}

const now = document.querySelector("[data-waiting-now]");
if (now) waiting(Number(now.dataset.waitingNow));
