// The shop beside the theme's form follows the colours and the type while
// they are chosen; nothing is saved before the button says so.

const form = document.querySelector("[data-theme]");
const frame = document.querySelector(".phone iframe");
let timer;

function preview() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (!frame) return;
    const url = new URL(form.dataset.theme, location.href);
    for (const name of ["accent", "background", "text", "font"]) {
      url.searchParams.set(name, new FormData(form).get(name) ?? "");
    }
    frame.src = url;
  }, 400);
}

form?.addEventListener("input", preview);
for (const button of document.querySelectorAll("[data-preset]")) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    for (const name of ["accent", "background", "text"]) form.elements[name].value = button.dataset[name];
    preview();
  });
}
