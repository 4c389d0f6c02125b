// Pictures and files: previews, several uploads at once with progress, order
// by dragging, and a bar for a long file.
//
// The list [data-images] sends each file by itself as multipart field "image"
// to its data-upload address and puts in the answer, the HTML of one item.

function send(url, form, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (e) => e.lengthComputable && progress(e.loaded, e.total));
    request.addEventListener("load", () => done(request));
    request.addEventListener("error", () => failed(new Error("No connection")));
    request.send(form);
  });
}

for (const list of document.querySelectorAll("[data-images]")) {
  const input = list.querySelector("[data-upload-input]");
  const add = list.querySelector("[data-images-add]");
  const said = document.querySelector("[data-upload-said]");
  const queue = [];
  let busy = 0;

  const numbers = () => {
    [...list.querySelectorAll("[data-position]")].forEach((el, i) => (el.value = i + 1));
    list.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const one = async (file) => {
    const item = document.createElement("li");
    item.className = "images-item is-loading";
    const frame = document.createElement("span");
    frame.className = "frame";
    const picture = document.createElement("img");
    picture.alt = "";
    picture.src = URL.createObjectURL(file);
    frame.append(picture);
    const bar = document.createElement("progress");
    bar.className = "progress";
    bar.max = 1;
    bar.value = 0;
    item.append(frame, bar);
    add.before(item);
    const form = new FormData();
    form.append("csrf", list.dataset.csrf);
    form.append("image", file);
    form.append("position", String(list.querySelectorAll("[data-image]").length));
    const fail = (words) => {
      const text = document.createElement("p");
      text.className = "field-error xs";
      text.textContent = words;
      bar.replaceWith(text);
      item.classList.replace("is-loading", "is-failed");
      said.textContent = `${file.name}: ${words}`;
      item.addEventListener("click", () => item.remove(), { once: true });
    };
    try {
      const answer = await send(list.dataset.upload, form, (n, all) => (bar.value = n / all));
      const box = document.createElement("template");
      box.innerHTML = answer.responseText;
      const made = box.content.querySelector("[data-image]");
      if (answer.status >= 300 || !made) return fail(answer.status === 413 ? "Too large" : "Not a picture we can read");
      item.replaceWith(made);
      said.textContent = `${file.name} uploaded`;
      numbers();
    } catch {
      fail("No connection. Tap to remove, then try again");
    }
  };

  const next = async () => {
    if (busy >= 2 || !queue.length) return;
    busy++;
    await one(queue.shift());
    busy--;
    next();
  };
  const take = (files) => {
    queue.push(...[...files].filter((f) => f.type.startsWith("image/")));
    next();
    next();
  };

  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  list.addEventListener("dragover", (event) => event.preventDefault());
  list.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
  });

  // Order: dragging with a mouse, the Position field otherwise.
  let held;
  list.addEventListener("dragstart", (event) => (held = event.target.closest("[data-image]")));
  list.addEventListener("dragenter", (event) => {
    const over = event.target.closest?.("[data-image]");
    if (!held || !over || over === held) return;
    const after = held.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING;
    over[after ? "after" : "before"](held);
  });
  list.addEventListener("dragend", () => {
    held = undefined;
    numbers();
  });
  list.addEventListener("change", (event) => {
    if (!event.target.matches("[data-position]")) return;
    const item = event.target.closest("[data-image]");
    const others = [...list.querySelectorAll("[data-image]")].filter((el) => el !== item);
    const at = Math.max(0, Math.min(others.length, Number(event.target.value) - 1));
    (others[at] ?? add).before(item);
    numbers();
  });
}

for (const input of document.querySelectorAll("[data-preview]")) {
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (!file) return;
    const box = input.closest("[data-photo]");
    box.querySelector("img, .quick-hint")?.remove();
    const picture = document.createElement("img");
    picture.alt = "The photo you chose";
    picture.src = URL.createObjectURL(file);
    box.append(picture);
    document.getElementById("title")?.focus();
  });
}

for (const drop of document.querySelectorAll("[data-drop]")) {
  const input = drop.querySelector("input");
  const name = drop.querySelector("[data-drop-name]");
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (file) name.textContent = `${file.name}, ${(file.size / 1048576).toFixed(1)} MB`;
  });
  for (const kind of ["dragenter", "dragleave", "drop"]) {
    drop.addEventListener(kind, () => drop.classList.toggle("is-over", kind === "dragenter"));
  }
}

for (const form of document.querySelectorAll("[data-progress]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const box = form.querySelector("[data-progress-box]");
    const word = box.querySelector("[data-progress-word]");
    const data = new FormData(form, event.submitter);
    event.submitter?.setAttribute("aria-busy", "true");
    box.hidden = false;
    const began = Date.now();
    try {
      const answer = await send(form.action, data, (n, all) => {
        box.querySelector("progress").value = (n / all) * 100;
        const left = ((Date.now() - began) / n) * (all - n);
        word.textContent = n < all ? `Uploading, about ${Math.ceil(left / 1000)} s left` : "Reading the file…";
      });
      if (answer.responseURL && answer.responseURL !== form.action) return location.assign(answer.responseURL);
      document.open();
      document.write(answer.responseText);
      document.close();
    } catch {
      word.textContent = "No connection. Please try again.";
      event.submitter?.removeAttribute("aria-busy");
    }
  });
}
