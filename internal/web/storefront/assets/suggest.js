// Suggestions for a search box: a combobox as ARIA has it. The box keeps the
// focus; arrows go through what is suggested, Enter follows it, Escape closes.
// Without suggestions it is the form that it was.

const known = new Map(); // answers, by what was typed
let boxes = 0;

export default function suggest(input, form) {
  const id = `suggest-${++boxes}`;
  if (boxes === 1) {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = document.documentElement.dataset.suggestStyle;
    document.head.append(sheet);
  }
  const list = document.createElement("div");
  list.className = "suggest";
  list.id = id;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  const said = document.createElement("p");
  said.className = "sr-only";
  said.setAttribute("role", "status");
  form.append(list, said);
  form.classList.add("suggesting");
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id, "aria-haspopup": "listbox" })) input.setAttribute(name, value);

  let at = -1, shown = "", asking, timer;
  const options = () => [...list.querySelectorAll("[role=option]")];

  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  };
  const mark = (n) => {
    at = n;
    options().forEach((o, i) => o.setAttribute("aria-selected", String(i === n)));
    const on = options()[n];
    if (on) {
      input.setAttribute("aria-activedescendant", on.id);
      on.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };

  const option = (href) => {
    const a = document.createElement("a");
    a.href = href;
    a.tabIndex = -1;
    a.id = `${id}-${options().length}`;
    a.setAttribute("role", "option");
    a.setAttribute("aria-selected", "false");
    list.append(a);
    return a;
  };
  const text = (parent, className, words) => {
    const s = document.createElement("span");
    s.className = className;
    s.textContent = words;
    parent.append(s);
  };
  const money = (m, more) => {
    try {
      const format = new Intl.NumberFormat(root.dataset.locale || undefined, { style: "currency", currency: m.currency, trailingZeroDisplay: "stripIfInteger" });
      const digits = new Intl.NumberFormat("en", { style: "currency", currency: m.currency }).resolvedOptions().maximumFractionDigits;
      return (more ? "From " : "") + format.format(m.amount / 10 ** digits);
    } catch { return ""; }
  };
  const root = document.documentElement;

  const show = (words, got) => {
    shown = words;
    list.replaceChildren();
    at = -1;
    for (const q of got.queries) {
      const a = option(`${form.action}?q=${encodeURIComponent(q)}`);
      a.className = "suggest-words";
      text(a, "clip", q);
    }
    for (const p of got.products) {
      const a = option(p.url);
      const frame = document.createElement("span");
      frame.className = "suggest-pic";
      if (p.image) {
        const img = document.createElement("img");
        img.src = p.image.url;
        img.alt = "";
        img.width = img.height = 48;
        img.decoding = "async";
        frame.append(img);
      }
      a.append(frame);
      text(a, "suggest-title", p.title);
      text(a, "suggest-price num", p.available ? money(p.price, p.price_max.amount > p.price.amount) : "Sold out");
    }
    if (got.total > got.products.length) {
      const a = option(`${form.action}?q=${encodeURIComponent(words)}`);
      a.className = "suggest-all";
      text(a, "", `See all ${got.total} products`);
    }
    const n = options().length;
    list.hidden = n === 0;
    input.setAttribute("aria-expanded", String(n > 0));
    input.removeAttribute("aria-activedescendant");
    said.textContent = n ? `${got.total} ${got.total === 1 ? "product" : "products"}. Use the arrow keys.` : "Nothing found yet.";
  };

  const ask = async () => {
    const words = input.value.replace(/^\s+/, "").slice(0, 100);
    asking?.abort();
    if (words.trim().length < 2) return close();
    if (known.has(words)) return show(words, known.get(words));
    asking = new AbortController();
    try {
      const answer = await fetch(`/api/v1/search/suggest?q=${encodeURIComponent(words)}`, { signal: asking.signal, headers: { accept: "application/json" } });
      if (!answer.ok) return close();
      const got = await answer.json();
      if (known.size > 50) known.clear();
      known.set(words, got);
      if (document.activeElement === input) show(words, got);
    } catch { /* typed on, or no network: the form still works */ }
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 120);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const all = options();
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && all.length) {
      event.preventDefault();
      if (list.hidden) { list.hidden = false; input.setAttribute("aria-expanded", "true"); }
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark(at < 0 && step < 0 ? all.length - 1 : at + step >= all.length ? -1 : at + step);
    } else if (event.key === "Enter" && !list.hidden && all[at]) {
      event.preventDefault();
      all[at].click();
    }
  });
  form.addEventListener("focusout", (event) => { if (!form.contains(event.relatedTarget)) close(); });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  input.addEventListener("focus", () => { if (shown && shown === input.value && options().length) { list.hidden = false; input.setAttribute("aria-expanded", "true"); } });
  if (input.value) ask(); // typed before this module came
}
