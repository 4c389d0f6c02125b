// What the storefront gains where scripts run. Nothing depends on it:
//   the number in the cart, from a cookie, so that pages can be the same for all;
//   pages fetched when a finger or pointer comes near their link, where the
//   browser does not do so by the Speculation-Rules that pages come with;
//   options of a product changed without leaving the page;
//   quantities by buttons, sorting and cart sent at once, forms sent once;
//   pictures in full size, and a small one changed for the large;
//   a visit told of when it begins, to be counted;
//   products suggested while one types in a search box.

const root = document.documentElement;
root.classList.add("js");

// The number in the cart.
const counter = document.querySelector("[data-cart-count]");
const counted = document.cookie.match(/(?:^|; )cart_count=(\d{1,4})/);
if (counter && counted && counter.hidden && counted[1] !== "0") {
  counter.textContent = counted[1];
  counter.hidden = false;
}

// A visit begins with a page that is looked at after half an hour of none. It is
// counted, and nothing else is told or kept of who it is.
const looked = () => {
  if (document.visibilityState !== "visible") return;
  try {
    const last = Number(localStorage.getItem("looked")), now = Date.now();
    localStorage.setItem("looked", now);
    if (!(now - last < 30 * 60_000)) navigator.sendBeacon("/visit");
  } catch { /* a browser that keeps nothing is not counted */ }
};
looked();
document.addEventListener("visibilitychange", looked);

// Prefetch on intent, unless the reader saves data.
const fetched = new Set([location.href]);
const saving = navigator.connection?.saveData;
const near = (event) => {
  const link = event.target.closest?.("a[data-prefetch], a[data-variant], .top-nav a, .pages a");
  if (!link || saving || fetched.has(link.href) || fetched.size > 40) return;
  fetched.add(link.href);
  const hint = document.createElement("link");
  hint.rel = "prefetch";
  hint.href = link.href;
  document.head.append(hint);
};
if (!HTMLScriptElement.supports?.("speculationrules")) {
  document.addEventListener("pointerover", near, { passive: true });
  document.addEventListener("touchstart", near, { passive: true });
  document.addEventListener("focusin", near);
}

// Options: the chosen link's page replaces what differs here.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-variant]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const info = link.closest("[data-swap]");
  const label = link.closest("[role=group]").getAttribute("aria-label");
  const value = link.textContent.trim();
  const quantity = info.querySelector("[data-stepper] input")?.value;
  info.classList.add("swapping");
  try {
    const answer = await fetch(link.href, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-swap]");
    const shots = page.querySelector("[data-gallery]");
    const typed = fresh.querySelector("[data-stepper] input");
    if (typed && quantity) typed.value = Math.min(quantity, typed.max || quantity);
    info.replaceWith(document.adoptNode(fresh));
    showShot(shots);
    history.replaceState(history.state, "", link.href);
    const group = [...fresh.querySelectorAll("[role=group]")].find((g) => g.getAttribute("aria-label") === label);
    [...group.querySelectorAll("a")].find((a) => a.textContent.trim() === value || a.hasAttribute("aria-current"))?.focus({ preventScroll: true });
    bind(fresh);
  } catch {
    location.href = link.href;
  }
});

// The chosen variant's picture comes first; the rest stay as they are.
function showShot(shots) {
  const gallery = document.querySelector("[data-gallery]");
  const first = shots?.querySelector("[data-shot]");
  if (!gallery || !first) return;
  const here = [...gallery.querySelectorAll("[data-shot]")].find((s) => s.dataset.shot === first.dataset.shot);
  if (here) exchange(here);
  gallery.scrollTo({ left: 0 });
}

// A picture changes places with the first, and each gets the other's size.
function exchange(shot) {
  const first = shot.parentElement.firstElementChild;
  if (first === shot) return;
  const a = shot.querySelector("img"), b = first.querySelector("img");
  a.loading = "eager";
  [a.sizes, b.sizes] = [b.sizes, a.sizes];
  const place = document.createComment("");
  shot.replaceWith(place);
  first.replaceWith(shot);
  place.replaceWith(first);
}

// Quantities.
function bind(within) {
  for (const box of within.querySelectorAll("[data-stepper]")) {
    const input = box.querySelector("input");
    const check = () => {
      for (const b of box.querySelectorAll("button")) {
        const next = Number(input.value) + Number(b.dataset.step);
        b.disabled = next < Number(input.min) || next > Number(input.max);
      }
    };
    input.addEventListener("input", check);
    check();
  }
}
bind(document);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (!button) return;
  const input = button.parentElement.querySelector("input");
  input.value = Number(input.value) + Number(button.dataset.step);
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

// Sorting and filters on wide screens, and the cart's quantities, are sent
// when they change.
let waiting;
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (!form) return;
  if (form.matches("[data-cart]") && event.target.value !== "") {
    clearTimeout(waiting);
    waiting = setTimeout(() => form.requestSubmit(), 500);
  } else if (form.matches("[data-filters]") && (event.target.name === "sort" || matchMedia("(min-width: 64em)").matches)) {
    form.requestSubmit();
  }
});

// Empty fields of a search are left out of its address.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-filters]")) {
    for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
  }
  if (form.matches("[data-once]")) {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-busy", "true");
  }
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
  for (const busy of document.querySelectorAll("[aria-busy=true]")) busy.removeAttribute("aria-busy");
  for (const field of document.querySelectorAll("[data-filters] :disabled")) field.disabled = false;
});

// Pictures in full size, in a dialog; a tap comes closer.
document.addEventListener("click", (event) => {
  const shot = event.target.closest("a[data-shot]");
  if (!shot || event.metaKey || event.ctrlKey || !window.HTMLDialogElement) return;
  event.preventDefault();
  if (shot !== shot.parentElement.firstElementChild && matchMedia("(min-width: 48em)").matches) {
    exchange(shot);
    return shot.focus({ preventScroll: true });
  }
  const dialog = document.createElement("dialog");
  dialog.className = "zoom";
  dialog.setAttribute("aria-label", "Picture");
  const img = document.createElement("img");
  img.src = shot.href;
  img.alt = shot.querySelector("img")?.alt ?? "";
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn btn-secondary";
  close.textContent = "Close";
  dialog.append(img, close);
  document.body.append(dialog);
  img.addEventListener("click", (tap) => {
    const x = tap.offsetX / img.clientWidth, y = tap.offsetY / img.clientHeight;
    if (dialog.classList.toggle("zoom-in")) {
      dialog.scrollTo(img.clientWidth * x - innerWidth / 2, img.clientHeight * y - innerHeight / 2);
    }
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { dialog.remove(); shot.focus(); });
  dialog.showModal();
});

// The menu closes when one taps beside it or presses Escape.
const menu = document.querySelector(".top-menu");
document.addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu?.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A refused form is read from its summary.
document.getElementById("errors")?.focus();

// Suggestions: the module comes when somebody goes to a search box.
document.addEventListener("focusin", (event) => {
  const form = event.target.closest?.("form[data-suggest]");
  if (!form || event.target.type !== "search" || form.dataset.suggest) return;
  form.dataset.suggest = "on";
  import(new URL(document.documentElement.dataset.suggest, location.href)).then((m) => m.default(event.target, form), () => {});
});
document.querySelector("form[data-suggest] input:focus")?.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
