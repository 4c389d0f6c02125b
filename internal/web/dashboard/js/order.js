// The order's tracking number can be pasted with its carrier's address.

const link = document.getElementById("link");
const number = document.getElementById("tracking");
number?.addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text").trim();
  if (!link || !/^https?:\/\//.test(text)) return;
  event.preventDefault();
  link.value = text;
  link.closest("details").open = true;
  const last = new URL(text).pathname.split("/").filter(Boolean).pop();
  if (last && /\d{6}/.test(last)) number.value = last;
});
