// Commands, each with what it is for and a button that copies it. A page that renews itself leaves them, and the focus, alone.
const SAID = 2000;  // milliseconds for which a button says what came of it
const shown = new WeakMap();

export default function ({ data, parentElement }) {
  let page = shown.get(parentElement);
  if (!page) {
    const root = parentElement.appendChild(document.createElement("div"));
    root.className = "drift commands";
    page = { root, known: "" };
    shown.set(parentElement, page);
  }
  const known = JSON.stringify(data.commands);
  if (known !== page.known) page.root.replaceChildren(...data.commands.flatMap(({ purpose, command }) => entry(purpose, command)));
  page.known = known;
  return () => shown.delete(parentElement);
}

function entry(purpose, command) {
  const [about, line, code, button, said] = ["p", "div", "code", "button", "span"].map((name) => document.createElement(name));
  about.className = "soft";
  about.textContent = purpose;
  code.textContent = command;
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${command}`);
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    const copied = await copy(command, code, button);
    button.textContent = copied ? "Copied" : "Copy";
    said.textContent = copied ? "Copied to the clipboard" : "The browser does not let this page copy: it is selected, copy it by its keys";
    said.className = copied ? "hidden" : "";
    clearTimeout(button.timer);
    if (copied) button.timer = setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, SAID);
  });
  line.className = "command";
  line.append(code, button);
  return [about, line, said];
}

// Browsers give a clipboard to pages of this machine and over TLS alone; elsewhere what is selected can still be copied.
async function copy(command, code, button) {
  try {
    await navigator.clipboard.writeText(command);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    const copied = document.execCommand("copy");
    if (copied) getSelection().removeAllRanges();
    button.focus({ preventScroll: true });
    return copied;
  }
}
