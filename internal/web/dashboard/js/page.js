// Manners of every page: copying, printing, sharing, busy buttons, messages
// that leave, and a warning before typed work is lost.

document.documentElement.classList.add("js");

const on = (name, selector, act) =>
  document.addEventListener(name, (event) => {
    const el = event.target.closest?.(selector);
    if (el) act(el, event);
  });

export function toast(text) {
  const box = document.getElementById("toasts");
  if (!box) return;
  const el = document.createElement("div");
  el.className = "toast";
  el.textContent = text;
  box.append(el);
  setTimeout(() => el.remove(), 4000);
}

on("click", "[data-copy]", async (button) => {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const field = document.createElement("textarea");
    field.value = button.dataset.copy;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  const label = button.querySelector("[data-label]");
  if (!label) return toast(button.dataset.done);
  const before = label.textContent;
  label.textContent = button.dataset.done;
  setTimeout(() => (label.textContent = before), 2000);
});
on("focusin", "[data-copy-text]", (field) => field.select());
on("click", "[data-print]", () => window.print());
on("change", "[data-submit]", (field) => field.form.requestSubmit());

for (const button of document.querySelectorAll("[data-share-url]")) {
  if (!navigator.share) continue;
  button.hidden = false;
  button.addEventListener("click", () =>
    navigator.share({ text: button.dataset.shareText, url: button.dataset.shareUrl }).catch(() => {}),
  );
}

// A form is sent once; the button that sent it says so.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "get") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.forms) delete form.dataset.sent;
  for (const b of document.querySelectorAll("[aria-busy]")) b.removeAttribute("aria-busy");
});

// Messages leave by themselves, unless there is something to undo in them.
for (const el of document.querySelectorAll("[data-toast]")) {
  setTimeout(() => el.remove(), el.querySelector("[data-undo]") ? 12000 : 5000);
}

// Typed work is not lost by leaving.
for (const form of document.querySelectorAll("[data-guard], [data-grid]")) {
  let changed = false;
  form.addEventListener("input", () => {
    changed = true;
    const word = form.querySelector("[data-guard-word]");
    if (word) word.textContent = "Not saved yet";
  });
  form.addEventListener("submit", () => (changed = false));
  form.addEventListener("reset", () => (changed = false));
  addEventListener("beforeunload", (event) => changed && event.preventDefault());
}

// The six digits: sent when complete, and a new code after a while.
for (const form of document.querySelectorAll("[data-code]")) {
  const field = form.querySelector("input[name=code]");
  field.addEventListener("input", () => {
    field.value = field.value.replace(/\D/g, "").slice(0, 6);
    if (field.value.length === 6) form.requestSubmit();
  });
}
for (const form of document.querySelectorAll("[data-wait]")) {
  let left = Number(form.dataset.wait);
  const button = form.querySelector("button");
  const word = form.querySelector("[data-wait-word]");
  const tick = () => {
    button.disabled = left > 0;
    if (word) word.textContent = left > 0 ? `Possible in ${left} seconds.` : "";
    if (left-- > 0) setTimeout(tick, 1000);
  };
  tick();
}

document.getElementById("errors")?.focus();

// Of more tabs than fit, the one that is shown is in sight.
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const row = tab.parentElement;
  row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
}
