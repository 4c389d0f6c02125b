// The closed rows of the variants table show what was typed in them.

document.addEventListener("input", (event) => {
  const shown = document.querySelector(`[data-show="${CSS.escape(event.target.name ?? "")}"]`);
  if (!shown) return;
  const sign = event.target.closest(".affix")?.firstElementChild.textContent ?? "";
  shown.textContent = sign + event.target.value;
});
