// The address of the shop follows its name while it is typed. The server is
// asked, since only it knows how names are written and which addresses are
// taken: GET /new/address?name=… answers {"slug": "meeras-pottery-2", "note": "…"}.

const field = document.querySelector("[data-slug-from]");
const shown = document.querySelector("[data-slug]");
let timer, last;

field?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    last?.abort();
    last = new AbortController();
    try {
      const answer = await fetch(`${field.dataset.slugFrom}?name=${encodeURIComponent(field.value)}`, { signal: last.signal });
      if (!answer.ok) return;
      const { slug, note } = await answer.json();
      shown.textContent = slug || "your-shop";
      shown.classList.toggle("muted", !slug);
      document.querySelector("[data-slug-note]").textContent = note;
    } catch {}
  }, 250);
});
